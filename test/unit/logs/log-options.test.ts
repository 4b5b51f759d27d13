import { describe, expect, it } from 'vitest';
import { jsonFileDriver, localDriver } from '../../../daemon/logs/drivers/file-driver.ts';
import { LogDrivers } from '../../../daemon/logs/drivers/log-drivers.ts';
import { noneDriver } from '../../../daemon/logs/drivers/none-driver.ts';

const drivers = new LogDrivers([jsonFileDriver, localDriver, noneDriver]);
const jsonFile = (options: Record<string, string>) => drivers.configure({ driver: 'json-file', options });

describe('log options', () => {
  it('has limits by default', () => {
    expect(jsonFile({}).limits).toEqual({ maxBytes: 10_485_760, maxFiles: 3 });
  });
  it('reads sizes and counts', () => {
    expect(jsonFile({ 'max-size': '1m', 'max-file': '5' }).limits).toEqual({ maxBytes: 1_048_576, maxFiles: 5 });
  });
  it.each([
    [{ 'max-size': '1k' }, { limits: { maxBytes: 1024 } }],
    [{ 'max-size': '1' }, { limits: { maxBytes: 1024 } }],
    [{ 'max-size': '1.5m' }, { limits: { maxBytes: 1_572_864 } }],
    [{ 'max-size': '20 KiB' }, { limits: { maxBytes: 20_480 } }],
    [{ mode: 'non-blocking', 'max-buffer-size': '4m' }, {}],
    [{ mode: 'blocking' }, {}],
    [{ compress: 'false' }, { warnings: [] }],
    [
      { compress: 'true', 'max-size': '1m', 'max-file': '2' },
      { warnings: [], follow: expect.any(Function) },
    ],
    [{ tag: '{{.Name}}/{{ .ID }}' }, {}],
    [{ 'cache-disabled': 'true' }, {}],
  ])('takes %j', (Config, expected) => {
    expect(jsonFile(Config as unknown as Record<string, string>)).toMatchObject(expected);
  });
  it.each([
    ['json-file', { 'max-size': 'x' }, 'invalid value for "max-size"'],
    ['json-file', { 'max-file': '0' }, 'invalid value for "max-file"'],
    ['json-file', { 'max-size': '0' }, 'must be a positive number'],
    ['json-file', { mode: 'x' }, 'logger: logging mode not supported: x'],
    ['json-file', { 'max-buffer-size': '1m' }, "only supported with 'mode=non-blocking'"],
    ['json-file', { mode: 'non-blocking', 'max-buffer-size': 'x' }, "invalid size: 'x'"],
    ['json-file', { compress: 'true' }, 'compress cannot be true when max-file is less than 2'],
    ['json-file', { compress: 'true', 'max-size': '1m' }, 'compress cannot be true'],
    ['json-file', { compress: 'x' }, 'invalid value for "compress"'],
    ['json-file', { tag: '{{.Bad}}' }, 'invalid value for "tag"'],
    ['json-file', { tag: '{{' }, 'invalid value for "tag"'],
    ['json-file', { 'labels-regex': '[' }, 'invalid value for "labels-regex"'],
    ['local', { labels: 'a' }, "unknown log opt 'labels' for local log driver"],
    ['none', { mode: 'x' }, 'logging mode not supported'],
  ])('refuses %s with %j', (driver, options, message) => {
    expect(() => drivers.configure({ driver, options: options as unknown as Record<string, string> })).toThrow(message);
  });
  it('shows labels, variables and the tag, sorted and escaped', () => {
    const details = (options: Record<string, string>) =>
      jsonFile(options).details({
        id: 'c'.repeat(64),
        name: 'web',
        imageId: `sha256:${'d'.repeat(64)}`,
        image: 'busybox',
        command: ['sh', '-c', 'true'],
        labels: { b: 'x y', beta: '2' },
        environment: ['A=1,2', 'AB=3', 'NONE'],
      });
    expect(details({ labels: 'b,none', env: 'A' })).toBe('A=1%2C2,b=x+y');
    expect(details({ 'labels-regex': '^b', 'env-regex': '^A.$' })).toBe('AB=3,b=x+y,beta=2');
    expect(details({ tag: '{{.Name}}:{{.ID}}@{{.ImageName}}' })).toBe('tag=web%3Acccccccccccc%40busybox');
    expect(details({ tag: '{{.Command}}' })).toBe('tag=sh+-c+true');
  });
});
