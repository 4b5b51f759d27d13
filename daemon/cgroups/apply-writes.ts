// Writes a plan to the files of a group.
import { isErrno } from '../../native-bindings/errno.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { GroupFiles } from './group-files.ts';
import type { GroupWrite } from './plan-v1.ts';

/** Writes everything in order; a write that may wait for others is tried once more at the end. */
export function applyWrites(files: GroupFiles, writes: readonly GroupWrite[]): void {
  const waiting: GroupWrite[] = [];
  for (const write of writes) {
    try {
      apply(files, write);
    } catch (error) {
      if (!write.mayWait || !isErrno(error, 'EINVAL')) throw explain(write, error);
      waiting.push(write);
    }
  }
  for (const write of waiting) {
    try {
      apply(files, write);
    } catch (error) {
      throw explain(write, error);
    }
  }
}

function apply(files: GroupFiles, { file, values }: GroupWrite): void {
  files.writeEach(file, values);
}

function explain({ file, values }: GroupWrite, cause: unknown): EngineError {
  const name = file.slice(file.lastIndexOf('/') + 1);
  const reason = cause instanceof Error ? cause.message : String(cause);
  const hint = isErrno(cause, 'EBUSY') && name.startsWith('memory.') ? ' (the container uses more than that)' : '';
  return new EngineError('system', `set ${name} to ${values.join(', ')}: ${reason}${hint}`, { cause });
}
