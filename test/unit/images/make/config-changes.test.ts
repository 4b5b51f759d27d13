import { describe, expect, test } from 'vitest';
import type { ContainerConfig } from '../../../../daemon/docker-types/container-config.ts';
import { applyChanges } from '../../../../daemon/images/make/config-changes.ts';

const base: ContainerConfig = { Env: ['PATH=/bin', 'A=1'], Cmd: ['old'], WorkingDir: '/srv', Labels: { x: 'y' } };

const applied: [string, Partial<ContainerConfig>][] = [
  ['CMD ["a", "b c"]', { Cmd: ['a', 'b c'] }],
  ['CMD echo "$A"', { Cmd: ['/bin/sh', '-c', 'echo "$A"'] }],
  ['cmd []', { Cmd: null }],
  ['ENTRYPOINT ["e"]', { Entrypoint: ['e'], Cmd: null }],
  ['CMD ["c"]\nENTRYPOINT ["e"]', { Entrypoint: ['e'], Cmd: ['c'] }],
  ['ENV B=2 A="two words"', { Env: ['PATH=/bin', 'A=two words', 'B=2'] }],
  ['ENV B the rest of it', { Env: ['PATH=/bin', 'A=1', 'B=the rest of it'] }],
  [
    "ENV B=$A C=${A}x D='$A' E=\\$A F=${NO:-d} G=${A:+set}",
    { Env: ['PATH=/bin', 'A=1', 'B=1', 'C=1x', 'D=$A', 'E=$A', 'F=d', 'G=set'] },
  ],
  ['ENV PATH=/opt:$PATH', { Env: ['PATH=/opt:/bin', 'A=1'] }],
  ['LABEL a=b "c d"="e f"', { Labels: { x: 'y', a: 'b', 'c d': 'e f' } }],
  ['EXPOSE 80 53/udp 90-91', { ExposedPorts: { '80/tcp': {}, '53/udp': {}, '90/tcp': {}, '91/tcp': {} } }],
  ['VOLUME ["/a", "/b c"]', { Volumes: { '/a': {}, '/b c': {} } }],
  ['VOLUME /a /b', { Volumes: { '/a': {}, '/b': {} } }],
  ['WORKDIR sub/../x', { WorkingDir: '/srv/x' }],
  ['WORKDIR /../..', { WorkingDir: '/' }],
  ['USER 1000:1000', { User: '1000:1000' }],
  ['STOPSIGNAL SIGRTMIN+3', { StopSignal: 'SIGRTMIN+3' }],
  ['ONBUILD RUN x', { OnBuild: ['RUN x'] }],
  ['HEALTHCHECK NONE', { Healthcheck: { Test: ['NONE'] } }],
  [
    'HEALTHCHECK --interval=1m30s --retries=3 CMD curl x',
    { Healthcheck: { Test: ['CMD-SHELL', 'curl x'], Interval: 90e9, Retries: 3 } },
  ],
  ['# a comment\n\nUSER x', { User: 'x' }],
  ['LABEL a=b\\\n c=d', { Labels: { x: 'y', a: 'b', c: 'd' } }],
];

describe('changes', () => {
  test.each(applied)('%s', (change, expected) => {
    expect(applyChanges(base, [change])).toEqual({ ...base, ...expected });
    expect(base.Env).toEqual(['PATH=/bin', 'A=1']);
  });

  test('keys such as __proto__ are only keys', () => {
    const config = applyChanges({}, ['LABEL __proto__=x constructor=y']);
    expect(Object.keys(config.Labels ?? {})).toEqual(['__proto__', 'constructor']);
    expect(({} as { x?: string }).x).toBeUndefined();
  });

  const refused: [string, RegExp][] = [
    ['RUN x', /RUN is not a valid change command/],
    ['FROM x', /not a valid change command/],
    ['constructor x', /not a valid change command/],
    ['ENV', /at least one argument/],
    ['ENV A', /two arguments/],
    ['ENV A=1 B', /can't find =/],
    ['ENV A="x', /matching double-quote/],
    ['EXPOSE 99999', /invalid containerPort/],
    ['EXPOSE x', /invalid containerPort/],
    ['WORKDIR', /exactly one argument/],
    ['ONBUILD ONBUILD RUN x', /Chaining ONBUILD/],
    ['ONBUILD FROM x', /isn't allowed/],
    ['STOPSIGNAL ; rm', /Invalid signal/],
    ['HEALTHCHECK CMD', /Missing command/],
    ['HEALTHCHECK --interval=x CMD y', /invalid duration/],
    ['HEALTHCHECK CURL', /Unknown type/],
    ['VOLUME [""]', /empty string/],
    ['USER a\0b', /NUL/],
  ];
  test.each(refused)('%j is refused', (change, message) => {
    expect(() => applyChanges(base, [change])).toThrow(message);
  });

  test('limits', () => {
    expect(() => applyChanges({}, new Array(1001).fill('USER x'))).toThrow(/more than 1000/);
    expect(() => applyChanges({}, [`USER ${'x'.repeat(70_000)}`])).toThrow(/bytes/);
  });
});
