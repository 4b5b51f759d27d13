import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../daemon/spec/docker/resolve-config.ts';

const image = {
  Env: ['PATH=/bin', 'A=image', 'B=image'],
  Cmd: ['image-cmd'],
  Entrypoint: ['image-entry'],
  User: 'nobody',
  WorkingDir: '/srv',
  Labels: { a: 'image', b: 'image' },
  StopSignal: 'SIGINT',
  ExposedPorts: { '80/tcp': {} },
};

describe('resolveConfig', () => {
  it('takes everything from the image that was not asked for', () => {
    expect(resolveConfig({ Image: 'x' }, image)).toMatchObject({
      Cmd: ['image-cmd'],
      Entrypoint: ['image-entry'],
      User: 'nobody',
      WorkingDir: '/srv',
      StopSignal: 'SIGINT',
      Labels: { a: 'image', b: 'image' },
      Env: ['PATH=/bin', 'A=image', 'B=image'],
    });
  });

  it.each([
    ['a command keeps the entrypoint', { Cmd: ['c'] }, ['image-entry'], ['c']],
    ['an entrypoint drops the image command', { Entrypoint: ['e'] }, ['e'], null],
    ['an entrypoint and a command', { Entrypoint: ['e'], Cmd: ['c'] }, ['e'], ['c']],
    ['[""] resets the entrypoint', { Entrypoint: [''], Cmd: ['c'] }, null, ['c']],
    ['a text instead of a list', { Entrypoint: 'e', Cmd: 'c' }, ['e'], ['c']],
  ])('%s', (_name, asked, entrypoint, cmd) => {
    const config = resolveConfig(asked, image);
    expect([config.Entrypoint, config.Cmd]).toEqual([entrypoint, cmd]);
  });

  it('lets asked variables and labels win, in docker order', () => {
    const config = resolveConfig({ Env: ['A=mine', 'C=mine', 'B'], Labels: { b: 'mine', c: 'mine' } }, image);
    expect(config.Env).toEqual(['A=mine', 'C=mine', 'B', 'PATH=/bin']);
    expect(config.Labels).toEqual({ a: 'image', b: 'mine', c: 'mine' });
  });

  it('keeps names that mean something to JavaScript as plain names', () => {
    const labels = JSON.parse('{"__proto__":"x","constructor":"y"}');
    const config = resolveConfig({ Cmd: ['c'], Labels: labels }, {});
    expect(Object.entries(config.Labels)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect(JSON.parse(JSON.stringify(config.Labels))).toEqual(labels);
  });

  it.each([
    [{}, 'no command specified'],
    [{ Cmd: ['c'], WorkingDir: 'rel' }, "the working directory 'rel' is invalid, it needs to be an absolute path"],
    [{ Cmd: ['c'], Env: ['=x'] }, 'invalid environment variable: =x'],
    [{ Cmd: ['c'], StopSignal: 'SIGNOPE' }, 'invalid signal: SIGNOPE'],
    [{ Cmd: ['a\0b'] }, 'NUL'],
    [{ Cmd: ['c'], Healthcheck: { Interval: 5 } }, 'Interval in Healthcheck cannot be less than 1ms'],
  ])('refuses %j', (asked, message) => {
    expect(() => resolveConfig(asked, {})).toThrow(message);
  });
});
