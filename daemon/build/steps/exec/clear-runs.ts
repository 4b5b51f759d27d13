// At the daemon's start: what a killed one has left of builds. Nobody waits for their processes any more, so they are ended, with all that they used.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../../../native-bindings/errno.ts';
import { findTask, within } from '../../../tasks/find-task.ts';
import type { ExecParts } from './exec-parts.ts';
import { groupFile } from './exec-task.ts';

/** How long the start waits for one monitor. */
const answerLimitMs = 1500;
/** It is ended whether it answers or not. */
const nobody = { debug: () => undefined, warn: () => undefined };
const idPattern = /^[0-9a-f]{64}$/;

/** One that cannot be ended is told of and tried again at the next start. */
export async function clearRuns(parts: Omit<ExecParts, 'cacheMounts'>): Promise<void> {
  const { paths, log } = parts;
  await Promise.all(
    readdirSync(paths.runs).map((id) =>
      clearRun(parts, id).catch((error: unknown) =>
        log.warn({ err: error, id }, 'cannot clear away a step of a build of an earlier daemon'),
      ),
    ),
  );
}

async function clearRun(parts: Omit<ExecParts, 'cacheMounts'>, id: string): Promise<void> {
  const { cgroups, snapshots, paths } = parts;
  const runDir = join(paths.runs, id);
  const group = groupOf(runDir);
  if (group !== undefined) {
    const task = await within(findTask({ runDir, logDir: runDir }, nobody), answerLimitMs);
    await cgroups.kill(group);
    // It writes down how its process ended, in the directory that is about to go.
    if (typeof task === 'object') {
      await within(task.ended, answerLimitMs);
      task.letGo();
    }
    await cgroups.remove(group);
  }
  if (idPattern.test(id)) snapshots.remove(id);
  // Last: until then it says what there is. A launcher that comes too late may write one more file.
  rmSync(runDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
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
