// null in a body is the zero value of what stands there, wherever it stands: so Go decodes it, and so its clients write it.
import { expect, test } from 'vitest';
import { compileBody } from '../../../daemon/docker-api/request/body-schema.ts';
import { CommitBody, CreateBody, ExecBody, UpdateBody } from '../../../daemon/docker-api/request/schemas.ts';
import { exposedRanges } from '../../../daemon/spec/docker/parse-ports.ts';
import { exposedPorts } from '../../../daemon/spec/ports.ts';
import { usualMs, workMs } from '../../harness/pace.ts';

const decode = compileBody(CreateBody);
const json = (text: string) => decode(JSON.parse(text));

test.each([
  ['ExposedPorts', '{"80/tcp":null}', { '80/tcp': {} }],
  ['Volumes', '{"/x":null}', { '/x': {} }],
  ['Labels', '{"a":null,"__proto__":null}', JSON.parse('{"a":"","__proto__":""}')],
  ['Cmd', '["x",null]', ['x', '']],
  ['Entrypoint', '[null]', ['']],
  ['Env', '[null]', ['']],
  ['Cmd', 'null', null],
  ['Healthcheck', '{"Test":[null],"Retries":null}', { Test: [''] }],
  ['Tty', 'null', undefined],
])('%s: %s', (field, text, expected) => {
  const body = json(`{"Image":"i","${field}":${text}}`) as Record<string, unknown>;
  expect(body[field]).toEqual(expected);
});

test.each([
  ['Tmpfs', '{"/x":null}', { '/x': '' }],
  ['Sysctls', '{"a":null}', { a: '' }],
  ['PortBindings', '{"80/tcp":null}', { '80/tcp': null }],
  ['PortBindings', '{"80/tcp":[null]}', { '80/tcp': [{}] }],
  ['Ulimits', 'null', null],
  ['ConsoleSize', '[1,null]', [1, 0]],
  ['LogConfig', '{"Config":{"max-size":null}}', { Config: { 'max-size': '' } }],
  ['Devices', '[null]', [{}]],
  ['Memory', 'null', undefined],
])('HostConfig.%s: %s', (field, text, expected) => {
  const { HostConfig } = json(`{"Image":"i","HostConfig":{"${field}":${text}}}`) as { HostConfig: object };
  expect((HostConfig as Record<string, unknown>)[field]).toEqual(expected);
});

test('a body that is absent or null is an empty one, except where nothing can be done without', () => {
  for (const schema of [UpdateBody, ExecBody]) {
    expect(compileBody(schema)(undefined)).toEqual({});
    expect(compileBody(schema)(null)).toEqual({});
  }
  expect(compileBody(CommitBody)(undefined)).toBe(undefined);
  expect(() => decode(undefined)).toThrow('invalid JSON: got EOF while reading request body');
  expect(() => decode(null)).toThrow('EOF');
});

test('wrong types stay wrong', () => {
  expect(() => json('{"Labels":{"a":1}}')).toThrow('invalid JSON at Labels.a: expected string');
  expect(() => json('{"Env":"a=b"}')).toThrow('invalid JSON at Env: expected array');
});

test('a body that names each of 65,535 ports is no long work: everybody waits meanwhile', () => {
  const ports = Object.fromEntries(Array.from({ length: 65_535 }, (_, at) => [`${at + 1}/tcp`, {}]));
  const text = JSON.stringify({ Image: 'i', ExposedPorts: ports });
  json('{"Image":"i"}');
  const work = () => {
    const { ExposedPorts } = json(text) as { ExposedPorts: Record<string, object> };
    expect(exposedPorts(exposedRanges(ExposedPorts))).toHaveLength(65_535);
  };
  expect(workMs(work)).toBeLessThan(700 * usualMs());
});
