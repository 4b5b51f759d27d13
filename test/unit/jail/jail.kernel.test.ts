// What a jail is: an empty root, nothing loadable, jobs that end whatever happens to them.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import '../../../native-bindings/load.ts';
import { ownedSource } from '../../../daemon/jail/decoding/decompress.ts';
import { zstdProgramDecoder } from '../../../daemon/jail/decoding/program-decoder.ts';
import { holdTree } from '../../../daemon/jail/hold-tree.ts';
import { getrlimit, setrlimit } from '../../../native-bindings/process.ts';
import { JailFixture } from './jail-fixture.ts';
import { SmallDisk } from './many-entries.ts';
import { dir, file, rawTar, symlink } from './raw-tar.ts';

const fixture = new JailFixture();
beforeEach(() => fixture.clear());
afterAll(() => fixture.close());

function guarded(isGuarded: boolean): Promise<Record<string, string>> {
  const module = join(fixture.path, 'container-code.cjs');
  const marker = join(fixture.path, 'marker');
  writeFileSync(module, `require('fs').writeFileSync(${JSON.stringify(marker)}, 'ran')`);
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./guarded-worker.ts', import.meta.url), {
      workerData: { module, marker, isGuarded },
      execArgv: [],
    });
    worker.on('message', resolve);
    worker.on('error', reject);
  });
}

describe('the guard', () => {
  test('refuses every way to load code and every asynchronous fs call', async () => {
    const { 'sync fs': syncFs, ...others } = await guarded(true);
    expect(syncFs).toBe('worked');
    for (const [name, result] of Object.entries(others)) expect(`${name}: ${result}`).toMatch(/in a jail/);
    expect(existsSync(join(fixture.path, 'marker'))).toBe(false);
  });

  test('is what refuses: without it the code runs', async () => {
    const results = await guarded(false);
    expect(results.import).toBe('worked');
    expect(existsSync(join(fixture.path, 'marker'))).toBe(true);
  });
});

/** Threads of this process that have another mount namespace. */
function jailedThreads(): string[] {
  const own = readlinkSync('/proc/self/ns/mnt');
  return readdirSync('/proc/self/task').filter((tid) => {
    try {
      return readlinkSync(`/proc/self/task/${tid}/ns/mnt`) !== own;
    } catch {
      return false;
    }
  });
}

async function unpack(input: Readable, signal?: AbortSignal) {
  const fd = holdTree(fixture.root);
  const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
  return fixture.jail.run<'unpack-layer'>({ do: 'unpack-layer', place, repack: false }, [fd], {
    input: ownedSource(input),
    ...(signal === undefined ? {} : { signal }),
  });
}

const openFds = (): number => readdirSync('/proc/self/fd').length;

