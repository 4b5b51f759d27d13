// Docker's classic stream, which every client without buildx reads: its lines, their order, the image's id, and what an error looks like.
import { expect } from 'vitest';
import { queryOf } from '../../harness/build/build-engine.ts';
import { contextTar } from '../../harness/build/build-files.ts';
import { imageFiles } from '../../harness/build/image-files.ts';
import { ownTest, useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();

const files = {
  Dockerfile: `FROM busybox AS base
ARG V=1
RUN echo built $V >/x
COPY f /f
LABEL a=b
FROM base
RUN echo out; echo err >&2
CMD ["cat", "/f"]
`,
  f: 'file\n',
};

const lines = [
  'Step 1/8 : FROM busybox AS base',
  'Step 2/8 : ARG V=1',
  'Step 3/8 : RUN echo built $V >/x',
  'Step 4/8 : COPY f /f',
  'Step 5/8 : LABEL a=b',
  'Step 6/8 : FROM base',
  'Step 7/8 : RUN echo out; echo err >&2',
  'Step 8/8 : CMD ["cat", "/f"]',
];

ownTest('the steps as they are written, numbered over all stages, the image’s id, and its names', async () => {
  const { own } = fixture;
  const options = { tags: ['streamed:1', 'streamed:2'], buildArgs: { UNUSED: '1' } };
  const answer = await own.api.send('POST', `/build?${queryOf(options)}`, {
    raw: contextTar(files),
    headers: { 'Content-Type': 'application/x-tar' },
  });
  expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } });
  const built = await own.tryBuild(files, options);
  const text = built.messages.map(({ stream }) => stream ?? '').join('');
  expect(text.split('\n').filter((line) => line.startsWith('Step '))).toEqual(lines);
  expect(built.messages.filter(({ aux }) => aux !== undefined).at(-1)?.aux?.ID).toMatch(/^sha256:[0-9a-f]{64}$/);
  const short = built.id.slice(7, 19);
  expect(text).toContain('[Warning] One or more build-args [UNUSED] were not consumed\n');
  expect(
    text.endsWith(`Successfully built ${short}\nSuccessfully tagged streamed:1\nSuccessfully tagged streamed:2\n`),
  ).toBe(true);
  const inspected = await own.api.get<{ Id: string; RepoTags: string[] }>('/images/streamed:2/json');
  expect(inspected).toMatchObject({ Id: built.id, RepoTags: expect.arrayContaining(['streamed:1', 'streamed:2']) });
});

ownTest('a step that runs says so and what it prints; one that does not says why', async () => {
  const { own } = fixture;
  const first = await own.tryBuild(files, { noCache: true });
  const text = (messages: typeof first.messages) => messages.map(({ stream }) => stream ?? '').join('');
  expect(text(first.messages)).toMatch(/Step 7\/8 : RUN [^\n]*\n ---> Running in [0-9a-f]{12}\n(out\nerr|err\nout)\n/);
  expect(text(first.messages)).toMatch(/ ---> [0-9a-f]{12}\nStep 8\/8/);
  expect(first.messages.some(({ stream }) => stream?.includes('Using cache'))).toBe(false);
  const second = await own.tryBuild(files);
  expect(second.id).toBe(first.id);
  expect(text(second.messages)).toMatch(/Step 7\/8 : RUN [^\n]*\n ---> Using cache\n ---> [0-9a-f]{12}\nStep 8\/8/);
  expect(second.output).toBe('');
});

ownTest('q: only the id', async () => {
  const query = queryOf({});
  query.set('q', '1');
  const built = await fixture.own.send(contextTar(files), query);
  expect(built.messages).toEqual([{ stream: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/) }]);
});

ownTest('a command that fails: the status in errorDetail, the command in the words, and nothing after it', async () => {
  const failed = await fixture.own.tryBuild({ Dockerfile: 'FROM busybox\nRUN echo before; exit 42\nRUN echo never' });
  const message = "The command '/bin/sh -c echo before; exit 42' returned a non-zero code: 42";
  expect(failed.messages.at(-1)).toEqual({ errorDetail: { code: 42, message }, error: message });
  expect(failed.output).toBe('before\n');
});

ownTest('what is wrong with the request is a status of its own', async () => {
  const { api } = fixture.own;
  const send = async (query: string, raw: Uint8Array = contextTar(files)) =>
    (await api.send('POST', `/build?${query}`, { raw, headers: { 'Content-Type': 'application/x-tar' } })).status;
  const wrong = [
    't=a/UPPER',
    'buildargs=[]',
    'buildargs={',
    'labels={"a":1}',
    'ulimits=x',
    'platform=a/b/c/d/e',
    'memory=1',
  ];
  const answers = await Promise.all(wrong.map(async (query) => [query, await send(query)]));
  expect(answers).toEqual(wrong.map((query) => [query, 400]));
});

ownTest('what a step prints comes as it prints it, also what is no text and what has no end', async () => {
  const Dockerfile = "FROM busybox\nRUN printf 'no line feed'\nRUN printf 'caf\\303\\251 \\377\\n'\nRUN seq 1 20000\n";
  const { output } = await fixture.own.tryBuild({ Dockerfile }, { noCache: true });
  expect(output).toContain('no line feed');
  expect(output).toContain('café \uFFFD\n');
  expect(output).toContain(Array.from({ length: 20_000 }, (_, n) => `${n + 1}\n`).join(''));
});

ownTest('a client that sends slowly and reads at the same time is served', async () => {
  const tar = contextTar({ ...files, big: Buffer.alloc(1 << 20, 1) });
  const slowly = async function* () {
    for (let at = 0; at < tar.length; at += 200_000) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      yield tar.subarray(at, at + 200_000);
    }
  };
  const { Readable } = await import('node:stream');
  const built = await fixture.own.send(Readable.from(slowly()), queryOf({}));
  expect((await imageFiles(fixture.own, built.id)).get('f')?.text).toBe('file\n');
});
