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

/** undefined when there is none: the exec was being started. 'damaged' when what is there cannot be believed. */
export function readExecFile(runDir: string): ExecRecord | 'damaged' | undefined {
  let text: string;
  try {
    text = readFileSync(join(runDir, fileName), 'utf8');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'damaged';
  }
  try {
    const record: unknown = JSON.parse(text);
    return isRecord(record) ? record : 'damaged';
  } catch {
    return 'damaged';
  }
}

/** Of an exec that runs and of which nothing else is known. */
export function unknownExec(containerId: string, id: string): ExecRecord {
  return {
    ...{ id, containerId, user: '', attachStdin: false, attachStdout: false, attachStderr: false },
    ...{ detachKeys: '', consoleSize: null },
    options: {
      ...{ args: ['(unknown)'], env: [], tty: false, openStdin: false, privileged: false, workingDir: '' },
      user: { uid: 0, gid: 0, additionalGids: [], home: '/' },
    },
  };
}

function isRecord(value: unknown): value is ExecRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { id, containerId, user, detachKeys, consoleSize, options } = value as Partial<
    Record<keyof ExecRecord, unknown>
  >;
  const isText = (text: unknown) => typeof text === 'string';
  const areTexts = (list: unknown) => Array.isArray(list) && list.every(isText);
  if (![id, containerId, user, detachKeys].every(isText)) return false;
  if (consoleSize !== null && !Array.isArray(consoleSize)) return false;
  if (typeof options !== 'object' || options === null) return false;
  const { args, env, workingDir, user: resolved } = options as Record<string, unknown>;
  return (
    areTexts(args) &&
    (args as string[]).length > 0 &&
    areTexts(env) &&
    isText(workingDir) &&
    typeof resolved === 'object'
  );
}
