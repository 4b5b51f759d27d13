// Where the log of the next run begins. The monitor appends to the last file and rotates; nothing here reads records.
import { closeSync, constants, openSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface LogStart {
  seq: number;
  /** Bytes in that file. */
  offset: number;
}

export function endOfLog(logDir: string): LogStart {
  let last = -1;
  for (const name of readdirSync(logDir)) {
    if (/^log\.\d{1,9}$/.test(name)) last = Math.max(last, Number(name.slice(4)));
  }
  if (last < 0) return { seq: 0, offset: 0 };
  return { seq: last, offset: statSync(join(logDir, `log.${last}`)).size };
}

/** After a monitor was killed its last record may be cut short: the next run begins a new file, so that nothing is read as half of it. */
export function beginNewFile(logDir: string): void {
  const { seq } = endOfLog(logDir);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
  closeSync(openSync(join(logDir, `log.${seq + 1}`), flags, 0o600));
}
