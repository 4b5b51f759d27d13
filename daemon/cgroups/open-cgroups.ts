// Finds the host's control groups and makes their manager.
import { readFileSync } from 'node:fs';
import { EngineError } from '../errors/engine-error.ts';
import { attachDeviceRules } from './device-program.ts';
import { kernelFiles } from './group-files.ts';
import { findHierarchies } from './hierarchies.ts';
import { HostCgroups } from './host-cgroups.ts';
import { parseHostStats } from './read-stats.ts';

/** Throws EngineError('system') when no cgroup file system is mounted; needs root. */
export function openCgroups(): HostCgroups {
  const mountinfo = readFileSync('/proc/self/mountinfo', 'utf8');
  const hierarchies = findHierarchies(mountinfo, (dir) => kernelFiles.read(`${dir}/cgroup.controllers`) ?? '');
  if (hierarchies.v1.length === 0 && hierarchies.v2 === undefined) {
    throw new EngineError('system', 'no cgroup file system is mounted: mount cgroup2 at /sys/fs/cgroup');
  }
  return new HostCgroups({
    hierarchies,
    files: kernelFiles,
    processId: process.pid,
    attachDeviceRules,
    hostStats: () => parseHostStats(readFileSync('/proc/stat', 'utf8'), readFileSync('/proc/meminfo', 'utf8')),
  });
}
