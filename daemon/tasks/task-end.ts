// How a task ended, as its monitor has written it down.
import { type ExitRecord, readExitRecord } from '../runtime/exit-record.ts';

/** Without `exit` nobody saw the end: the monitor was killed, and the process with it, or its record is damaged (`error` says how). */
export interface TaskEnd {
  readonly exit?: ExitRecord;
  readonly error?: unknown;
}

/** Of a task that has ended; also of one that another daemon started. Never throws. */
export function readTaskEnd(runDir: string): TaskEnd {
  try {
    const exit = readExitRecord(runDir);
    return exit === undefined ? {} : { exit };
  } catch (error) {
    return { error };
  }
}
