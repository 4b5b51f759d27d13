// docker cp and export on running containers, and against racing symlinks.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { RootView } from '../../../daemon/jail/archive-service.ts';
import type { TarEntry } from '../../../daemon/protocols/tar/tar-entry.ts';
import { TarReader } from '../../../daemon/protocols/tar/tar-reader.ts';
import { dir, file, hardlink, rawTarStream, symlink } from '../jail/raw-tar.ts';
import { startBoxed } from './boxed-process.ts';
import { contentOf, StoreFixture } from './store-fixture.ts';

const fixture = new StoreFixture();
const { archive } = fixture.storage;
const tripwire = join(fixture.path, 'tripwire');
mkdirSync(tripwire);
writeFileSync(join(tripwire, 'SENTINEL'), 'untouched');
afterAll(() => fixture.close());

const busybox = readFileSync('/bin/busybox');
const image = fixture.import([
  dir('bin'),
  file('bin/busybox', busybox, 0o755),
  ...['old', 'proc', 'tmp'].map((name) => dir(name)),
  dir('etc'),
  file('etc/conf', 'conf\n', 0o640),
  symlink('conf', 'etc/rel'),
  symlink('/etc/conf', 'etc/abs'),
  symlink('../../../../etc', 'up'),
  symlink('/nowhere/else', 'etc/dangling'),
  dir('run'),
  dir('var'),
  symlink('/run', 'var/run'),
  dir('tree'),
  file('tree/a', 'a'),
  dir('tree/sub'),
  file('tree/sub/b', 'b'),
  hardlink('tree/a', 'tree/c'),
  { name: 'tree/pipe', type: '6' },
]);

async function box(): Promise<string> {
  return fixture.create(await image);
}

function read(bytes: Buffer): { entry: TarEntry; content: string }[] {
  const found: { entry: TarEntry; content: string }[] = [];
  const reader = new TarReader({
    entry: (entry) => found.push({ entry, content: '' }),
    data: (data) => {
      (found.at(-1) as { content: string }).content += data.toString();
    },
    end: () => undefined,
  });
  reader.write(bytes);
  reader.end();
  return found;
}

async function get(view: RootView, path: string) {
  const { stat, tar } = await archive.get(view, path);
  return { stat, entries: read(await contentOf(tar)) };
}

const paths = (entries: { entry: TarEntry }[]): string[] => entries.map(({ entry }) => entry.path);
const plain = { noOverwriteDirNonDir: false };

describe('a running container', () => {
  async function running() {
    const id = await box();
    const root = join(fixture.path, `root-${id.slice(0, 8)}`);
    mkdirSync(root);
    execFileSync('sh', ['-c', 'mkdir bin old proc tmp etc r; echo inside > etc/conf'], { cwd: root });
    copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
    const boxed = await startBoxed(root);
    return { root, boxed, view: { kind: 'running', ref: 'live', pid: boxed.pid } as const };
  }

  test('is read and written in its own mounts', async () => {
    const { root, boxed, view } = await running();
    try {
      expect((await archive.stat(view, '/etc/conf')).size).toBe(7);
      expect((await get(view, '/etc/conf')).entries[0]?.content).toBe('inside\n');
      await archive.put(view, '/tmp', rawTarStream([file('x', 'live')]), plain);
      expect(readFileSync(join(root, 'tmp/x'), 'utf8')).toBe('live');
      const names = paths(read(await contentOf(await archive.exportTar(view))));
      expect(names).toContain('etc/conf');
      expect(names.filter((name) => name.startsWith('proc/'))).toEqual(['proc/']);
    } finally {
      await boxed.stop();
    }
  });

  test('magic links of /proc lead nowhere', async () => {
    const { root, boxed, view } = await running();
    try {
      symlinkSync('/proc/1/root/etc', join(root, 'magic'));
      expect((await archive.stat(view, '/magic')).linkTarget).toBe('/etc');
      expect((await get(view, '/magic/conf')).entries[0]?.content).toBe('inside\n');
      for (const path of ['/proc/1/fd/1', '/proc/1/exe'])
        expect((await get(view, path)).entries[0]?.entry.type).toBe('symlink');
    } finally {
      await boxed.stop();
    }
  });

  test('the host itself is no container', async () => {
    const view = { kind: 'running', ref: 'host', pid: process.pid } as const;
    await expect(archive.stat(view, '/etc/passwd')).rejects.toThrow(/no mount namespace of its own/);
    await expect(archive.stat({ ...view, pid: 2 ** 22 }, '/etc/passwd')).rejects.toThrow(/not running/);
  });
});

/** Whoever races with a copy may make it miss something; that is no failure of the engine. */
function lost(error: unknown): undefined {
  expect(error).toMatchObject({ code: expect.stringMatching(/^(not-found|invalid)$/) });
}

/** Looks first and opens by name then: what must not be done. */
function naiveRead(root: string): string | undefined {
  try {
    if (!lstatSync(join(root, 'r/d')).isDirectory()) return undefined;
    return readFileSync(join(root, 'r/d/SENTINEL'), 'utf8');
  } catch {
    return undefined;
  }
}

describe('racing symlinks', () => {
  function race(root: string): ChildProcess {
    mkdirSync(join(root, 'r/d'), { recursive: true });
    writeFileSync(join(root, 'r/d/SENTINEL'), 'harmless');
    symlinkSync(tripwire, join(root, 'r/l'));
    const script = fileURLToPath(new URL('./racer.ts', import.meta.url));
    return spawn(process.execPath, [script, join(root, 'r/d'), join(root, 'r/l')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
  const digest = (): string =>
    createHash('sha256')
      .update(execFileSync('sh', ['-c', `find ${tripwire} -printf '%p %m %U %s %y %l\\n'; cat ${tripwire}/*`]))
      .digest('hex');

  test('never lead cp out of a container, and do lead a naive reader out', async () => {
    const root = join(fixture.path, 'raced');
    mkdirSync(root);
    execFileSync('sh', ['-c', 'mkdir bin old proc tmp'], { cwd: root });
    copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
    const before = digest();
    const boxed = await startBoxed(root);
    const racer = race(root);
    try {
      await new Promise((resolve) => racer.stdout?.once('data', resolve));
      const view: RootView = { kind: 'running', ref: 'raced', pid: boxed.pid };
      let [naiveEscapes, reads, writes] = [0, 0, 0];
      const begun = performance.now();
      // A fixed count, and an end in time for slow machines.
      for (let i = 0; i < 400 && performance.now() - begun < 8000; i++) {
        for (let naive = 0; naive < 20; naive++) naiveEscapes += naiveRead(root) === 'untouched' ? 1 : 0;
        const found = await get(view, '/r/d/SENTINEL').catch(lost);
        if (found !== undefined) reads++;
        for (const { content } of found?.entries ?? []) expect(content).not.toBe('untouched');
        const tree = await get(view, '/r/').catch(lost);
        for (const { content } of tree?.entries ?? []) expect(content).not.toBe('untouched');
        await archive.put(view, '/r/d', rawTarStream([file('x', 'from cp')]), plain).then(() => writes++, lost);
      }
      expect(digest()).toBe(before);
      expect(reads).toBeGreaterThan(0);
      expect(writes).toBeGreaterThan(0);
      // Without this the race was not live and the test is void.
      expect(naiveEscapes).toBeGreaterThan(0);
    } finally {
      racer.kill('SIGKILL');
      await boxed.stop();
    }
  });
});
