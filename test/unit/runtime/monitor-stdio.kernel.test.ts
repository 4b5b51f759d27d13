import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readExitRecord, readStartedRecord } from '../../../daemon/runtime/exit-record.ts';
import { MonitorClient } from '../../../daemon/runtime/monitor-client.ts';
import { eventually, LaunchFixture } from './launch-fixture.ts';

let fixture: LaunchFixture;

beforeEach(() => {
  fixture = new LaunchFixture();
});

afterEach(() => {
  fixture[Symbol.dispose]();
});

function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

describe('stdin', () => {
  test('arrives, and ends when a client says so', async () => {
    const client = await fixture.launch({ stdin: true, script: 'cat; echo end' });
    const stdin = await client.openStdin();
    await stdin.write(Buffer.from('hello\n'));
    stdin.close({ endOfInput: true });
    await client.ended;
    expect((await fixture.output()).stdout).toBe('hello\nend\n');
  });

  test('stays open when a client leaves without ending it', async () => {
    const client = await fixture.launch({ stdin: true, argv: ['cat'] });
    const first = await client.openStdin();
    await first.write(Buffer.from('one\n'));
    first.close({ endOfInput: false });
    await eventually('the first line', () => fixture.logText().includes('one'));
    const second = await client.openStdin();
    await second.write(Buffer.from('two\n'));
    second.close({ endOfInput: true });
    await client.ended;
    expect((await fixture.output()).stdout).toBe('one\ntwo\n');
  });

  test('of many megabytes comes through whole and in order', async () => {
    const client = await fixture.launch({ stdin: true, script: 'cat' });
    const stdin = await client.openStdin();
    const bytes = Buffer.alloc(5_000_000);
    for (let i = 0; i + 4 <= bytes.length; i += 4) bytes.writeUInt32LE(i, i);
    await stdin.write(bytes);
    stdin.close({ endOfInput: true });
    await client.ended;
    const chunks: Buffer[] = [];
    const { openLogReader } = await import('../../../daemon/logs/reader/log-reader.ts');
    for await (const { data } of openLogReader(fixture.logDir, {
      from: 'start',
      signal: new AbortController().signal,
    })) {
      chunks.push(Buffer.from(data));
    }
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  test('that is not read holds up its writer and nothing else', async () => {
    const client = await fixture.launch({ stdin: true, script: 'sleep 30' });
    const { monitor = 0 } = readStartedRecord(fixture.runDir) ?? {};
    const stdin = await client.openStdin();
    let isWritten = false;
    const write = stdin.write(Buffer.alloc(8_000_000)).then(
      () => {
        isWritten = true;
      },
      () => undefined,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isWritten).toBe(false);
    const before = cpuTicks(monitor);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(cpuTicks(monitor) - before).toBeLessThan(3);
    (await MonitorClient.connect(fixture.runDir)).close();
    client.signal(9);
    await client.ended;
    await write;
  });

  test('that is not read has any number of writers, loses none, and leaves room for others', async () => {
    const client = await fixture.launch({ stdin: true, script: 'until [ -e /tmp/go ]; do sleep 0.05; done; wc -c' });
    const writers = Array.from({ length: 100 }, async () => {
      const stdin = await client.openStdin();
      await stdin.write(Buffer.alloc(50_000, 'x'));
      stdin.close({ endOfInput: false });
    });
    // One after the other, as clients come and go.
    for (let n = 0; n < 100; n++) (await client.openStdin()).close({ endOfInput: false });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { monitor = 0 } = readStartedRecord(fixture.runDir) ?? {};
    const before = cpuTicks(monitor);
    (await MonitorClient.connect(fixture.runDir)).close();
    expect(cpuTicks(monitor) - before).toBeLessThan(20);
    writeFileSync(`/proc/${client.pid}/root/tmp/go`, '');
    await Promise.all(writers);
    (await client.openStdin()).close({ endOfInput: true });
    await client.ended;
    expect((await fixture.output()).stdout.trim()).toBe('5000000');
  });

  test('ends although the end was said while the pipe was full', async () => {
    const client = await fixture.launch({ stdin: true, script: 'sleep 0.3; wc -c' });
    const stdin = await client.openStdin();
    await stdin.write(Buffer.alloc(70_000));
    stdin.close({ endOfInput: true });
    await client.ended;
    expect((await fixture.output()).stdout.trim()).toBe('70000');
  });

  test('that nobody reads any more is thrown away', async () => {
    const client = await fixture.launch({
      stdin: true,
      script: 'exec <&-; until [ -e /tmp/go ]; do sleep 0.05; done; exit 5',
    });
    const stdin = await client.openStdin();
    await stdin.write(Buffer.alloc(1_000_000));
    writeFileSync(`/proc/${client.pid}/root/tmp/go`, '');
    await client.ended;
    expect(readExitRecord(fixture.runDir)?.code).toBe(5);
  });

  test('is the null device when it was not asked for', async () => {
    expect((await fixture.run({ script: 'cat; readlink /proc/self/fd/0' })).stdout).toBe('/dev/null\n');
  });
});

describe('a terminal', () => {
  test('is the controlling terminal, of its own devpts, and one stream', async () => {
    const { stdout, stderr } = await fixture.run({
      tty: true,
      script: 'tty; test -t 0 && test -t 1 && test -t 2 && echo yes >&2; echo > /dev/tty; ls /dev/pts',
    });
    expect(stdout).toMatch(/^\/dev\/pts\/0\r\n.*yes\r\n/s);
    expect(stderr).toBe('');
  });

  test('passes input, size and ^C', async () => {
    const client = await fixture.launch({
      tty: true,
      stdin: true,
      script:
        'trap "echo int; exit 6" INT; echo ready; read line; echo "got $line"; stty size; while :; do sleep 0.05; done',
    });
    const stdin = await client.openStdin();
    client.resize(40, 132);
    await eventually('it is ready', () => fixture.logText().includes('ready'));
    await stdin.write(Buffer.from('word\n'));
    await eventually('the size', () => fixture.logText().includes('40 132'));
    await stdin.write(Buffer.from('\x03'));
    await client.ended;
    expect((await fixture.output()).stdout).toMatch(/got word\r\n40 132\r\n\^Cint\r\n$/);
    expect(readExitRecord(fixture.runDir)?.code).toBe(6);
  });

  test('has its size from the beginning', async () => {
    for (let round = 0; round < 10; round++) {
      fixture.clearLog();
      const { stdout } = await fixture.run({ tty: true, terminalSize: { rows: 33, columns: 99 }, script: 'stty size' });
      expect(stdout).toBe('33 99\r\n');
    }
  });

  test('gives all of its output although the process ends at once', async () => {
    for (let round = 0; round < 10; round++) {
      fixture.clearLog();
      const { stdout } = await fixture.run({ tty: true, script: 'seq 1 5000' });
      expect(stdout.split('\r\n')).toHaveLength(5001);
    }
  });

  test('may be closed and opened again, as an init system does it', async () => {
    const client = await fixture.launch({
      tty: true,
      script: 'exec <&- >&- 2>&-; sleep 0.6; exec >/dev/pts/0; echo again; exit 4',
    });
    const { monitor = 0 } = readStartedRecord(fixture.runDir) ?? {};
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = cpuTicks(monitor);
    await client.ended;
    expect(before).toBeLessThan(10);
    expect((await fixture.output()).stdout).toBe('again\r\n');
    expect(readExitRecord(fixture.runDir)?.code).toBe(4);
  });

  test('keeps the end of input to the user', async () => {
    const client = await fixture.launch({ tty: true, stdin: true, script: 'cat; echo end' });
    const stdin = await client.openStdin();
    await stdin.write(Buffer.from('line\n\x04'));
    stdin.close({ endOfInput: true });
    await client.ended;
    expect((await fixture.output()).stdout).toMatch(/line\r\nend\r\n$/);
  });

  test('has its process in the foreground under an init', async () => {
    const client = await fixture.launch({
      tty: true,
      stdin: true,
      init: true,
      script: 'trap "echo int; exit 6" INT; echo ready; read line; echo "got $line"; while :; do sleep 0.05; done',
    });
    const stdin = await client.openStdin();
    await stdin.write(Buffer.from('word\n'));
    await eventually('it is ready', () => fixture.logText().includes('got word'));
    await stdin.write(Buffer.from('\x03'));
    await client.ended;
    expect(readExitRecord(fixture.runDir)?.code).toBe(6);
  });
});

describe('clients', () => {
  test('that send what is no message are put out, the others stay', async () => {
    const client = await fixture.launch({ argv: ['sleep', '30'] });
    const { connect } = await import('node:net');
    for (const bytes of [
      'GET / HTTP/1.1\r\n\r\n',
      'K\0\0\0\xff\xff\xff\xff',
      'W\0\0\0\x02\0\0\0',
      'Z\x01\0\0\0\0\0\0',
    ]) {
      const socket = connect(join(fixture.runDir, 'monitor.sock'));
      socket.write(Buffer.from(bytes, 'latin1'));
      socket.on('error', () => undefined).resume();
      await new Promise((resolve) => socket.once('close', resolve));
    }
    expect(client.hasEnded).toBe(false);
    client.signal(9);
    await client.ended;
  });

  test('may come and go by the hundred', async () => {
    const client = await fixture.launch({ argv: ['sleep', '30'] });
    const { monitor = 0 } = readStartedRecord(fixture.runDir) ?? {};
    const { readdirSync } = await import('node:fs');
    const before = readdirSync(`/proc/${monitor}/fd`).length;
    const others = await Promise.all(Array.from({ length: 60 }, () => MonitorClient.connect(fixture.runDir)));
    expect(others.every(({ pid }) => pid === client.pid)).toBe(true);
    // More than the monitor serves at once: they wait for a place.
    const waiting = Array.from({ length: 20 }, () => MonitorClient.connect(fixture.runDir));
    await Promise.race(waiting);
    for (const other of others) other.close();
    for (const other of await Promise.all(waiting)) other.close();
    await eventually('the fds are closed', () => readdirSync(`/proc/${monitor}/fd`).length === before);
  });
});
