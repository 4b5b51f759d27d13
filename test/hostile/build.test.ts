// Dockerfiles and contexts made to reach the host, to exhaust the daemon or to break it. Each is confined or refused with words; the host is
// compared after each, nothing is left, and the next build is fine.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { build, failureOf, imageOf, OwnBuilder, queryOf } from '../harness/build/build-engine.ts';
import { type BuildFiles, contextTar } from '../harness/build/build-files.ts';
import { imageContent, imageFiles } from '../harness/build/image-files.ts';
import { escapingEntries } from '../harness/escaping-entries.ts';
import { keysWithoutEnd, largeWindow, longValues } from '../harness/hostile-archives.ts';
import { residentBytes } from '../harness/ledger.ts';
import { tarOf } from '../harness/tars.ts';
import { Tripwire } from '../harness/tripwire.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let wire: Tripwire;
let engine: OwnBuilder;
let pid = 0;
beforeAll(() => {
  wire = new Tripwire();
  engine = new OwnBuilder(fixture.daemon);
  pid = fixture.daemon.pid;
});
afterEach(async () => {
  wire.check();
  expect(fixture.daemon.pid).toBe(pid);
  expect((await build(engine, { Dockerfile: 'FROM busybox\nRUN echo fine' }, { noCache: true })).output).toBe('fine\n');
});
afterAll(async () => {
  wire.remove();
  expect(await fixture.daemon.leftovers()).toEqual([]);
});

/** Either it is refused in words, or nothing of the host is in what it made. */
async function confined(files: BuildFiles | Buffer, query = queryOf({})): Promise<string> {
  const built = await engine.send(Buffer.isBuffer(files) ? files : contextTar(files), query);
  expect(built.output).not.toContain(wire.secret);
  if (built.error !== undefined) {
    expect(built.error).toMatch(/\S/);
    expect(built.error).not.toContain(wire.secret);
    expect(built.error).not.toMatch(/TypeError|RangeError|undefined|at .*\.m?[jt]s:/);
    return built.error;
  }
  for (const layer of (await imageContent(engine, built.id)).layers)
    for (const { data } of layer) expect(data.includes(wire.secret)).toBe(false);
  return '';
}

const up = '../'.repeat(12);

describe('a context', () => {
  test.each(Object.keys(escapingEntries('/x')))('%s', async (name) => {
    const entries = escapingEntries(wire.dir)[name] ?? [];
    const dockerfile = { name: 'Dockerfile', data: 'FROM busybox\nCOPY . /ctx\nRUN true\n' };
    await confined(tarOf([dockerfile, ...entries]));
    const added = { name: 'Dockerfile', data: 'FROM scratch\nADD a.tar /x/\n' };
    await confined(tarOf([added, { name: 'a.tar', data: gzipSync(tarOf(entries)) }]));
  });

  test('links to the host as Dockerfile, as .dockerignore, as source and on the way to one', async () => {
    const link = (linkname: string) => ({ type: 'symlink', linkname });
    const words = 'FROM busybox\nCOPY . /x\n';
    for (const to of [
      `${wire.dir}/SENTINEL`,
      `${up}${wire.dir.slice(1)}/SENTINEL`,
      '/etc/shadow',
      '/proc/self/environ',
      'Dockerfile',
      '.',
    ]) {
      await confined({ Dockerfile: link(to) });
      await confined({ Dockerfile: words, '.dockerignore': link(to), a: '1' });
      await confined({ Dockerfile: 'FROM scratch\nCOPY l /x', l: link(to) });
      await confined({ Dockerfile: 'FROM scratch\nADD l /x', l: link(to) });
    }
    for (const to of [wire.dir, `${up}${wire.dir.slice(1)}`]) {
      const error = await confined({ Dockerfile: 'FROM scratch\nCOPY l/SENTINEL /x', l: link(to) });
      expect(error).toContain('SENTINEL');
      await confined({ Dockerfile: 'FROM scratch\nCOPY l/* l/dir /x/', l: link(to) });
      await confined({ Dockerfile: 'FROM busybox\nRUN --mount=source=l,target=/m cat /m/SENTINEL', l: link(to) });
    }
  });

  test('a Dockerfile by a path that leaves it', async () => {
    for (const dockerfile of [
      `${up}${wire.dir.slice(1)}/SENTINEL`,
      `${wire.dir}/SENTINEL`,
      '..',
      '.',
      '/',
      'a\0b',
      '',
    ]) {
      await confined({ x: 'x' }, queryOf({ dockerfile }));
    }
  });

  test('one that ends in the middle, is none, is empty, or is a bomb', async () => {
    const whole = contextTar({ Dockerfile: 'FROM scratch\nCOPY big /b', big: Buffer.alloc(300_000, 1) });
    for (const bytes of [
      whole.subarray(0, 200_000),
      whole.subarray(0, 700),
      gzipSync(whole).subarray(0, 200),
      Buffer.alloc(0),
      Buffer.alloc(4096),
      Buffer.alloc(1024, 0xff),
      tarOf([{ name: 'Dockerfile', data: 'FROM scratch', size: 8 ** 11 - 1 }]),
    ]) {
      expect(await confined(bytes)).not.toBe('');
    }
    const before = residentBytes(pid);
    for (const bytes of [keysWithoutEnd(), longValues(), largeWindow()]) await confined(bytes);
    expect(residentBytes(pid) - before).toBeLessThan(250 << 20);
  });
});

