// At the daemon's start: what a killed one has left of builds. Nobody waits for their processes any more, so they are ended, with all that they used.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../../../native-bindings/errno.ts';
import type { ExecParts } from './exec-parts.ts';
import { groupFile } from './exec-task.ts';

const idPattern = /^[0-9a-f]{64}$/;

/** One that cannot be ended is told of and tried again at the next start. */
export async function clearRuns({ cgroups, snapshots, paths, log }: Omit<ExecParts, 'cacheMounts'>): Promise<void> {
  for (const id of readdirSync(paths.runs)) {
    const runDir = join(paths.runs, id);
    try {
      const group = groupOf(runDir);
      if (group !== undefined) {
        await cgroups.kill(group);
        await cgroups.remove(group);
      }
      if (idPattern.test(id)) snapshots.remove(id);
      // Last: until then it says what there is.
      rmSync(runDir, { recursive: true, force: true });
    } catch (error) {
      log.warn({ err: error, runDir }, 'cannot clear away a step of a build of an earlier daemon');
    }
  }
}

/** undefined: it had none yet, or is a network's. */
function groupOf(runDir: string): string | undefined {
  try {
    return readFileSync(join(runDir, groupFile), 'utf8') || undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
