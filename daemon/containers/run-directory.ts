// The directory of a run: what the monitor and the start left there goes when the run is concluded.
import { rmdirSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { managedFileNames } from './paths.ts';

const knownFiles = ['monitor.sock', 'started', 'exit', ...managedFileNames];

/** By name first, which is ten times faster than looking; anything else that lies there (execs) is looked for. */
export function removeRunDir(runDir: string): void {
  try {
    for (const name of knownFiles) unlinkIfThere(join(runDir, name));
    rmdirSync(runDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    rmSync(runDir, { recursive: true, force: true });
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
