// The first process of a running container, as somebody else's process: what is known of it is checked after opening what belongs to it.
import { closeSync, openSync } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';
import type { ResolvedUser } from '../../runtime/container-input.ts';
import { isChildOf } from '../../runtime/container-process.ts';
import { readStartedRecord } from '../../runtime/exit-record.ts';
import { resolveUser } from '../../runtime/user-database.ts';
import type { Container } from '../container.ts';
import type { Needs } from '../needs.ts';

/** See needs.ts. */
export type RunningProcessNeeds = Needs<'paths.run'>;

/** O_PATH (open(2)): Node has no name for it. */
const O_PATH = 0o10000000;

export interface RunningProcess {
  pid: number;
  monitorPid: number;
}

export function notRunning(container: Container, cause?: unknown): EngineError {
  return new EngineError('conflict', `container ${container.id} is not running`, { cause });
}

/** Throws 'conflict' when the container has ended. The number may be a stranger's a moment later: see isChildOf. */
export function runningProcess({ paths }: RunningProcessNeeds, container: Container): RunningProcess {
  const { pid } = container.state;
  const monitorPid = readStartedRecord(paths.run(container.id))?.monitor;
  if (pid <= 0 || monitorPid === undefined) throw notRunning(container);
  return { pid, monitorPid };
}

/** Who `user` is in a running container, by the files in its root as it stands. Throws 'conflict' when it has ended, 'invalid' for unknown names. */
export function runningUser(
  services: RunningProcessNeeds,
  container: Container,
  user: string,
  groupAdd: readonly string[],
): ResolvedUser {
  const { pid, monitorPid } = runningProcess(services, container);
  let root: number;
  try {
    // Not for reading: opening a directory asks its file system, which may be one of the container's own.
    root = openSync(`/proc/${pid}/root`, O_PATH);
  } catch (error) {
    // It ended a moment ago, and the monitor has not said so yet.
    throw notRunning(container, error);
  }
  try {
    if (!isChildOf(pid, monitorPid)) throw notRunning(container);
    return resolveUser(root, user, groupAdd, pid);
  } finally {
    closeSync(root);
  }
}
