// What every log driver does: each is held against these.
import { describe, expect, test } from 'vitest';
import type { LogSubject } from '../../../daemon/logs/drivers/log-details.ts';
import type { ContainerLog, LogDriver, LogRun } from '../../../daemon/logs/drivers/log-driver.ts';
import { LogDrivers } from '../../../daemon/logs/drivers/log-drivers.ts';
import type { LogReaderOptions } from '../../../daemon/logs/reader/log-reader.ts';
import { eventually } from '../../harness/eventually.ts';
import { collect } from '../runtime/collect.ts';
import { WrittenLog } from './written-log.ts';

export interface LogDriverFacts {
  driver: LogDriver;
  /** Of its own, with values that it takes. */
  options: Readonly<Record<string, string>>;
  isReadable: boolean;
  /** Docker takes anything of a log that is not kept. */
  takesAnyOption?: boolean;
}

const id = 'c'.repeat(64);
const subject: LogSubject = {
  ...{ id, name: 'web', imageId: `sha256:${'d'.repeat(64)}`, image: 'busybox', command: ['sh'] },
  ...{ labels: { tier: 'front' }, environment: ['A=1'] },
};

/** A run of a container whose monitor writes to `written`, given to the driver as the engine does it. */
export function begin(log: ContainerLog, written: WrittenLog, containerId = id): LogRun {
  const { directory } = written;
  const run = { containerId, subject, directory, from: { seq: 0, offset: 0 }, writer: written, onError: fail };
  log.follow?.(run);
  return run;
}

function fail(error: unknown): never {
  throw error;
}

export async function textOf(log: ContainerLog, run: LogRun, options: Partial<LogReaderOptions> = {}): Promise<string> {
  const reader = log.openReader?.(run, { from: 'start', signal: new AbortController().signal, ...options });
  if (reader === undefined) throw new Error('it cannot be read');
  return (await collect(reader, ({ data }) => data.toString())).join('');
}

export function logDriverSuite(name: string, make: () => LogDriverFacts): void {
  describe(`log driver ${name}`, () => {
    const configure = (options: Readonly<Record<string, string>>) =>
      new LogDrivers([make().driver]).configure({ driver: name, options });

    test('has its name, and takes its own options and those of every driver', () => {
      const { driver, options } = make();
      expect(driver.name).toBe(name);
      expect(configure(options).warnings).toEqual([]);
      configure({ mode: 'non-blocking', 'max-buffer-size': '4m', 'cache-disabled': 'true' });
    });

    test('refuses in docker’s words what no driver takes, and what it does not know', () => {
      expect(() => configure({ mode: 'x' })).toThrow('logger: logging mode not supported: x');
      expect(() => configure({ 'max-buffer-size': '1m' })).toThrow("only supported with 'mode=non-blocking'");
      if (make().takesAnyOption) configure({ constructor: '1' });
      else
        expect(() => configure({ constructor: '1' })).toThrow(`unknown log opt 'constructor' for ${name} log driver`);
    });

    test('has the monitor keep a bounded number of bounded files, and at least one with a record', () => {
      const { maxBytes, maxFiles } = configure(make().options).limits;
      expect(maxFiles).toBeGreaterThanOrEqual(1);
      expect(maxBytes).toBeGreaterThanOrEqual(1024);
      expect(maxBytes * maxFiles).toBeLessThan(2 ** 40);
    });

    test('tells details of a container as text', () => {
      expect(configure(make().options).details(subject)).toBeTypeOf('string');
    });

    if (!make().isReadable) {
      test('cannot be read', () => expect(configure({}).openReader).toBeUndefined());
      return;
    }

    test('gives back what was written: all, the last lines, from a time to a time', async () => {
      using written = new WrittenLog();
      const log = configure(make().options);
      const run = begin(log, written);
      for (const n of [1, 2, 3, 4]) written.write(`line ${n}\n`, { stream: n === 2 ? 2 : 1, timeNs: BigInt(n) });
      written.end();
      const all = 'line 1\nline 2\nline 3\nline 4\n';
      await eventually('all of it', async () => (await textOf(log, run)) === all);
      expect(await textOf(log, run, { tail: 2 })).toBe('line 3\nline 4\n');
      expect(await textOf(log, run, { tail: 0 })).toBe('');
      expect(await textOf(log, run, { sinceNs: 2n, untilNs: 3n })).toBe('line 2\nline 3\n');
      const reader = log.openReader?.(run, { from: 'start', signal: new AbortController().signal });
      if (reader === undefined) throw new Error('it cannot be read');
      const streams = await collect(reader, ({ stream, timeNs }) => `${stream} ${timeNs}`);
      expect(streams).toEqual(['1 1', '2 2', '1 3', '1 4']);
    });

    test('a reader that follows gets what comes, and ends with the run', async () => {
      using written = new WrittenLog();
      const log = configure(make().options);
      const run = begin(log, written);
      written.write('one\n');
      const following = textOf(log, run, { follow: written });
      for (const text of ['two\n', 'three\n']) {
        await new Promise((resolve) => setImmediate(resolve));
        written.write(text);
      }
      written.end();
      expect(await following).toBe('one\ntwo\nthree\n');
      await eventually('nobody listens', () => written.users === 0);
    });

    test('a reader that is told to stop leaves nothing', async () => {
      using written = new WrittenLog();
      const log = configure(make().options);
      const run = begin(log, written);
      written.write('one\n');
      const before = written.users;
      const abort = new AbortController();
      const following = textOf(log, run, { follow: written, signal: abort.signal });
      await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      await following;
      expect(written.users).toBeLessThanOrEqual(before);
      written.end();
      await eventually('nobody listens', () => written.users === 0);
    });

    test('keeps containers apart', async () => {
      using one = new WrittenLog();
      using other = new WrittenLog();
      const log = configure(make().options);
      const runs = [begin(log, one, 'a'.repeat(64)), begin(log, other, 'b'.repeat(64))] as const;
      one.write('one\n');
      other.write('other\n');
      one.end();
      other.end();
      await eventually('the first', async () => (await textOf(log, runs[0])) === 'one\n');
      await eventually('the second', async () => (await textOf(log, runs[1])) === 'other\n');
    });
  });
}