describe('a jail worker', () => {
  test('has nothing of the host mounted between jobs', async () => {
    await unpack(Readable.from([rawTar([file('a', 'b')])]));
    const threads = jailedThreads();
    expect(threads.length).toBeGreaterThan(0);
    for (const tid of threads) {
      const mounts = readFileSync(`/proc/self/task/${tid}/mountinfo`, 'utf8').trim().split('\n');
      expect(mounts).toHaveLength(1);
      expect(mounts[0]).toMatch(/ ro,.* tmpfs /);
    }
  });

  test('leaves no mount in the host and no fd behind', async () => {
    await unpack(Readable.from([rawTar([file('a', 'b')])]));
    const fds = openFds();
    for (let i = 0; i < 20; i++) {
      await unpack(Readable.from([rawTar([dir('d'), file('d/a', 'b')])]));
      await unpack(Readable.from([rawTar([file('d/a/b', 'not a directory')])])).catch(() => undefined);
    }
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(fixture.path);
    expect(openFds()).toBeLessThanOrEqual(fds + 2);
  });

  test('is cancelled at once, in the middle of an endless archive', async () => {
    const cancel = new AbortController();
    const endless = new PassThrough();
    endless.write(rawTar([file('a', 'b')], false));
    const running = unpack(endless, cancel.signal);
    setTimeout(() => cancel.abort(new Error('enough')), 50);
    const begun = performance.now();
    await expect(running).rejects.toThrow('enough');
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(endless.destroyed).toBe(true);
    await unpack(Readable.from([rawTar([file('after', 'b')])]));
    expect(readFileSync(join(fixture.root, 'after'), 'utf8')).toBe('b');
  });

  // Ended from outside, a thread that is just calling the kernel would take the whole process with it.
  test('is cancelled in the middle of its work, hundreds of times: the process lives on, and so does the worker', async () => {
    const pieces = Array.from({ length: 50 }, (_, i) => rawTar([dir(`d${i}`), file(`d${i}/f`, 'x')], false));
    await unpack(Readable.from([rawTar([file('a', 'b')])]));
    const [fds, threads] = [openFds(), jailedThreads()];
    for (let i = 0; i < 300; i++) {
      const cancel = new AbortController();
      const endless = Readable.from(
        (function* () {
          for (;;) yield* pieces;
        })(),
      );
      const running = unpack(endless, cancel.signal);
      setTimeout(() => cancel.abort(new Error('enough')), i % 7);
      await expect(running).rejects.toThrow('enough');
    }
    expect(openFds()).toBeLessThanOrEqual(fds + 2);
    expect(jailedThreads()).toEqual(threads);
  });

  test('fails when the archive breaks off, and the next job is fine', async () => {
    const broken = new PassThrough();
    broken.write(rawTar([file('a', 'b')], false));
    setTimeout(() => broken.destroy(new Error('connection reset')), 20);
    await expect(unpack(broken)).rejects.toThrow('connection reset');
    await unpack(Readable.from([rawTar([file('a', 'c')])]));
    expect(readFileSync(join(fixture.root, 'a'), 'utf8')).toBe('c');
  });

  test('takes many jobs at once', async () => {
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, i) => unpack(Readable.from([rawTar([file(`f${i}`, `${i}`)])]))),
    );
    expect(results).toHaveLength(30);
    expect(readdirSync(fixture.root)).toHaveLength(30);
  });

  test('cannot open device nodes of an image', async () => {
    const { lstatSync } = await import('node:fs');
    await unpack(Readable.from([rawTar([{ name: 'null', type: '3', major: 1, minor: 3, mode: 0o666 }])]));
    expect(lstatSync(join(fixture.root, 'null')).isCharacterDevice()).toBe(true);
    mkdirSync(join(fixture.root, 'd'));
    expect(
      execFileSync('stat', ['-c', '%t:%T', join(fixture.root, 'null')])
        .toString()
        .trim(),
    ).toBe('1:3');
  });
});

describe('decoders', () => {
  test('that cannot be started cost no worker', async () => {
    for (let n = 0; n < 8; n++) {
      const input = ownedSource(Readable.from([]));
      Object.defineProperty(input, 'stream', {
        get: () => {
          throw new Error('no decoder');
        },
      });
      const fd = holdTree(fixture.root);
      const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
      const work = fixture.jail.run<'unpack-layer'>({ do: 'unpack-layer', place, repack: false }, [fd], { input });
      await expect(work).rejects.toThrow('no decoder');
    }
    expect((await unpack(Readable.from([rawTar([file('a', 'b')])]))).entries).toBe(1);
  });

  test('that are given up in the middle leave no descriptor', async () => {
    const packed = zstdCompressSync(Buffer.alloc(20e6));
    const before = openFds();
    for (let n = 0; n < 5; n++) {
      const decoder = zstdProgramDecoder(27);
      decoder.on('error', () => undefined).write(packed);
      await new Promise((resolve) => decoder.once('readable', resolve));
      decoder.destroy();
    }
    for (let n = 0; n < 100 && openFds() > before; n++) await sleep(20);
    expect(openFds()).toBeLessThanOrEqual(before);
  });

  test('fail alone when there is no free descriptor', async () => {
    const limit = getrlimit('nofile');
    setrlimit('nofile', { soft: 3n, hard: limit.hard });
    try {
      expect(() => zstdProgramDecoder(27)).toThrow(expect.objectContaining({ code: 'unavailable' }));
      // The error of a program that was not started comes a moment later; nobody but the decoder listens.
      await sleep(10);
    } finally {
      setrlimit('nofile', limit);
    }
  });
});

