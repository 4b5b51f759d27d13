// Rotated files that are packed while a container runs, and what readers find.
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { packRotated } from '../../../daemon/logs/drivers/pack-rotated.ts';
import { type LogReaderOptions, openLogReader } from '../../../daemon/logs/reader/log-reader.ts';
import { eventually } from '../../harness/eventually.ts';
import { collect } from '../runtime/collect.ts';
import { WrittenLog } from './written-log.ts';

let written: WrittenLog;
const onError = vi.fn();

beforeEach(() => {
  written = new WrittenLog();
  onError.mockReset();
});
afterEach(() => written[Symbol.dispose]());

const files = () => readdirSync(written.directory).sort();
const path = (name: string) => join(written.directory, name);

function follow(maxFiles = 10): void {
  const { directory } = written;
  const subject = { id: 'c', name: 'c', imageId: '', image: '', command: [], labels: {}, environment: [] };
  packRotated({ containerId: 'c', directory, subject, from: undefined, writer: written, onError }, maxFiles);
}

async function text(options: Partial<LogReaderOptions> = {}): Promise<string> {
  const signal = new AbortController().signal;
  const reader = openLogReader(written.directory, { from: 'start', signal, ...options });
  return (await collect(reader, ({ data }) => data.toString())).join('');
}

/** `count` files of `lines` lines each, the last of them the one that is written. */
function fill(count: number, lines = 3): string {
  let all = '';
  for (let seq = 0; seq < count; seq++) {
    if (seq > 0) written.rotate();
    for (let line = 0; line < lines; line++) {
      const part = `file ${seq} line ${line}\n`;
      written.write(part, { timeNs: BigInt(seq * 1000 + line) });
      all += part;
    }
  }
  return all;
}

describe('packing', () => {
  test('takes every file but the one that is written, those of before too', async () => {
    const before = fill(3);
    follow();
    await eventually('two are packed', () => files().join() === 'log.0.gz,log.1.gz,log.2');
    written.rotate();
    written.write('more\n');
    await eventually('the third is', () => files().join() === 'log.0.gz,log.1.gz,log.2.gz,log.3');
    expect(await text()).toBe(`${before}more\n`);
    expect(readFileSync(path('log.0.gz')).subarray(0, 2)).toEqual(Buffer.of(0x1f, 0x8b));
    written.end();
    expect(written.users).toBe(0);
    expect(onError).not.toHaveBeenCalled();
  });

  test('keeps so many files as the monitor would, and what is held', async () => {
    written.heldSeq = 1;
    fill(5);
    follow(2);
    await eventually('old ones are gone', () => files().join() === 'log.1.gz,log.2.gz,log.3.gz,log.4');
    written.heldSeq = Number.POSITIVE_INFINITY;
    written.rotate();
    await eventually('and the held one', () => files().join() === 'log.4.gz,log.5');
  });

  test('clears what a daemon that was killed has left', async () => {
    const all = fill(2);
    writeFileSync(path('log.0.gz.0a1b2c3d'), 'half of it');
    writeFileSync(path('log.0.gz'), gzipSync('of an earlier try'));
    follow();
    await eventually('all is packed', () => files().join() === 'log.0.gz,log.1');
    expect(await text()).toBe(all);
  });

  test('a container that was removed is no error, and one that cannot be packed is told and stays', async () => {
    const all = fill(2);
    rmSync(written.directory, { recursive: true });
    follow();
    await eventually('it has looked', () => !existsSync(written.directory));
    written[Symbol.dispose]();
    written = new WrittenLog();
    const again = fill(2);
    expect(again).toBe(all);
    const { directory } = written;
    Object.defineProperty(written, 'directory', { value: path('log.0') });
    follow();
    await eventually('it is told', () => onError.mock.calls.length === 1);
    Object.defineProperty(written, 'directory', { value: directory });
    expect(await text()).toBe(again);
  });
});

describe('reading what is packed', () => {
  test('from the start, a place, a time, and the last lines', async () => {
    const all = fill(4);
    follow();
    await eventually('three are packed', () => files().join() === 'log.0.gz,log.1.gz,log.2.gz,log.3');
    expect(await text()).toBe(all);
    expect(await text({ tail: 5 })).toBe(all.split('\n').slice(-6).join('\n'));
    expect(await text({ sinceNs: 1001n, untilNs: 2000n })).toBe('file 1 line 1\nfile 1 line 2\nfile 2 line 0\n');
    const recordBytes = 16 + 'file 1 line 0\n'.length;
    expect(await text({ from: { seq: 1, offset: 2 * recordBytes } })).toBe(all.slice(all.indexOf('file 1 line 2')));
  });

  test('of many megabytes, in pieces', async () => {
    const line = `${'x'.repeat(60_000)}\n`;
    for (let n = 0; n < 100; n++) written.write(n === 50 ? `middle ${line}` : line, { timeNs: BigInt(n) });
    written.rotate();
    written.write('end\n', { timeNs: 100n });
    follow();
    await eventually('it is packed', () => files().join() === 'log.0.gz,log.1');
    const whole = await text();
    expect(whole.length).toBe(100 * line.length + 'middle '.length + 'end\n'.length);
    expect(whole.indexOf('middle')).toBe(50 * line.length);
    expect((await text({ tail: 51 })).startsWith('middle')).toBe(true);
  });

  test('while it is being packed loses and doubles nothing', async () => {
    const following = text({ follow: written });
    follow(100);
    let all = '';
    for (let n = 0; n < 200; n++) {
      if (n % 5 === 4) written.rotate();
      written.write(`${n}\n`);
      all += `${n}\n`;
      if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    written.end();
    expect(await following).toBe(all);
    await eventually('all are packed', () => files().filter((name) => !name.endsWith('.gz')).length === 1);
    expect(await text()).toBe(all);
  });

  test('that is damaged goes on with the next file', async () => {
    const incompressible = Buffer.from(Array.from({ length: 50_000 }, (_, i) => 33 + ((i * i * 31 + i * 7) % 90)));
    written.write(`first\n`);
    written.write(`${incompressible.toString('latin1')}\n`);
    written.rotate();
    written.write('second\n');
    follow();
    await eventually('it is packed', () => files().join() === 'log.0.gz,log.1');
    truncateSync(path('log.0.gz'), readFileSync(path('log.0.gz')).length - 20);
    const found = await text();
    expect(found.endsWith('second\n')).toBe(true);
  });
});
