// Freezing, thawing and killing all processes of a group.
import { kill as killProcess } from '../../native-bindings/process.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { GroupFiles } from './group-files.ts';
import { type Hierarchies, v1Hierarchy } from './hierarchies.ts';
import { parseKeyed } from './number-file.ts';
import { parsePids } from './read-stats.ts';
import { waitFor } from './wait-for.ts';

const FREEZE_TIMEOUT_MS = 10_000;
const KILL_TIMEOUT_MS = 10_000;
/** Groups below a container's group are its own making: a bound on what is looked at. */
const MAX_GROUPS = 10_000;
const SIGKILL = 9;

/** The group itself and all groups below it, children before parents. */
export function groupsDeepestFirst(files: GroupFiles, directory: string): string[] {
  const found = [directory];
  for (let index = 0; index < found.length && found.length < MAX_GROUPS; index++) {
    const group = found[index] as string;
    for (const child of files.childGroups(group)) found.push(`${group}/${child}`);
  }
  return found.reverse();
}

/** Where membership is read: every process of a container is in all hierarchies. */
export function membershipDirectory(hierarchies: Hierarchies, path: string): string | undefined {
  const { v1, v2 } = hierarchies;
  const root =
    v2?.dir ?? v1Hierarchy(hierarchies, 'freezer')?.dir ?? v1Hierarchy(hierarchies, 'pids')?.dir ?? v1[0]?.dir;
  return root === undefined ? undefined : `${root}${path}`;
}

export function groupPids(hierarchies: Hierarchies, files: GroupFiles, path: string): number[] {
  const directory = membershipDirectory(hierarchies, path);
  if (directory === undefined) return [];
  const groups = groupsDeepestFirst(files, directory);
  return groups.flatMap((group) => parsePids(files.read(`${group}/cgroup.procs`)));
}

/** Freezes on whichever version has the freezer. */
export async function freezeGroup(hierarchies: Hierarchies, files: GroupFiles, path: string): Promise<void> {
  const v1 = v1Hierarchy(hierarchies, 'freezer');
  const v2 = hierarchies.v2;
  let isFrozen: () => boolean;
  if (v1 !== undefined) {
    const file = `${v1.dir}${path}/freezer.state`;
    isFrozen = () => {
      // A process that is forked while the group freezes can be missed: FREEZING, until FROZEN is written again.
      files.write(file, 'FROZEN');
      return files.read(file)?.trim() === 'FROZEN';
    };
  } else if (v2 !== undefined) {
    files.write(`${v2.dir}${path}/cgroup.freeze`, '1');
    isFrozen = () => parseKeyed(files.read(`${v2.dir}${path}/cgroup.events`)).get('frozen') === 1;
  } else {
    throw new EngineError('system', 'the host has no freezer in its cgroups');
  }
  if (await waitFor(FREEZE_TIMEOUT_MS, isFrozen)) return;
  thawGroup(hierarchies, files, path);
  throw new EngineError('system', `freeze cgroup ${path}: processes still run after ${FREEZE_TIMEOUT_MS / 1000} s`);
}

export function thawGroup(hierarchies: Hierarchies, files: GroupFiles, path: string): void {
  const v1 = v1Hierarchy(hierarchies, 'freezer');
  if (v1 !== undefined) files.write(`${v1.dir}${path}/freezer.state`, 'THAWED');
  else if (hierarchies.v2 !== undefined) files.write(`${hierarchies.v2.dir}${path}/cgroup.freeze`, '0');
}

/** Sends SIGKILL until no process is left. Resolves at once when the group does not exist. */
export async function killGroup(
  hierarchies: Hierarchies,
  files: GroupFiles,
  path: string,
  sendSignal: (pid: number, signal: number) => void = killProcess,
): Promise<void> {
  const killAll = killFile(hierarchies, files, path);
  const isEmpty = () => {
    if (groupPids(hierarchies, files, path).length === 0) return true;
    if (killAll !== undefined) {
      files.write(killAll, '1');
      thawV1(hierarchies, files, path);
    } else killMembers(hierarchies, files, path, sendSignal);
    return groupPids(hierarchies, files, path).length === 0;
  };
  if (await waitFor(KILL_TIMEOUT_MS, isEmpty)) return;
  const left = groupPids(hierarchies, files, path).slice(0, 10).join(', ');
  throw new EngineError(
    'system',
    `kill cgroup ${path}: processes are still there after ${KILL_TIMEOUT_MS / 1000} s: ${left}`,
  );
}

/**
 * What the freezer of v1 holds does not even act on SIGKILL (that of v2 lets it through). A container that may write its cgroups can have
 * frozen groups of its own.
 */
function thawV1(hierarchies: Hierarchies, files: GroupFiles, path: string): void {
  const freezer = v1Hierarchy(hierarchies, 'freezer');
  if (freezer === undefined) return;
  for (const group of groupsDeepestFirst(files, `${freezer.dir}${path}`)) {
    const state = `${group}/freezer.state`;
    if (files.exists(state)) files.write(state, 'THAWED');
  }
}

/** cgroup.kill of v2 (Linux 5.14) takes them all at once, forks included. */
function killFile({ v2 }: Hierarchies, files: GroupFiles, path: string): string | undefined {
  const file = v2 && `${v2.dir}${path}/cgroup.kill`;
  return file !== undefined && files.exists(file) ? file : undefined;
}

/** One round on v1. A frozen group neither forks nor ends, so that the pids that are read are those that are killed. */
function killMembers(
  hierarchies: Hierarchies,
  files: GroupFiles,
  path: string,
  sendSignal: (pid: number, signal: number) => void,
): void {
  const freezer = v1Hierarchy(hierarchies, 'freezer');
  const state = freezer && `${freezer.dir}${path}/freezer.state`;
  if (state !== undefined && files.exists(state)) files.write(state, 'FROZEN');
  try {
    for (const pid of groupPids(hierarchies, files, path)) sendSignal(pid, SIGKILL);
  } finally {
    thawV1(hierarchies, files, path);
  }
}
