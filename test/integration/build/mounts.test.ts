// RUN --mount of every kind: what the command sees, what stays, and what does not.
import { describe, expect, test } from 'vitest';
import { build, failureOf, imageOf } from '../../harness/build/build-engine.ts';
import type { BuildFiles } from '../../harness/build/build-files.ts';
import { imageFiles } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();
const context: BuildFiles = { 'a.txt': 'a\n', 'dir/one': 'one\n', 'dir/sub/two': 'two\n' };

const outputOf = async (lines: string, head = 'FROM busybox') =>
  (await build(fixture.engine, { Dockerfile: `${head}\n${lines}`, ...context }, { noCache: true })).output;

describe('bind', () => {
  test('shows the context, a directory or a file of it, read-only', async () => {
    const lines = `RUN --mount=target=/ctx cat /ctx/dir/one && ! touch /ctx/new 2>/dev/null && echo refused
RUN --mount=type=bind,source=dir/sub,target=/sub ls /sub
RUN --mount=type=bind,src=a.txt,dst=/only.txt cat /only.txt
WORKDIR /w
RUN --mount=type=bind,source=dir,target=relative cat /w/relative/one
`;
    expect(await outputOf(lines)).toBe('one\nrefused\ntwo\na\none\n');
  });

  test('with rw can be written, and forgets it', async () => {
    const lines = `RUN --mount=target=/ctx,rw echo new >/ctx/new && echo changed >/ctx/a.txt && cat /ctx/new /ctx/a.txt
RUN --mount=target=/ctx ls /ctx/new 2>/dev/null || cat /ctx/a.txt
`;
    expect(await outputOf(lines)).toBe('new\nchanged\na\n');
  });

  test('from a stage and from an image, and nothing of it stays in the layer', async () => {
    const { engine } = fixture;
    const dockerfile = `FROM busybox AS s
RUN mkdir /made && echo made >/made/f
FROM busybox
RUN --mount=from=s,source=/made,target=/m --mount=from=busybox,source=/etc,target=/e cat /m/f && grep -c root: /e/passwd && echo >/kept
`;
    const { id, output } = await build(engine, { Dockerfile: dockerfile }, { noCache: true });
    expect(output).toBe('made\n1\n');
    const files = await imageFiles(engine, id);
    expect([files.has('kept'), files.has('m/f'), files.has('e/passwd')]).toEqual([true, false, false]);
  });

  test('a change of what is mounted runs the step again, of anything else does not', async () => {
    const { engine } = fixture;
    const dockerfile = 'FROM busybox\nRUN --mount=source=dir,target=/d cat /d/one';
    const step = async (files: BuildFiles) =>
      (await build(engine, { Dockerfile: dockerfile, ...files })).steps[0]?.isCached;
    await step({ ...context, 'dir/one': 'cache\n' });
    expect(await step({ ...context, 'dir/one': 'cache\n', 'a.txt': 'other' })).toBe(true);
    expect(await step({ ...context, 'dir/one': 'changed\n' })).toBe(false);
  });

  test.each([
    '--mount=source=none,target=/x',
    '--mount=from=none-such-stage:x,target=/x',
    '--mount=type=bind',
    '--mount=type=none,target=/x',
    '--mount=target=/x,colour=red',
  ])('%s fails the build', async (flag) => {
    await failureOf(fixture.engine, { Dockerfile: `FROM busybox\nRUN ${flag} true`, ...context });
  });
});

describe('cache', () => {
  test('keeps what was written for later builds, and out of the image', async () => {
    const { engine } = fixture;
    const count = async (step: string) => {
      const Dockerfile = `FROM busybox\nRUN --mount=type=cache,target=/cache/dir echo ${step} >>/cache/dir/n; wc -l </cache/dir/n`;
      const { id, output } = await build(engine, { Dockerfile });
      expect((await imageFiles(engine, id)).has('cache/dir/n')).toBe(false);
      return output.trim();
    };
    expect([await count('one'), await count('two')]).toEqual(['1', '2']);
  });

  test('is the same for the same id, and another for another', async () => {
    const mount = (id: string, target: string) => `--mount=type=cache,id=${id},target=${target}`;
    const lines = `RUN ${mount('same', '/one')} echo shared >/one/f
RUN ${mount('same', '/two')} cat /two/f
RUN ${mount('other', '/one')} ls /one | wc -l
RUN --mount=type=cache,target=/one ls /one | wc -l
`;
    expect(await outputOf(lines)).toBe('shared\n0\n0\n');
  });

  test('begins as `from` says, with mode and owner', async () => {
    const lines = `RUN --mount=type=cache,target=/c,mode=0700,uid=5,gid=6,id=owned stat -c '%a %u:%g' /c
RUN --mount=type=cache,target=/plain,id=plain stat -c '%a %u:%g' /plain
RUN --mount=type=cache,from=busybox,source=/etc,target=/e,id=filled grep -c root: /e/passwd && echo more >/e/more
RUN --mount=type=cache,from=busybox,source=/etc,target=/e,id=filled cat /e/more
RUN --mount=type=cache,target=/c,id=owned,ro touch /c/x 2>/dev/null || echo read-only
`;
    expect(await outputOf(lines)).toBe('700 5:6\n755 0:0\n1\nmore\nread-only\n');
  });

  test.each([
    ['locked', 'alone'],
    ['shared', 'together'],
    ['private', 'apart'],
  ])('sharing=%s: two steps at once are %s', async (sharing, expected) => {
    const stage = (name: string) => `FROM busybox AS ${name}
RUN --mount=type=cache,id=sharing-${sharing},target=/c,sharing=${sharing} \\
  touch /c/in-${name}; sleep 0.7; ls /c >/seen; rm /c/in-${name}
`;
    const dockerfile = `${stage('a')}${stage('b')}FROM scratch\nCOPY --from=a /seen /a\nCOPY --from=b /seen /b\n`;
    const files = await imageFiles(fixture.engine, await imageOf(fixture.engine, dockerfile, {}, { noCache: true }));
    const seen = [files.get('a')?.text, files.get('b')?.text];
    if (expected === 'together') expect(seen).toContain('in-a\nin-b\n');
    else expect(seen).toEqual(['in-a\n', 'in-b\n']);
  });

  test('leaves the step’s own cache alone: an unchanged step is not run', async () => {
    const { engine } = fixture;
    const files = { Dockerfile: 'FROM busybox\nRUN --mount=type=cache,target=/k,id=steps date >/k/now' };
    await build(engine, files);
    expect((await build(engine, files)).steps).toMatchObject([{ isCached: true }]);
  });
});

describe('tmpfs', () => {
  test('is empty, writable, of its size, and gone afterwards', async () => {
    const lines = `RUN echo below >/etc/below && mkdir /t && echo hidden >/t/hidden
RUN --mount=type=tmpfs,target=/t,size=4m ls /t | wc -l && echo x >/t/x && df -k /t | awk 'END { print $2 }'
RUN ls /t
`;
    expect(await outputOf(lines)).toBe('0\n4096\nhidden\n');
  });
});
