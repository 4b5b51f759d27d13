// The bindings against the real kernel. What needs root is skipped without it.
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { O, SEEK } from '../../../native-bindings/constants.ts';
import * as files from '../../../native-bindings/files.ts';
import { syscall, trySyscall } from '../../../native-bindings/libc.ts';
import { usualMs, workMs } from '../../harness/pace.ts';

let directory: string;
let dirfd: number;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsdocker-libc-'));
  dirfd = openSync(directory, 'r');
});

afterAll(() => {
  closeSync(dirfd);
  rmSync(directory, { recursive: true, force: true });
});

const errorOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

describe('calls', () => {
  it('return what the kernel returns', () => {
    expect(trySyscall('gettid')).toBeGreaterThan(0);
    expect(trySyscall('close', -1)).toBe(-9);
  });

  it('cost a few microseconds at the most', () => {
    const rounds = 20_000;
    const work = () => {
      for (let i = 0; i < rounds; i++) trySyscall('gettid');
    };
    expect((workMs(work) * 1000) / rounds).toBeLessThan(5 * usualMs());
  });

  it('take strings of any length and alphabet', () => {
    const name = 'ü'.repeat(120);
    files.mkdirat(dirfd, name, 0o755);
    expect(existsSync(join(directory, name))).toBe(true);
    expect(errorOf(() => files.mkdirat(dirfd, 'x'.repeat(100_000), 0o755))).toMatchObject({ code: 'ENAMETOOLONG' });
  });

  it('never cut a string at a NUL', () => {
    expect(errorOf(() => files.mkdirat(dirfd, 'cut\0here', 0o755))).toMatchObject({ code: 'EINVAL' });
    expect(errorOf(() => files.mkdirat(dirfd, Buffer.from('cut\0here'), 0o755))).toMatchObject({ code: 'EINVAL' });
    expect(existsSync(join(directory, 'cut'))).toBe(false);
  });

  it('take names that are not UTF-8', () => {
    files.mkdirat(dirfd, Buffer.from([0xff, 0xfe]), 0o755);
    expect(readdirSync(directory, 'buffer').some((name) => name.equals(Buffer.from([0xff, 0xfe])))).toBe(true);
  });

  it('take 64-bit numbers, as numbers and as bigints', () => {
    const fd = files.openat(dirfd, 'large', O.RDWR | O.CREAT, 0o600);
    expect(files.lseek(fd, 2 ** 40 + 3, SEEK.SET)).toBe(2 ** 40 + 3);
    expect(syscall('lseek', [fd, 2n ** 41n, SEEK.SET], () => ({ args: {} }))).toBe(2 ** 41);
    closeSync(fd);
  });

  it('work in worker threads, and survive their end', async () => {
    const libc = new URL('../../../native-bindings/libc.ts', import.meta.url).href;
    const code = `import(${JSON.stringify(libc)}).then(({ trySyscall }) => require('node:worker_threads').parentPort.postMessage([trySyscall('gettid'), trySyscall('close', -1)]))`;
    for (let round = 0; round < 3; round++) {
      const worker = new Worker(code, { eval: true });
      const [tid, failed] = await new Promise<[number, number]>((resolve, reject) => {
        worker.once('message', resolve).once('error', reject);
      });
      expect(tid).not.toBe(trySyscall('gettid'));
      expect(failed).toBe(-9);
      await worker.terminate();
    }
    expect(trySyscall('close', -1)).toBe(-9);
  });
});
