// A full disk in words that say what was being done.
import { isErrno } from '../../native-bindings/errno.ts';
import { EngineError } from '../errors/engine-error.ts';

/** `what`: verb and operand. Other errors stay what they are. */
export function fullDiskError(error: unknown, what: string): unknown {
  if (!isErrno(error, 'ENOSPC', 'EDQUOT')) return error;
  return new EngineError('system', `${what}: no space left on device`, { cause: error });
}

/** Whether it, or what it came from, is a full disk's. */
export function isFullDisk(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isErrno(cause, 'ENOSPC', 'EDQUOT') || cause.message.includes('no space left on device')) return true;
  }
  return false;
}
