// Finds out what the host's control groups can do, by looking at the files of a group that is made for it and removed at once: the
// root of a hierarchy lacks many of them.
import { availableParallelism } from 'node:os';
import type { CgroupFeatures } from './features.ts';
import type { GroupFiles } from './group-files.ts';
import { type Hierarchies, v1Hierarchy, v2With } from './hierarchies.ts';
import { parseNumberList } from './number-list.ts';

const PROBE_PREFIX = 'tsdocker-probe-';

/** The files that a new group has in the v1 hierarchies that matter, and on v2. */
export interface GroupContents {
  memory: ReadonlySet<string>;
  cpu: ReadonlySet<string>;
  blkio: ReadonlySet<string>;
  v2: ReadonlySet<string>;
}

/** Makes and removes a group in each of them. On v2 the controllers must be enabled at the root. */
export function probeContents(hierarchies: Hierarchies, files: GroupFiles, processId: number): GroupContents {
  const probe = (dir: string | undefined): ReadonlySet<string> => {
    if (dir === undefined) return new Set();
    removeStaleProbes(dir, files, processId);
    const group = `${dir}/${PROBE_PREFIX}${processId}`;
    files.makeDirectory(group);
    try {
      return new Set(files.list(group));
    } finally {
      files.removeDirectory(group);
    }
  };
  return {
    memory: probe(v1Hierarchy(hierarchies, 'memory')?.dir),
    cpu: probe(v1Hierarchy(hierarchies, 'cpu')?.dir),
    blkio: probe(v1Hierarchy(hierarchies, 'blkio')?.dir),
    v2: probe(hierarchies.v2?.dir),
  };
}

/** Groups of daemons that were killed between making and removing theirs. */
function removeStaleProbes(dir: string, files: GroupFiles, processId: number): void {
  for (const name of files.childGroups(dir)) {
    const pid = name.startsWith(PROBE_PREFIX) ? name.slice(PROBE_PREFIX.length) : '';
    if (!/^[0-9]+$/.test(pid)) continue;
    if (Number(pid) === processId || !files.exists(`/proc/${pid}`)) files.removeDirectory(`${dir}/${name}`);
  }
}

export function detectFeatures(hierarchies: Hierarchies, contents: GroupContents, files: GroupFiles): CgroupFeatures {
  const { memory, cpu, blkio, v2 } = contents;
  const io = v2.has('io.max');
  const throttle = (name: string) => io || blkio.has(`blkio.throttle.${name}_device`);
  const cpusetV1 = v1Hierarchy(hierarchies, 'cpuset');
  const cpusetV2 = v2With(hierarchies, 'cpuset');
  const root = cpusetV1?.dir ?? cpusetV2?.dir;
  const list = (what: 'cpus' | 'mems') => {
    const names = [`cpuset.effective_${what}`, `cpuset.${what}.effective`, `cpuset.${what}`];
    return names.map((name) => (root && files.read(`${root}/${name}`)?.trim()) || '').find((text) => text !== '') ?? '';
  };
  const cpus = list('cpus');
  return {
    MemoryLimit: memory.has('memory.limit_in_bytes') || v2.has('memory.max'),
    SwapLimit: memory.has('memory.memsw.limit_in_bytes') || v2.has('memory.swap.max'),
    MemoryReservation: memory.has('memory.soft_limit_in_bytes') || v2.has('memory.low'),
    MemorySwappiness: memory.has('memory.swappiness'),
    OomKillDisable: memory.has('memory.oom_control'),
    CpuCfsPeriod: cpu.has('cpu.cfs_period_us') || v2.has('cpu.max'),
    CpuCfsQuota: cpu.has('cpu.cfs_quota_us') || v2.has('cpu.max'),
    CPUShares: cpu.has('cpu.shares') || v2.has('cpu.weight'),
    CPUSet: cpusetV1 !== undefined || v2.has('cpuset.cpus'),
    PidsLimit: v1Hierarchy(hierarchies, 'pids') !== undefined || v2.has('pids.max'),
    BlkioWeight: ['blkio.bfq.weight', 'blkio.weight'].some((name) => blkio.has(name)) || hasIoWeight(v2),
    BlkioWeightDevice:
      ['blkio.bfq.weight_device', 'blkio.weight_device'].some((name) => blkio.has(name)) || hasIoWeight(v2),
    BlkioReadBpsDevice: throttle('read_bps'),
    BlkioWriteBpsDevice: throttle('write_bps'),
    BlkioReadIOpsDevice: throttle('read_iops'),
    BlkioWriteIOpsDevice: throttle('write_iops'),
    Devices: v1Hierarchy(hierarchies, 'devices') !== undefined || hierarchies.v2 !== undefined,
    Freezer: v1Hierarchy(hierarchies, 'freezer') !== undefined || v2.has('cgroup.freeze'),
    cpus,
    mems: list('mems'),
    cpuCount: parseNumberList(cpus)?.size || availableParallelism(),
  };
}

function hasIoWeight(v2: ReadonlySet<string>): boolean {
  return v2.has('io.bfq.weight') || v2.has('io.weight');
}