describe('paths in a Dockerfile', () => {
  const lines = (tw: string) => [
    `COPY ${up}${tw.slice(1)}/SENTINEL /x`,
    `COPY ${tw}/SENTINEL /x`,
    `COPY --from=busybox ${up}${tw.slice(1)}/SENTINEL /x`,
    `COPY a ${up}${tw.slice(1)}/new`,
    `ADD a ${tw}/../../../../../${tw.slice(1)}/new`,
    `WORKDIR ${up}${tw.slice(1)}`,
    `RUN ln -s ${tw} /out\nCOPY a /out/new`,
    `RUN ln -s ${up}${tw.slice(1)} /out\nADD a /out/new\nCOPY --link a /out/other`,
    `RUN ln -s / /root-link\nCOPY a /root-link${tw}/new`,
    `RUN ln -s ${tw} /out\nWORKDIR /out/made`,
    `RUN --mount=type=bind,source=${up}${tw.slice(1)},target=/m cat /m/SENTINEL`,
    `RUN --mount=type=bind,from=busybox,source=${up}${tw.slice(1)},target=/m cat /m/SENTINEL`,
    `RUN --mount=type=cache,id=${up}${tw.slice(1)},target=/m touch /m/new; cat /m/SENTINEL`,
    `RUN --mount=type=cache,target=/m,from=busybox,source=${up}${tw.slice(1)} cat /m/SENTINEL`,
    `RUN --mount=type=tmpfs,target=${up}${tw.slice(1)} touch ${tw}/new`,
    `RUN ln -s ${tw} /m\nRUN --mount=type=cache,target=/m touch /m/new`,
    `RUN ln -s ${tw} /m\nRUN --mount=type=bind,rw,target=/m touch /m/new`,
    'RUN --mount=type=cache,target=/ true',
    'RUN --mount=type=bind,target=/proc cat /proc/1/environ',
    'RUN --mount=type=tmpfs,target=/sys true',
    'RUN --security=insecure id',
    `RUN --mount=type=secret,id=${up}${tw.slice(1)}/SENTINEL cat /run/secrets/* 2>/dev/null; true`,
    `COPY --chown=${'9'.repeat(30)} a /x`,
    `COPY --chmod=${'7'.repeat(5000)} a /x`,
    `COPY --from=${'a/'.repeat(3000)} a /x`,
  ];

  test.each(lines('/TW').map((line, number) => [line, number] as const))('%s', async (_line, number) => {
    await confined({ Dockerfile: `FROM busybox\n${lines(wire.dir)[number]}\n`, a: 'a' });
  });
});

test('what is fetched is an address and never an option', async () => {
  const marker = `${wire.dir}/ran`;
  const addresses = [
    `--upload-pack=touch ${marker}`,
    `https://127.0.0.1:1/r.git#--upload-pack=touch ${marker}`,
    `https://127.0.0.1:1/r.git#:${up}etc`,
    `ssh://-oProxyCommand=touch%20${marker}/r.git`,
    `git@-oProxyCommand=touch ${marker}:r.git`,
    `ext::sh -c "touch ${marker}"`,
    `ext::sh -c "touch ${marker}" .git`,
    `file://${wire.dir}`,
    `file:///etc/shadow`,
    `git://127.0.0.1:1/--upload-pack=x`,
    `${wire.dir}/repo.git`,
    'http://127.0.0.1:1/x\r\nHost: other',
    'http://[::1',
  ];
  for (const address of addresses) {
    const query = queryOf({});
    query.set('remote', address);
    expect(await confined(Buffer.alloc(0), query), address).not.toBe('');
    await confined({ Dockerfile: `FROM scratch\nADD ${JSON.stringify([address, '/x'])}\n` });
    await confined({ Dockerfile: `FROM scratch\nADD --keep-git-dir=true ${address.replaceAll(' ', '\\ ')} /x\n` });
  }
  expect(existsSync(marker)).toBe(false);
}, 60_000);

