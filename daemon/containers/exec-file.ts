// What was asked of a running exec, kept beside its monitor's socket: the next daemon finds it there. It goes with the exec.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecRecord } from './exec.ts';

const fileName = 'exec.json';

export function writeExecFile(runDir: string, record: ExecRecord): void {
  const path = join(runDir, fileName);
  try {
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    // The container ended and its run directory is gone: there is nothing left to take over.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** undefined when there is none, or none that can be read. */
export function readExecFile(runDir: string): ExecRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(join(runDir, fileName), 'utf8')) as ExecRecord;
    return typeof record.id === 'string' && Array.isArray(record.options?.args) ? record : undefined;
  } catch {
    return undefined;
  }
}
