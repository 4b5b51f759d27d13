// What inspect says of limits is what the kernel has: a limit that the host cannot grant is not kept in the record, and one that an update
// takes away is lifted.

import type { BlockDeviceLimit, CgroupResources } from '../../cgroups/resources.ts';

const lists = [
  'blkioWeightDevices',
  'blkioReadBps',
  'blkioWriteBps',
  'blkioReadIops',
  'blkioWriteIops',
] as const satisfies (keyof CgroupResources)[];
const defaultPeriodUs = 100_000;

/** The limits of `next`, and the end of those that `before` has and `next` has not: a group keeps what nobody takes back. */
export function lifting(before: CgroupResources, next: CgroupResources): CgroupResources {
  const lifted: CgroupResources = { ...next };
  if (before.pids !== undefined) lifted.pids ??= 'max';
  if (before.oomKillDisable) lifted.oomKillDisable ??= false;
  if (before.cpuPeriodUs !== undefined) lifted.cpuPeriodUs ??= defaultPeriodUs;
  if (before.cpuQuotaUs !== undefined) lifted.cpuQuotaUs ??= -1;
  for (const key of lists) {
    const gone = (before[key] ?? []).filter((old) => !(next[key] ?? []).some((limit) => isSameDevice(limit, old)));
    if (gone.length > 0) lifted[key] = [...(next[key] ?? []), ...gone.map((limit) => ({ ...limit, value: 0 }))];
  }
  return lifted;
}

/** For a group of which nobody knows what it has: all that can be lifted without knowing a device. */
export const unknownLimits: CgroupResources = { pids: 'max', oomKillDisable: true, cpuPeriodUs: 0, cpuQuotaUs: 0 };

function isSameDevice(a: BlockDeviceLimit, b: BlockDeviceLimit): boolean {
  return a.major === b.major && a.minor === b.minor;
}
