// The whole way once: a context and a Dockerfile become an image, the image runs, and the same build again finds everything.
import { expect, test } from 'vitest';
import { run } from '../../harness/containers.ts';
import { tarOf } from '../../harness/tars.ts';
import { useDaemon } from '../../harness/use-daemon.ts';

const fixture = useDaemon();

interface Line {
  stream?: string;
  aux?: { ID?: string };
  error?: string;
}

async function build(files: Record<string, string>, query = ''): Promise<{ id: string; text: string }> {
  const raw = tarOf(Object.entries(files).map(([name, data]) => ({ name, data })));
  const headers = { 'Content-Type': 'application/x-tar' };
  const answer = await fixture.daemon.api.send('POST', `/build?${query}`, { raw, headers, timeoutMs: 60_000 });
  expect(answer.status, answer.text).toBe(200);
  const lines = answer.text
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
  const error = lines.find((line) => line.error !== undefined)?.error;
  if (error !== undefined) throw new Error(error);
  return {
    id: lines.find((line) => line.aux?.ID !== undefined)?.aux?.ID ?? '',
    text: lines.map((line) => line.stream ?? '').join(''),
  };
}

const dockerfile = `FROM busybox AS made
RUN echo made > /made
FROM busybox
WORKDIR /work
COPY greeting .
COPY --from=made /made /made
RUN cat greeting /made > both && echo $((40 + 2))
ENV WHO=world
CMD ["sh", "-c", "cat both && echo hello $WHO"]
`;

test('a Dockerfile becomes an image that runs, and the second time nothing is done', async () => {
  const files = { Dockerfile: dockerfile, greeting: 'good day\n' };
  const first = await build(files, 't=first:1');
  expect(first.text).toContain('42\n');
  expect(first.text).toContain('Successfully tagged first:1');
  const { daemon } = fixture;
  const output = await run(daemon, [], { Image: 'first:1', Cmd: null });
  expect(output).toMatchObject({ code: 0, stdout: 'good day\nmade\nhello world\n' });
  const history = await daemon.api.get<{ CreatedBy: string; Size: number }[]>('/images/first:1/history');
  expect(history.slice(0, 6).map(({ CreatedBy }) => CreatedBy)).toEqual([
    'CMD ["sh" "-c" "cat both && echo hello $WHO"]',
    'ENV WHO=world',
    'RUN /bin/sh -c cat greeting /made > both && echo $((40 + 2)) # buildkit',
    'COPY /made /made # buildkit',
    'COPY greeting . # buildkit',
    'WORKDIR /work',
  ]);
  const second = await build(files, 't=first:1');
  expect(second.id).toBe(first.id);
  expect(second.text).not.toContain('42\n');
  expect(second.text.match(/ ---> Using cache/g)?.length).toBeGreaterThanOrEqual(4);
});
