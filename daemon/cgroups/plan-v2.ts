// Limits as writes to the files of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst). Pure. Limits speak v1, so that shares and
// weights are converted, and the swap limit, which there includes memory, is not.
import { type Hierarchies, V2_CONTROLLERS, type V2Controller, v2With } from './hierarchies.ts';
import type { GroupWrite } from './plan-v1.ts';
import type { BlockDeviceLimit, CgroupResources } from './resources.ts';

export interface V2Files {
  /** Files of a group with all controllers. */
  group: ReadonlySet<string>;
}

/** The writes for all controllers that are on v2. */
export function planV2(
  hierarchies: Hierarchies,
  files: V2Files,
  path: string,
  resources: CgroupResources,
): GroupWrite[] {
  const writes: GroupWrite[] = [];
  const add = (controller: V2Controller, name: string, values: readonly (string | number | undefined)[]) => {
    const hierarchy = v2With(hierarchies, controller);
    const given = values.filter((value) => value !== undefined);
    if (hierarchy === undefined || given.length === 0) return;
    writes.push({ file: `${hierarchy.dir}${path}/${name}`, values: given.map(String) });
  };
  add('memory', 'memory.max', [resources.memoryBytes]);
  if (files.group.has('memory.swap.max')) add('memory', 'memory.swap.max', [swapOnly(resources)]);
  add('memory', 'memory.low', [resources.memoryReservationBytes]);
  if (resources.cpuShares !== undefined) add('cpu', 'cpu.weight', [weightFromShares(resources.cpuShares)]);
  add('cpu', 'cpu.max', [cpuMax(resources)]);
  add('cpuset', 'cpuset.cpus', [resources.cpusetCpus]);
  add('cpuset', 'cpuset.mems', [resources.cpusetMems]);
  add('pids', 'pids.max', [resources.pids]);
  addIo(add, files, resources);
  return writes;
}

type Add = (controller: V2Controller, name: string, values: readonly (string | number | undefined)[]) => void;

function addIo(add: Add, files: V2Files, resources: CgroupResources): void {
  const isBfq = files.group.has('io.bfq.weight');
  const weightFile = isBfq ? 'io.bfq.weight' : 'io.weight';
  const weight = (value: number) => (isBfq ? value : ioWeight(value));
  if (files.group.has(weightFile)) {
    const { blkioWeight, blkioWeightDevices = [] } = resources;
    add('io', weightFile, [blkioWeight === undefined ? undefined : `default ${weight(blkioWeight)}`]);
    add(
      'io',
      weightFile,
      blkioWeightDevices.map(
        ({ major, minor, value }) => `${major}:${minor} ${value === 0 ? 'default' : weight(value)}`,
      ),
    );
  }
  add('io', 'io.max', [
    ...ioMax('rbps', resources.blkioReadBps),
    ...ioMax('wbps', resources.blkioWriteBps),
    ...ioMax('riops', resources.blkioReadIops),
    ...ioMax('wiops', resources.blkioWriteIops),
  ]);
}

function ioMax(key: string, limits: readonly BlockDeviceLimit[] = []): string[] {
  return limits.map(({ major, minor, value }) => `${major}:${minor} ${key}=${value === 0 ? 'max' : value}`);
}

/** The limit of swap alone. */
function swapOnly({ memoryBytes, memorySwapBytes }: CgroupResources): number | 'max' | undefined {
  if (memorySwapBytes === undefined || memorySwapBytes === 'max') return memorySwapBytes;
  return memoryBytes === undefined ? undefined : memorySwapBytes - memoryBytes;
}

function cpuMax({ cpuPeriodUs, cpuQuotaUs }: CgroupResources): string | undefined {
  if (cpuPeriodUs === undefined && cpuQuotaUs === undefined) return undefined;
  const quota = cpuQuotaUs === undefined || cpuQuotaUs < 0 ? 'max' : `${cpuQuotaUs}`;
  return cpuPeriodUs === undefined ? quota : `${quota} ${cpuPeriodUs}`;
}

/**
 * cpu.weight (1 to 10,000, default 100) for cpu.shares (2 to 262,144, default 1024). The curve goes through both ends and both
 * defaults, as that of the OCI runtimes does; a straight line would give a default container a weight of 39.
 */
export function weightFromShares(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** io.weight (1 to 10,000) for a weight of 10 to 1000. */
function ioWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

/** What must stand in cgroup.subtree_control of every group above, so that a group has all controllers. */
export function wantedControllers({ v2 }: Hierarchies): V2Controller[] {
  return V2_CONTROLLERS.filter((controller) => v2?.controllers.has(controller));
}
