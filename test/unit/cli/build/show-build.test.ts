// What a build looks like: on a terminal of a given width, in lines, and for programs.
import { expect, test } from 'vitest';
import { BuildProgress } from '../../../../cli/build/progress-model.ts';
import { renderBuild } from '../../../../cli/build/show-live.ts';
import { PlainView } from '../../../../cli/build/show-plain.ts';
import { solveStatus } from '../../../../cli/build/show-raw.ts';
import type { Output } from '../../../../cli/terminal/output.ts';
import type { BuildEventLine } from '../../../../daemon/docker-types/build.ts';

const vertex = (digest: string, rest: object): Exclude<BuildEventLine, { kind: 'source' }> => ({
  kind: 'vertex',
  digest,
  inputs: [],
  name: `[1/2] ${digest}`,
  isCached: false,
  ...rest,
});
const log = (digest: string, text: string | Buffer, atMs: number): Exclude<BuildEventLine, { kind: 'source' }> => ({
  kind: 'log',
  vertex: digest,
  stream: 'stdout',
  bytes: Buffer.from(text).toString('base64'),
  atMs,
});

const events: Exclude<BuildEventLine, { kind: 'source' }>[] = [
  vertex('a', { startedMs: 1000, completedMs: 1100 }),
  vertex('b', { isCached: true }),
  vertex('c', { name: 'RUN \u001b[31mmake all the very long words of it', startedMs: 1000 }),
  log('c', 'one\ntwo\nthr', 1500),
  log('c', Buffer.from('ee ä').subarray(0, 4), 1600),
  log('c', Buffer.from('ä\n').subarray(1), 1700),
  {
    kind: 'status',
    vertex: 'c',
    id: 'transferring context',
    current: 5000,
    total: 0,
    startedMs: 1000,
    completedMs: 2000,
  },
];

test('a terminal shows what is done, what was there, and the last lines of what runs', () => {
  const progress = new BuildProgress();
  for (const event of events) progress.take(event);
  expect(renderBuild(progress, 4500, 40)).toEqual([
    ' => [1/2] a                         0.1s',
    ' => CACHED [1/2] b                  0.0s',
    ' => RUN [31mmake all the very long  3.5s',
    ' => => transferring context 5kB     1.0s',
    ' => => # one',
    ' => => # two',
    expect.stringMatching(/^ => => # three /),
  ]);
  progress.take(vertex('c', { startedMs: 1000, completedMs: 5000, error: 'exit code: 1' }));
  expect(renderBuild(progress, 6000, 40).at(-1)).toBe(' => ERROR [1/2] c                   4.0s');
});

test('lines have the number of their vertex, and characters that came in two pieces', () => {
  let text = '';
  const to = { print: (more: string) => (text += more), line: (more: string) => (text += `${more}\n`) };
  const view = new PlainView(to as unknown as Output, new BuildProgress());
  for (const event of events) view.show(event);
  view.show(vertex('c', { startedMs: 1000, completedMs: 5000, error: 'exit code: 1' }));
  view.end();
  expect(text).toBe(
    [
      '#1 [1/2] a',
      '#1 DONE 0.1s',
      '\n#2 [1/2] b',
      '#2 CACHED',
      '\n#3 RUN \u001b[31mmake all the very long words of it',
      '#3 0.500 one',
      '#3 0.500 two',
      '#3 0.700 three ä',
      '#3 transferring context 5kB 1.0s done',
      '#3 ERROR: exit code: 1',
      '',
    ].join('\n'),
  );
});

test('programs get BuildKit’s names', () => {
  expect(events.map(solveStatus).slice(0, 4)).toEqual([
    {
      vertexes: [
        { digest: 'a', name: '[1/2] a', started: '1970-01-01T00:00:01.000Z', completed: '1970-01-01T00:00:01.100Z' },
      ],
    },
    { vertexes: [{ digest: 'b', name: '[1/2] b', cached: true }] },
    expect.anything(),
    { logs: [{ vertex: 'c', stream: 1, data: 'b25lCnR3bwp0aHI=', timestamp: '1970-01-01T00:00:01.500Z' }] },
  ]);
});
