// What an engine may leave on a host, counted: everything that names its directory or its cgroup parent. A test daemon has both of its own,
// so a leak is attributable even while other engines run on the machine.
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';

export interface EnginePlace {
  /** The directory that holds its data root, exec root and socket. */
  dir: string;
  /** Path below every cgroup hierarchy, with leading slash. */
  cgroupParent: string;
  /** The daemon's process, when it runs. */
  pid?: number | undefined;
}

/** One line per thing found, empty when the engine left nothing (its own process aside). */
export function traces(place: EnginePlace): string[] {
  return [...mountTraces(place), ...cgroupTraces(place), ...processTraces(place), ...fileTraces(place)];
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

export function processIds(): number[] {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Mounts of the host's namespace (ours, the daemon's) that come from the engine's directory. */
export function mountTraces(place: EnginePlace): string[] {
  const found = new Set<string>();
  const processes = place.pid === undefined ? ['self'] : ['self', String(place.pid)];
  for (const process of processes) {
    for (const line of read(`/proc/${process}/mountinfo`).split('\n')) {
      if (!line.includes(place.dir)) continue;
      // The directory itself may be a mount that the test made (a small disk).
      const target = line.split(' ')[4] ?? '';
      if (target === place.dir || target === `${place.dir}/data`) continue;
      found.add(`mount seen by ${process}: ${line}`);
    }
  }
  return [...found];
}

/** The mount points of every cgroup hierarchy of the host. */
export function cgroupHierarchies(): string[] {
  return read('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith('/sys/fs/cgroup'));
}

export function cgroupTraces(place: EnginePlace): string[] {
  const found: string[] = [];
  for (const hierarchy of cgroupHierarchies()) {
    const top = `${hierarchy}${place.cgroupParent}`;
    for (const name of list(top)) {
      if (statSync(`${top}/${name}`, { throwIfNoEntry: false })?.isDirectory()) found.push(`cgroup ${top}/${name}`);
    }
  }
  return found;
}

/** Processes whose files, directories or mounts are the engine's: monitors, containers, jails. */
export function processTraces(place: EnginePlace): string[] {
  const found: string[] = [];
  const seenNamespaces = new Map<string, boolean>();
  for (const pid of processIds()) {
    if (pid === process.pid || pid === place.pid) continue;
    const namespace = link(`/proc/${pid}/ns/mnt`);
    let isInside = seenNamespaces.get(namespace);
    if (isInside === undefined) {
      // A container's root is an overlay whose layers lie in the directory. Other mounts may have come there by propagation.
      isInside =
        namespace !== link('/proc/self/ns/mnt') &&
        read(`/proc/${pid}/mountinfo`)
          .split('\n')
          .some((line) => line.includes(' - overlay ') && line.includes(`${place.dir}/`));
      seenNamespaces.set(namespace, isInside);
    }
    const holds = list(`/proc/${pid}/fd`).some((fd) => link(`/proc/${pid}/fd/${fd}`).startsWith(`${place.dir}/`));
    const stands = link(`/proc/${pid}/cwd`).startsWith(place.dir) || link(`/proc/${pid}/root`).startsWith(place.dir);
    if (!isInside && !holds && !stands) continue;
    if (isOurs(pid)) continue;
    const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim().slice(0, 200);
    if (command !== '') found.push(`process ${pid} (${processState(pid)}): ${command}`);
  }
  return found;
}

/** The test runner and what it started itself, apart from the engine. */
function isOurs(pid: number): boolean {
  const command = read(`/proc/${pid}/cmdline`);
  return command.includes('vitest') || command.includes('/docker\0') || command.includes('strace');
}

function fileTraces(place: EnginePlace): string[] {
  const found: string[] = [];
  for (const path of [
    'data/containers',
    'data/trash',
    'run/containers',
    'run/build',
    'data/execs',
    'run/execs',
    'data/tmp',
  ]) {
    for (const name of list(`${place.dir}/${path}`)) found.push(`file ${path}/${name}`);
  }
  for (const name of list(`${place.dir}/data/volumes`)) {
    if (name !== '.trash') found.push(`file data/volumes/${name}`);
  }
  for (const name of list(`${place.dir}/data/volumes/.trash`)) found.push(`file data/volumes/.trash/${name}`);
  return found;
}

export function processState(pid: number): string {
  return /^State:\s+(\S)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? '-';
}

/** Zombie children of a process. */
export function zombiesOf(pid: number): number[] {
  return processIds().filter((other) => {
    const status = read(`/proc/${other}/status`);
    return /^State:\s+Z/m.test(status) && new RegExp(`^PPid:\\s+${pid}$`, 'm').test(status);
  });
}

/** Open files of a process by kind, e.g. `socket`, `anon_inode:[eventfd]`, `/path`. */
export function openFiles(pid: number): Map<string, number> {
  const kinds = new Map<string, number>();
  for (const fd of list(`/proc/${pid}/fd`)) {
    const target = link(`/proc/${pid}/fd/${fd}`);
    const kind = target.replace(/^(socket|pipe|mnt|net|pid|uts|ipc|cgroup|time|user):.*/, '$1');
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return kinds;
}

export function openFileCount(pid: number): number {
  return list(`/proc/${pid}/fd`).length;
}

/** Proportional memory of a process, bytes. */
export function pssBytes(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
}

export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

export function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !['Z', 'X'].includes(processState(pid));
}

export function realDir(path: string): string {
  return realpathSync(path);
}
