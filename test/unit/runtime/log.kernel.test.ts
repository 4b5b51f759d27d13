import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LogReaderOptions, openLogReader } from '../../../daemon/logs/reader/log-reader.ts';
import { readExitRecord, readStartedRecord } from '../../../daemon/runtime/exit-record.ts';
import { collect } from './collect.ts';
import { eventually, LaunchFixture } from './launch-fixture.ts';

let fixture: LaunchFixture;

beforeEach(() => {
  fixture = new LaunchFixture();
});

afterEach(() => {
  fixture[Symbol.dispose]();
});

const neverAborted = new AbortController().signal;

async function readAll(options: Partial<LogReaderOptions>, onBatch?: () => Promise<void>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const batch of openLogReader(fixture.logDir, {
    from: 'start',
    signal: neverAborted,
    ...options,
  }).batches()) {
    for (const { data } of batch) parts.push(Buffer.from(data));
    await onBatch?.();
  }
  return Buffer.concat(parts).toString();
}

function numbers(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join('');
}

describe('rotation', () => {
  test('keeps every file within its size, and only so many files', async () => {
    await fixture.run({ script: 'seq 1 100000', maxBytes: 50_000, maxFiles: 3 });
    const files = readdirSync(fixture.logDir);
    expect(files).toHaveLength(3);
    for (const file of files) expect(statSync(join(fixture.logDir, file)).size).toBeLessThanOrEqual(50_000);
    const text = await readAll({});
    const [first = ''] = text.split('\n');
    expect(text).toBe(numbers(Number(first), 100_000));
  });

  test('goes on in the file that the run before has left', async () => {
    await fixture.run({ script: 'echo one' });
    await fixture.run({ script: 'echo two' });
    expect(readdirSync(fixture.logDir)).toEqual(['log.1']);
    expect(await readAll({})).toBe('one\ntwo\n');
  });

  test('cuts off half a record that a power cut has left', async () => {
    const { appendFileSync } = await import('node:fs');
    await fixture.run({ script: 'echo one' });
    appendFileSync(
      join(fixture.logDir, 'log.1'),
      Buffer.from([1, 0, 0, 0, 0, 0, 1, 0, 9, 9, 9, 9, 9, 9, 9, 9, 65, 66]),
    );
    expect(await readAll({})).toBe('one\n');
    await fixture.run({ script: 'echo two' });
    expect(await readAll({})).toBe('one\ntwo\n');
  });

  test('waits for a reader that must not lose anything', async () => {
    const client = await fixture.launch({ script: 'seq 1 200000', maxBytes: 20_000, maxFiles: 2, holdLog: true });
    const reading = readAll({ from: { seq: 1, offset: 0 }, follow: client, lossless: true }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
    });
    client.initialHold?.release();
    expect(await reading).toBe(numbers(1, 200_000));
    expect(readExitRecord(fixture.runDir)?.code).toBe(0);
    expect(readdirSync(fixture.logDir).length).toBeLessThanOrEqual(5);
  });

  test('waits for nobody else', async () => {
    const client = await fixture.launch({ script: 'seq 1 200000', maxBytes: 20_000, maxFiles: 2 });
    const reader = openLogReader(fixture.logDir, { from: 'start', follow: client, signal: neverAborted })[
      Symbol.asyncIterator
    ]();
    await reader.next();
    await client.ended;
    expect(readExitRecord(fixture.runDir)?.code).toBe(0);
    let last = Buffer.alloc(0);
    for (let next = await reader.next(); !next.done; next = await reader.next()) last = Buffer.from(next.value.data);
    expect(last.toString()).toMatch(/\n200000\n$/);
  });

  test('no longer waits when the reader has gone', async () => {
    const client = await fixture.launch({
      script: 'seq 1 200000; exit 3',
      maxBytes: 20_000,
      maxFiles: 2,
      holdLog: true,
    });
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(client.hasEnded).toBe(false);
    expect(readdirSync(fixture.logDir)).toHaveLength(2);
    client.initialHold?.release();
    await client.ended;
    expect(readExitRecord(fixture.runDir)?.code).toBe(3);
  });
});

