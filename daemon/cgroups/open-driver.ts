// Who makes the control groups of containers: chosen as docker chooses, systemd where it runs and cgroup v2 is all there is, else the engine
// itself (cgroupfs).
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { EngineError } from '../errors/engine-error.ts';
import type { CgroupDriver, CgroupManager } from './cgroup-manager.ts';
import { kernelFiles } from './group-files.ts';
import { openCgroups } from './open-cgroups.ts';
import { ScopeHolders } from './systemd/scope-holders.ts';
import { SystemdCgroups } from './systemd/systemd-cgroups.ts';
import { isSystemdRunning, SystemdManager } from './systemd/systemd-manager.ts';

export interface OpenedDriver {
  cgroups: CgroupManager;
  /** Why it is not the driver that one would expect. */
  note?: string;
  close(): void;
}

/** Throws EngineError('invalid') when the driver that is asked for cannot be had, 'system' as openCgroups does. */
export async function openDriver(asked: CgroupDriver | undefined): Promise<OpenedDriver> {
  const groups = openCgroups();
  const own: OpenedDriver = { cgroups: groups, close: () => undefined };
  if (asked === 'cgroupfs') return own;
  const root = groups.v2Root;
  if (!isSystemdRunning() || groups.version !== 2 || root === undefined) {
    if (asked === undefined) return own;
    const lack = isSystemdRunning()
      ? 'this host has cgroup v1: boot it with systemd.unified_cgroup_hierarchy=1'
      : 'systemd does not run on this host';
    throw new EngineError('invalid', `native.cgroupdriver=systemd: ${lack}, or use native.cgroupdriver=cgroupfs`);
  }
  const manager = new SystemdManager();
  try {
    await manager.check();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (asked === undefined) return { ...own, note: `${reason}: the cgroup driver is cgroupfs` };
    throw new EngineError('invalid', `native.cgroupdriver=systemd: ${reason}`, { cause: error });
  }
  const group = ownGroup();
  const unit = basename(group);
  const cgroups = new SystemdCgroups({
    groups,
    manager,
    holders: new ScopeHolders(`${root}${group}/cgroup.procs`),
    files: kernelFiles,
    root,
    ownUnit: unit.endsWith('.service') ? unit : undefined,
  });
  return { cgroups, close: () => cgroups[Symbol.dispose]() };
}

/** This process's group in the v2 hierarchy (cgroups(7)). */
function ownGroup(): string {
  const group = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  return group === '/' ? '' : group;
}
