// Makes the directories of a group in every hierarchy. v1: cpuset groups are born empty and take no process until they have processors
// and memory nodes. v2: a group has a controller only when every group above hands it down.

import { isErrno } from '../../native-bindings/errno.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { CgroupStep } from './cgroup-manager.ts';
import type { GroupFiles } from './group-files.ts';
import { parentPaths } from './group-path.ts';
import type { Hierarchies, V1Hierarchy, V2Hierarchy } from './hierarchies.ts';
import { wantedControllers } from './plan-v2.ts';

/** Makes the group everywhere; when one hierarchy refuses, what was made is removed again. Parents stay. */
export function makeGroup(hierarchies: Hierarchies, files: GroupFiles, path: string): void {
  const made: string[] = [];
  try {
    for (const hierarchy of hierarchies.v1) {
      makeLeaf(files, hierarchy.dir, path, (parent) => {
        if (hierarchy.controllers.includes('cpuset')) prepareCpuset(files, hierarchy, parent, true);
      });
      made.push(`${hierarchy.dir}${path}`);
      if (hierarchy.controllers.includes('cpuset')) prepareCpuset(files, hierarchy, path, false);
    }
    if (hierarchies.v2 !== undefined) {
      makeLeaf(files, hierarchies.v2.dir, path, () => {});
      made.push(`${hierarchies.v2.dir}${path}`);
      handDownControllers(hierarchies, hierarchies.v2, files, path);
    }
  } catch (error) {
    for (const directory of made.reverse()) removeQuietly(files, directory);
    throw error;
  }
}

/** What makeGroup would do for a group that is not there, in order. */
export function planGroup(hierarchies: Hierarchies, files: GroupFiles, path: string): CgroupStep[] {
  const steps: CgroupStep[] = [];
  const value = (file: string): string => (files.read(file) ?? '').trim();
  for (const { dir, controllers } of hierarchies.v1) {
    let above = dir;
    let inherits = value(`${dir}/cgroup.clone_children`) === '1';
    for (const parent of [...parentPaths(path), path]) {
      const group = `${dir}${parent}`;
      const isThere = parent !== path && files.exists(group);
      if (isThere) inherits = value(`${group}/cgroup.clone_children`) === '1';
      else steps.push({ directory: group });
      if (!isThere && controllers.includes('cpuset')) {
        for (const name of inherits ? [] : ['cpuset.cpus', 'cpuset.mems']) {
          steps.push({ file: `${group}/${name}`, value: value(`${above}/${name}`) });
        }
        if (parent !== path) steps.push({ file: `${group}/cgroup.clone_children`, value: '1' });
        inherits = true;
      }
      if (isThere) above = group;
    }
  }
  const { v2 } = hierarchies;
  if (v2 === undefined) return steps;
  for (const parent of [...parentPaths(path), path]) {
    if (parent === path || !files.exists(`${v2.dir}${parent}`)) steps.push({ directory: `${v2.dir}${parent}` });
  }
  for (const parent of ['', ...parentPaths(path)]) {
    const file = `${v2.dir}${parent}/cgroup.subtree_control`;
    const there = new Set(value(file).split(' '));
    for (const controller of wantedControllers(hierarchies)) {
      if (!there.has(controller)) steps.push({ file, value: `+${controller}` });
    }
  }
  return steps;
}

function makeLeaf(files: GroupFiles, root: string, path: string, onNewParent: (parent: string) => void): void {
  const directory = `${root}${path}`;
  try {
    files.makeDirectory(directory);
    return;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      replaceLeftover(files, directory);
      return;
    }
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  for (const parent of parentPaths(path)) {
    if (files.exists(`${root}${parent}`)) continue;
    try {
      files.makeDirectory(`${root}${parent}`);
    } catch (error) {
      // Another engine made it meanwhile.
      if (isErrno(error, 'EEXIST')) continue;
      throw error;
    }
    onNewParent(parent);
  }
  files.makeDirectory(directory);
}

/** What a crash left behind has old limits: it is made anew, unless somebody lives in it. */
function replaceLeftover(files: GroupFiles, directory: string): void {
  try {
    for (const child of files.childGroups(directory)) files.removeDirectory(`${directory}/${child}`);
    files.removeDirectory(directory);
  } catch (cause) {
    throw new EngineError('conflict', `make cgroup ${directory}: it exists and is in use`, { cause });
  }
  files.makeDirectory(directory);
}

/** Gives a cpuset group what its parent has; groups below a new parent are told to inherit by themselves. */
function prepareCpuset(files: GroupFiles, { dir }: V1Hierarchy, path: string, isParent: boolean): void {
  const group = `${dir}${path}`;
  const above = group.slice(0, group.lastIndexOf('/'));
  for (const name of ['cpuset.cpus', 'cpuset.mems']) {
    if ((files.read(`${group}/${name}`) ?? '').trim() !== '') continue;
    files.write(`${group}/${name}`, (files.read(`${above}/${name}`) ?? '').trim());
  }
  if (isParent) files.write(`${group}/cgroup.clone_children`, '1');
}

/** Enables the controllers in all groups above. One that is refused is missing below: a limit that needs it says so. */
export function handDownControllers(
  hierarchies: Hierarchies,
  { dir }: V2Hierarchy,
  files: GroupFiles,
  path: string,
): void {
  const wanted = wantedControllers(hierarchies);
  for (const parent of ['', ...parentPaths(path)]) {
    const file = `${dir}${parent}/cgroup.subtree_control`;
    const there = new Set((files.read(file) ?? '').trim().split(' '));
    for (const controller of wanted) {
      if (there.has(controller)) continue;
      try {
        files.write(file, `+${controller}`);
      } catch (error) {
        // EBUSY: processes live in the parent itself; ENOENT: its own parent does not hand it down.
        if (!isErrno(error, 'EBUSY', 'ENOENT', 'EINVAL', 'ENOTSUP')) throw error;
      }
    }
  }
}

export function removeQuietly(files: GroupFiles, directory: string): void {
  try {
    files.removeDirectory(directory);
  } catch {
    // The first error is the one to tell; the start of the next daemon finds what stays.
  }
}