describe('much of something', () => {
  const long = 'x'.repeat(1 << 20);
  const cases: Record<string, () => string> = {
    'a line of a megabyte': () => `FROM busybox\nLABEL a=${long}\n`,
    'a RUN of a megabyte': () => `FROM busybox\nRUN true ${long}\n`,
    'a megabyte continued in lines of nothing': () => `FROM busybox\nRUN true ${'\\\n'.repeat(300_000)}\n`,
    'a document of two megabytes': () => `FROM scratch\nCOPY <<E /x\n${'line\n'.repeat(400_000)}E\n`,
    'ten thousand stages': () =>
      Array.from({ length: 10_000 }, (_, n) => `FROM ${n === 0 ? 'busybox' : `s${n - 1}`} AS s${n}\n`).join(''),
    'ten thousand stages that each copy': () =>
      Array.from(
        { length: 10_000 },
        (_, n) => `FROM busybox AS s${n}\n${n === 0 ? '' : `COPY --from=s${n - 1} /bin/sh /x\n`}`,
      ).join(''),
    'a value that doubles forty times': () => `FROM busybox\nENV A=xxxxxxxxxx\n${'ENV A=$A$A\n'.repeat(40)}RUN true\n`,
    'expansions in expansions': () => `FROM busybox\nENV A=${'${B:-'.repeat(20_000)}x${'}'.repeat(20_000)}\n`,
    'a pattern that takes its time': () =>
      `FROM busybox\nENV A=${'a'.repeat(50_000)}\nENV B=\${A//${'*a'.repeat(200)}b/c}\n`,
    'a hundred thousand labels': () =>
      `FROM scratch\nLABEL ${Array.from({ length: 100_000 }, (_, n) => `k${n}=v`).join(' ')}\n`,
    'a thousand mounts': () =>
      `FROM busybox\nRUN ${Array.from({ length: 1000 }, (_, n) => `--mount=type=tmpfs,target=/m${n}`).join(' ')} true\n`,
    'a range of all ports': () => 'FROM scratch\nEXPOSE 1-65535\n',
    zeros: () => '\0'.repeat(100_000),
    'what is no text': () => `FROM busybox\nRUN echo ${Buffer.from([0xff, 0xfe, 0x80]).toString('latin1')}\n`,
  };
  test.each(Object.entries(cases))(
    '%s',
    async (_name, make) => {
      const before = residentBytes(pid);
      let isDone = false;
      const work = confined({ Dockerfile: make() }).finally(() => {
        isDone = true;
      });
      while (!isDone) {
        await fixture.daemon.api.send('GET', '/_ping');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await work;
      expect(residentBytes(pid) - before).toBeLessThan(300 << 20);
    },
    90_000,
  );
});

describe('stages that need each other', () => {
  test.each([
    'FROM a AS b\nFROM b AS a\n',
    'FROM a AS a\n',
    'FROM busybox AS a\nCOPY --from=b /x /x\nFROM busybox AS b\nCOPY --from=a /x /x\n',
    'FROM busybox AS a\nCOPY --from=0 /x /x\n',
    'FROM busybox AS a\nRUN --mount=from=a,target=/x true\n',
  ])('%j', async (dockerfile) => {
    const { error } = await failureOf(engine, { Dockerfile: `${dockerfile}` });
    expect(error).toMatch(/\S/);
  });
});

test('a proxy’s password and an argument of a step that failed are in no layer, no history and no file of the engine', async () => {
  const secret = `squeamish-${wire.secret.slice(0, 12)}`;
  const buildArgs = { HTTP_PROXY: `http://u:${secret}@p` };
  const id = await imageOf(engine, 'FROM busybox\nRUN echo "$HTTP_PROXY" | wc -c\n', {}, { buildArgs });
  const { config } = await imageContent(engine, id);
  expect(JSON.stringify(config)).not.toContain(secret);
  expect([...(await imageFiles(engine, id)).values()].some(({ data }) => data.includes(secret))).toBe(false);
  const found = execFileSync('sh', ['-c', `grep -rlaF ${secret} "$0" || true`, `${fixture.daemon.dir}/data`]);
  expect(found.toString()).toBe('');
  expect(readFileSync(`${fixture.daemon.dir}/daemon.log`, 'utf8')).not.toContain(secret);
});

test('flags, instructions and parameters that do not exist are refused by name', async () => {
  for (const [line, word] of [
    ['RUN --none true', 'none'],
    ['RUN --mount=type=bind,target=/x,none=1 true', 'none'],
    ['FROM --none busybox', 'none'],
    ['CMD --none x', 'none'],
    ['WORKDIR --none /x', 'none'],
    ['HEALTHCHECK --none=1s CMD x', 'none'],
    ['CROSS_BUILD x', 'CROSS_BUILD'],
  ]) {
    const built = await engine.tryBuild({ Dockerfile: `FROM busybox\n${line}\n` });
    // CMD and its like take what they do not know as words.
    if (built.error !== undefined) expect(built.error).toContain(word);
    else expect(line).toMatch(/^CMD|^WORKDIR/);
  }
});
