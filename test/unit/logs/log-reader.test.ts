import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeRecords } from '../../../daemon/logs/format/log-record.ts';
import { splitLines } from '../../../daemon/logs/reader/log-lines.ts';
import { type LogReaderOptions, openLogReader } from '../../../daemon/logs/reader/log-reader.ts';
import { collect } from '../runtime/collect.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsd-log-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true });
});

interface Written {
  text: string;
  stream?: 1 | 2;
  timeNs?: bigint;
  flags?: number;
}

function record({ text, stream = 1, timeNs = 1n, flags = 0 }: Written): Buffer {
  const data = Buffer.from(text);
  const header = Buffer.alloc(16);
  header[0] = stream;
  header[1] = flags;
  header.writeUInt32BE(data.length, 4);
  header.writeBigUInt64BE(timeNs, 8);
  return Buffer.concat([header, data]);
}

function write(seq: number, ...records: (Written | string)[]): void {
  const bytes = records.map((each) => record(typeof each === 'string' ? { text: each } : each));
  writeFileSync(join(dir, `log.${seq}`), Buffer.concat(bytes));
}

const signal = new AbortController().signal;

function open(options: Partial<LogReaderOptions> = {}) {
  return openLogReader(dir, { from: 'start', signal, ...options });
}

async function text(options: Partial<LogReaderOptions> = {}): Promise<string> {
  return (await collect(open(options), ({ data }) => data.toString())).join('');
}

describe('reading', () => {
  test('gives all files in the order of their numbers, not of their names', async () => {
    for (let seq = 8; seq <= 11; seq++) write(seq, `${seq}\n`);
    writeFileSync(join(dir, 'other'), 'x');
    expect(await text()).toBe('8\n9\n10\n11\n');
    expect(await text({ from: 'end' })).toBe('');
    expect(await text({ from: { seq: 10, offset: 0 } })).toBe('10\n11\n');
    expect(await text({ from: { seq: 10, offset: 19 } })).toBe('11\n');
  });

  test('of nothing gives nothing', async () => {
    expect(await text()).toBe('');
    expect(await text({ tail: 5 })).toBe('');
    rmSync(dir, { recursive: true });
    expect(await text()).toBe('');
    dir = mkdtempSync(join(tmpdir(), 'tsd-log-'));
  });

  test('tells stream, time and loss', async () => {
    write(1, { text: 'a', stream: 2, timeNs: 1_700_000_000_123_456_789n, flags: 1 });
    const [chunk] = await collect(open(), ({ stream, timeNs, dropped }) => ({ stream, timeNs, dropped }));
    expect(chunk).toMatchObject({ stream: 2, timeNs: 1_700_000_000_123_456_789n, dropped: true });
  });

  test('passes over half a record at the end and what is damaged', async () => {
    writeFileSync(
      join(dir, 'log.1'),
      Buffer.concat([record({ text: 'one\n' }), record({ text: 'two\n' }).subarray(0, 18)]),
    );
    writeFileSync(
      join(dir, 'log.2'),
      Buffer.concat([record({ text: 'three\n' }), Buffer.alloc(40, 0xee), record({ text: 'lost\n' })]),
    );
    write(3, 'four\n');
    expect(await text()).toBe('one\nthree\nfour\n');
  });

  test('begins with a whole line when rotation has taken the beginning of the first', async () => {
    write(5, { text: 'rest of a line\nnext\n', flags: 2 });
    expect(await text()).toBe('next\n');
    expect(await text({ from: { seq: 5, offset: 0 } })).toBe('rest of a line\nnext\n');
    write(5, { text: 'no newline anywhere', flags: 2 });
    expect(await text()).toBe('no newline anywhere');
  });

  test('goes by time', async () => {
    write(1, { text: '1\n', timeNs: 10n }, { text: '2\n', timeNs: 20n });
    write(2, { text: '3\n', timeNs: 30n });
    expect(await text({ sinceNs: 20n })).toBe('2\n3\n');
    expect(await text({ untilNs: 20n })).toBe('1\n2\n');
    expect(await text({ sinceNs: 11n, untilNs: 29n })).toBe('2\n');
  });
});

describe('the last lines', () => {
  const lines = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}\n`);

  test.each([0, 1, 2, 5, 9, 10, 11, 1000])('%i of ten, one to a record, over files', async (tail) => {
    const all = lines(10);
    write(1, ...all.slice(0, 4));
    write(2);
    write(3, ...all.slice(4, 5));
    write(4, ...all.slice(5));
    expect(await text({ tail })).toBe(all.slice(Math.max(10 - tail, 0)).join(''));
  });

  test.each([0, 1, 3, 6, 7])('%i of many to a record, the last without its newline', async (tail) => {
    write(1, 'one\ntwo\nthree\n');
    write(2, 'fo', 'ur\nfive\nsix', '...');
    const all = ['one\n', 'two\n', 'three\n', 'four\n', 'five\n', 'six...'];
    expect(await text({ tail })).toBe(tail === 0 ? '' : all.slice(-tail).join(''));
  });

  test('of a large file', async () => {
    write(1, ...lines(50_000));
    expect(await text({ tail: 3 })).toBe('49998\n49999\n50000\n');
    expect(await text({ tail: 30_000 })).toBe(lines(50_000).slice(20_000).join(''));
  });
});

test('what is written while it is read does not come, unless it follows', async () => {
  write(1, '1\n', '2\n', '3\n');
  const readers = [open(), open({ tail: 2 }), open({ tail: 0 }), open({ from: 'end' })];
  appendFileSync(join(dir, 'log.1'), record({ text: '4\n' }));
  write(2, '5\n');
  const texts = await Promise.all(
    readers.map(async (reader) => (await collect(reader, ({ data }) => data.toString())).join('')),
  );
  expect(texts).toEqual(['1\n2\n3\n', '2\n3\n', '', '']);
});

describe('splitLines', () => {
  async function split(): Promise<[number, string, boolean][]> {
    return collect(splitLines(open()), ({ stream, data, startsLine }) => [stream, data.toString(), startsLine]);
  }

  test('joins pieces of each stream, and gives each line its first time', async () => {
    write(1, { text: 'a', timeNs: 5n }, { text: 'x\ny', stream: 2 }, { text: 'b\nc\n', timeNs: 9n }, { text: 'd' });
    expect(await split()).toEqual([
      [2, 'x\n', true],
      [1, 'ab\n', true],
      [1, 'c\n', true],
      [2, 'y', true],
      [1, 'd', true],
    ]);
    const times = await collect(splitLines(open()), ({ timeNs }) => timeNs);
    expect(times.slice(1, 3)).toEqual([5n, 9n]);
  });

  test('gives a very long line in parts', async () => {
    write(1, 'x'.repeat(60_000), 'x'.repeat(60_000), 'end\nnext\n');
    const parts = await split();
    expect(parts.map(([, data, starts]) => [data.length, starts])).toEqual([
      [120_000, true],
      [4, false],
      [5, true],
    ]);
  });
});

test('decodeRecords stops at an incomplete record and says where', () => {
  const whole = record({ text: 'abc' });
  expect(decodeRecords(Buffer.concat([whole, whole.subarray(0, 17)]))).toMatchObject({
    used: whole.length,
    damaged: false,
  });
  expect(decodeRecords(Buffer.alloc(100))).toMatchObject({ used: 0, damaged: true });
  const tooLong = record({ text: 'abc' });
  tooLong.writeUInt32BE(70_000, 4);
  expect(decodeRecords(tooLong).damaged).toBe(true);
});