describe('a reader', () => {
  test('follows across rotation to the end, and survives the removal of the directory', async () => {
    const client = await fixture.launch({
      script: 'for i in $(seq 1 50); do seq 1 100; done',
      maxBytes: 4_096,
      maxFiles: 500,
    });
    let removed = false;
    void client.ended.then(() => {
      rmSync(fixture.logDir, { recursive: true });
      removed = true;
    });
    const text = await readAll({ follow: client }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 2));
    });
    expect(removed).toBe(true);
    expect(text).toBe(numbers(1, 100).repeat(50));
  });

  test('from the end sees only what comes', async () => {
    const client = await fixture.launch({ stdin: true, script: 'echo before; cat' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const reading = readAll({ from: 'end', follow: client });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const stdin = await client.openStdin();
    await stdin.write(Buffer.from('after\n'));
    stdin.close({ endOfInput: true });
    expect(await reading).toBe('after\n');
  });

  test('stops when it is told to, at once', async () => {
    const client = await fixture.launch({ argv: ['sleep', '30'] });
    const abort = new AbortController();
    const reading = readAll({ follow: client, signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    expect(await reading).toBe('');
    expect(client.hasEnded).toBe(false);
  });

  test('stops following at its until', async () => {
    // Ends by itself a while after this test.
    const client = await fixture.launch({ script: 'for i in $(seq 500); do echo x; sleep 0.02; done' });
    const text = await readAll({ follow: client, untilNs: BigInt(Date.now() + 200) * 1_000_000n });
    expect(client.hasEnded).toBe(false);
    expect(text.length).toBeGreaterThan(0);
  });

  test('leaves no file open', async () => {
    await fixture.run({ script: 'seq 1 50000', maxBytes: 50_000, maxFiles: 9 });
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    for (const tail of [undefined, 0, 10, 100_000]) await readAll(tail === undefined ? {} : { tail });
    const unread = new AbortController();
    openLogReader(fixture.logDir, { from: 'start', signal: unread.signal });
    unread.abort();
    expect(open()).toBe(before);
  });

  test('of 50 MB is little work beside making them, and writing them is not much and keeps their maker waiting no longer than a pipe', async () => {
    const make = `yes ${'0123456789'.repeat(10)} | head -c 50000000`;
    const now = 'read up idle < /proc/uptime; echo $up';
    // Into a pipe that cat(1) reads, then into the log; `times` says in its second line what the makers of both worked.
    const client = await fixture.launch({
      stdin: true,
      script: `{ ${now}; ${make} | cat > /dev/null; ${now}; ${make} >&3; ${now}; times; } 3>&1 > /tmp/measured; read end`,
    });
    const { monitor = 0 } = readStartedRecord(fixture.runDir) ?? {};
    const [began = 0, piped = 0, written = 0, user = 0, system = 0] = await eventually(
      'both are made',
      measured,
      60_000,
    );
    const makersMs = ((user + system) / 2) * 1000;
    const monitorMs = workedMs(monitor);
    client.signal(9);
    await client.ended;
    const before = process.cpuUsage();
    let bytes = 0;
    for await (const batch of openLogReader(fixture.logDir, { from: 'start', signal: neverAborted }).batches()) {
      for (const { data } of batch) bytes += data.length;
    }
    const used = process.cpuUsage(before);
    const readerMs = (used.user + used.system) / 1000;
    const ratio = (written - piped) / (piped - began);
    console.log(
      `50 MB: makers ${makersMs}, monitor ${monitorMs}, reader ${readerMs.toFixed(0)} ms of work; ${ratio.toFixed(1)} times as long as a pipe`,
    );
    expect(bytes).toBe(50_000_000);
    expect(monitorMs).toBeLessThan(makersMs * 2);
    expect(readerMs).toBeLessThan(makersMs / 2);
    expect(ratio).toBeLessThan(10);
  });
});

/** Three times and two amounts of work, in seconds. */
function measured(): number[] | undefined {
  const path = join(fixture.rootDir, 'tmp/measured');
  const text = existsSync(path) ? readFileSync(path, 'latin1') : '';
  const found = /^(\S+)\n(\S+)\n(\S+)\n.*\n0m(\S+)s 0m(\S+)s\n$/.exec(text);
  return found?.slice(1).map(Number);
}

/** On a processor, as /proc/PID/stat counts it: in hundredths of a second. */
function workedMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

describe('a full disk', () => {
  let disk: string;

  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), 'tsd-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', disk]);
  });

  afterEach(() => {
    execFileSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true });
  });

  test('loses output, says so, and neither stops nor blocks the container', async () => {
    using full = new LaunchFixture({ logDir: disk });
    const client = await full.launch({ stdin: true, script: 'seq 1 100000; read go; echo more; exit 8' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    execFileSync('mount', ['-o', 'remount,size=2m', disk]);
    const stdin = await client.openStdin();
    await stdin.write(Buffer.from('go\n'));
    await client.ended;
    expect(readExitRecord(full.runDir)?.code).toBe(8);
    const chunks = await collect(openLogReader(disk, { from: 'start', signal: neverAborted }), ({ data, dropped }) => ({
      data: Buffer.from(data),
      dropped,
    }));
    expect(chunks.at(-1)?.data.toString()).toBe('more\n');
    const firstAfter = chunks.findIndex(({ dropped }) => dropped);
    expect(firstAfter).toBeGreaterThan(0);
    const before = Buffer.concat(chunks.slice(0, firstAfter).map(({ data }) => data)).toString();
    expect(numbers(1, 100_000).startsWith(before)).toBe(true);
  });
});
