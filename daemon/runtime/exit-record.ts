// The two files that a monitor leaves in its run directory: `started` and `exit`. Both are written aside, synced and renamed, so a
// reader sees a whole record or none. Their content is the launcher's (native-bindings/launcher/record.c), not the container's.
import { closeSync, constants, openSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../errors/engine-error.ts';

export interface StartedRecord {
  /** The container's first process, in the pid namespace of the daemon. */
  readonly pid: number;
  readonly monitor: number;
  /** Nanoseconds since 1970. */
  readonly startedNs: bigint;
}

export interface ExitRecord {
  /** Exit status, or 128 + signal. */
  readonly code: number;
  /** The signal that ended the process, 0 for none. */
  readonly signal: number;
  readonly startedNs: bigint;
  readonly finishedNs: bigint;
  /** True when the kernel's OOM killer killed any process of the control group while this one ran. */
  readonly oomKilled: boolean;
}

const MAX_RECORD_BYTES = 4096;

/** Undefined when the process was never started (or not by this run directory). Throws EngineError 'system' on a damaged record. */
export function readStartedRecord(runDir: string): StartedRecord | undefined {
  const fields = readRecord(join(runDir, 'started'));
  if (!fields) return undefined;
  return { pid: fields.integer('pid'), monitor: fields.integer('monitor'), startedNs: fields.nanoseconds('startedNs') };
}

/** Undefined while the process runs, and when its monitor was killed. Throws EngineError 'system' on a damaged record. */
export function readExitRecord(runDir: string): ExitRecord | undefined {
  const fields = readRecord(join(runDir, 'exit'));
  if (!fields) return undefined;
  return {
    code: fields.integer('code'),
    signal: fields.integer('signal'),
    startedNs: fields.nanoseconds('startedNs'),
    finishedNs: fields.nanoseconds('finishedNs'),
    oomKilled: fields.boolean('oomKilled'),
  };
}

/** In place of a damaged one, of a process that runs. */
export function writeStartedRecord(runDir: string, { pid, monitor, startedNs }: StartedRecord): void {
  const path = join(runDir, 'started');
  writeFileSync(`${path}.mended`, `${JSON.stringify({ pid, monitor, startedNs: startedNs.toString() })}\n`, {
    mode: 0o600,
  });
  renameSync(`${path}.mended`, path);
}

interface Fields {
  integer(name: string): number;
  nanoseconds(name: string): bigint;
  boolean(name: string): boolean;
}

function readRecord(path: string): Fields | undefined {
  const text = readSmallFile(path);
  if (text === undefined) return undefined;
  const damaged = (what: string, cause?: unknown) =>
    new EngineError('system', `read ${path}: damaged record: ${what}`, { cause });
  let values: Map<string, unknown>;
  try {
    values = new Map(Object.entries(JSON.parse(text) as object));
  } catch (cause) {
    throw damaged('no JSON', cause);
  }
  return {
    integer(name) {
      const value = values.get(name);
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw damaged(`${name} is no integer`);
      return value;
    },
    nanoseconds(name) {
      const value = values.get(name);
      if (typeof value !== 'string' || !/^\d{1,19}$/.test(value)) throw damaged(`${name} is no time`);
      return BigInt(value);
    },
    boolean(name) {
      const value = values.get(name);
      if (typeof value !== 'boolean') throw damaged(`${name} is no boolean`);
      return value;
    },
  };
}

function readSmallFile(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new EngineError('system', `open ${path}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  try {
    const buffer = Buffer.alloc(MAX_RECORD_BYTES);
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
}