describe('bombs', () => {
  test('a gigabyte of zeros takes neither memory nor disk', async () => {
    const before = process.memoryUsage().rss;
    const header = rawTar([{ name: 'zeros', type: '0', size: 2 ** 30 }], false);
    const megabyte = Buffer.alloc(1024 * 1024);
    const input = Readable.from(
      (function* () {
        yield header;
        for (let i = 0; i < 1024; i++) yield megabyte;
        yield Buffer.alloc(1024);
      })(),
    );
    const result = await unpack(input);
    expect(result.sizeBytes).toBe(2 ** 30);
    expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
    const [blocks] = execFileSync('stat', ['-c', '%b', join(fixture.root, 'zeros')])
      .toString()
      .split('\n');
    expect(Number(blocks)).toBeLessThan(1000);
  });

  test('half a gigabyte of zeros after the end is passed over', async () => {
    const megabyte = Buffer.alloc(1024 * 1024);
    const input = Readable.from(
      (function* () {
        yield rawTar([file('a', 'b')]);
        for (let i = 0; i < 512; i++) yield megabyte;
      })(),
    );
    expect((await unpack(input)).entries).toBe(1);
  });

  test('more directories than are kept in memory get their times, whatever comes after them', async () => {
    using _disk = new SmallDisk(fixture.root);
    const count = 3000;
    const name = (i: number): string => `d${i % 3}/${i}`;
    const entries = [
      ...Array.from({ length: count }, (_, i) => ({ ...dir(name(i)), mtime: 1_000_000_000 + i })),
      { ...dir(name(1)), mtime: 5 },
      { ...dir('e'), mtime: 7 },
      { ...dir('gone'), mtime: 8 },
      symlink('e', 'gone'),
      file(`${name(0)}/later`),
    ];
    await unpack(Readable.from([rawTar(entries)]));
    const times = entries.slice(0, count).map((_, i) => statSync(join(fixture.root, name(i))).mtimeMs / 1000);
    expect(times.slice(0, 2)).toEqual([1_000_000_000, 5]);
    expect(times.slice(2).every((time, i) => time === 1_000_000_002 + i)).toBe(true);
    expect(statSync(join(fixture.root, 'e')).mtimeMs).toBe(7000);
  });

  test('directories a thousand deep are made and removed', async () => {
    const name = 'd/'.repeat(1000);
    await unpack(Readable.from([rawTar([{ ...dir(''), pax: { path: name } }])]));
    const fd = holdTree(fixture.root);
    await fixture.jail.run<'empty'>({ do: 'empty', place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
    expect(readdirSync(fixture.root)).toEqual([]);
  });

  test('trees deeper than the files that may be open are removed', async () => {
    const limit = getrlimit('nofile');
    const home = process.cwd();
    process.chdir(fixture.root);
    for (let i = 0; i < 1500; i++) {
      mkdirSync('d');
      process.chdir('d');
    }
    writeFileSync('bottom', 'x');
    process.chdir(home);
    setrlimit('nofile', { soft: BigInt(openFds() + 60), hard: limit.hard });
    try {
      const fd = holdTree(fixture.root);
      await fixture.jail.run<'empty'>({ do: 'empty', place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
    } finally {
      setrlimit('nofile', limit);
    }
    expect(readdirSync(fixture.root)).toEqual([]);
  });

  test('links that go round are an error', async () => {
    await expect(
      unpack(Readable.from([rawTar([symlink('b', 'a'), symlink('a', 'b'), file('a/x', '1')])])),
    ).rejects.toThrow(/ELOOP/);
  });
});
