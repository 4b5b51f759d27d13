// The files of one container's log: numbered, the oldest deleted at any moment by rotation. The monitor makes and deletes them.
import { closeSync, constants, openSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../../errors/engine-error.ts';

/** A place between two records. */
export interface LogPlace {
  readonly seq: number;
  /** Bytes in that file. */
  readonly offset: number;
}

/** Sequence numbers of the files that are there, plain or packed, lowest first; none when the directory is gone. */
export function logSequences(logDir: string): number[] {
  let names: string[];
  try {
    names = readdirSync(logDir);
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw new EngineError('system', `read directory ${logDir}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  const found = names.map((name) => /^log\.(\d{1,10})(?:\.gz)?$/.exec(name)?.[1]).filter((text) => text !== undefined);
  return [...new Set(found.map(Number))].sort((a, b) => a - b);
}

/** Where the log ends now; undefined when there is none. */
export function logEnd(logDir: string): LogPlace | undefined {
  const seq = logSequences(logDir).at(-1);
  if (seq === undefined) return undefined;
  return { seq, offset: statSync(join(logDir, `log.${seq}`), { throwIfNoEntry: false })?.size ?? 0 };
}

/** Where the log of the next run begins. */
export function endOfLog(logDir: string): LogPlace {
  return logEnd(logDir) ?? { seq: 0, offset: 0 };
}

/** After a monitor was killed its last record may be cut short: the next run begins a new file, so that nothing is read as half of it. */
export function beginNewFile(logDir: string): void {
  const { seq } = endOfLog(logDir);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
  closeSync(openSync(join(logDir, `log.${seq + 1}`), flags, 0o600));
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
