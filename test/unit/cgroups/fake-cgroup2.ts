// A cgroup v2 file system in memory, as far as the engine uses one: files appear in groups whose parent hands the controller down,
// directories with members cannot be removed, cgroup.kill and cgroup.freeze work.
import type { GroupFiles } from '../../../daemon/cgroups/group-files.ts';
import { ERRNO, type ErrnoName, SystemError } from '../../../native-bindings/errno.ts';

const FILES: Record<string, string[]> = {
  memory: ['memory.max', 'memory.swap.max', 'memory.low', 'memory.events', 'memory.current', 'memory.stat'],
  cpu: ['cpu.max', 'cpu.weight'],
  cpuset: ['cpuset.cpus', 'cpuset.mems', 'cpuset.cpus.effective', 'cpuset.mems.effective'],
  io: ['io.max', 'io.weight', 'io.stat'],
  pids: ['pids.max', 'pids.current'],
};
const CORE = ['cgroup.procs', 'cgroup.subtree_control', 'cgroup.events', 'cgroup.kill', 'cgroup.freeze', 'cpu.stat'];

interface Group {
  files: Map<string, string>;
  pids: number[];
}

export class FakeCgroup2 implements GroupFiles {
  readonly root: string;
  readonly groups = new Map<string, Group>();
  /** Every write, as `path = value`. */
  readonly writes: string[] = [];
  /** Writes to refuse: a path to the name of the error. */
  readonly refused = new Map<string, ErrnoName>();
  /** How many removals of a group with members are refused before its members are gone. */
  dyingFor = 0;

  constructor(root: string) {
    this.root = root;
    this.groups.set(root, { files: new Map(CORE.map((name) => [name, ''])), pids: [] });
  }

  addPids(directory: string, ...pids: number[]): void {
    this.#group(directory).pids.push(...pids);
  }

  setFile(file: string, text: string): void {
    const [directory, name] = split(file);
    this.#group(directory).files.set(name, text);
  }

  read(file: string): string | undefined {
    const [directory, name] = split(file);
    const group = this.groups.get(directory);
    if (group === undefined || !group.files.has(name)) return undefined;
    if (name === 'cgroup.procs') return group.pids.map((pid) => `${pid}\n`).join('');
    if (name === 'cgroup.events') {
      return `populated ${group.pids.length > 0 ? 1 : 0}\nfrozen ${group.files.get('cgroup.freeze') === '1' ? 1 : 0}\n`;
    }
    return group.files.get(name);
  }

  write(file: string, value: string): void {
    const [directory, name] = split(file);
    const refusal = this.refused.get(file);
    if (refusal !== undefined) throw failure('write', file, refusal);
    const group = this.groups.get(directory);
    if (group === undefined || !group.files.has(name)) throw failure('open', file, 'ENOENT');
    this.writes.push(`${file} = ${value}`);
    if (name === 'cgroup.subtree_control') this.#handDown(directory, group, value.slice(1));
    else if (name === 'cgroup.kill')
      for (const [path, member] of this.groups) if (isBelow(path, directory)) member.pids = [];
    if (name !== 'cgroup.subtree_control') group.files.set(name, value);
  }

  writeEach(file: string, values: readonly string[]): void {
    for (const value of values) this.write(file, value);
  }

  makeDirectory(directory: string): void {
    if (this.groups.has(directory)) throw failure('mkdir', directory, 'EEXIST');
    const parent = this.groups.get(split(directory)[0]);
    if (parent === undefined) throw failure('mkdir', directory, 'ENOENT');
    const controllers = (parent.files.get('cgroup.subtree_control') ?? '').split(' ');
    const names = [...CORE, ...controllers.flatMap((controller) => FILES[controller] ?? [])];
    this.groups.set(directory, { files: new Map(names.map((name) => [name, ''])), pids: [] });
  }

  removeDirectory(directory: string): void {
    const group = this.groups.get(directory);
    if (group === undefined) throw failure('rmdir', directory, 'ENOENT');
    if (this.childGroups(directory).length > 0) throw failure('rmdir', directory, 'EBUSY');
    if (group.pids.length > 0) {
      if (this.dyingFor-- > 0 || this.dyingFor < -1) throw failure('rmdir', directory, 'EBUSY');
      group.pids = [];
    }
    this.groups.delete(directory);
  }

  childGroups(directory: string): string[] {
    return [...this.groups.keys()].filter((path) => split(path)[0] === directory).map((path) => split(path)[1]);
  }

  list(directory: string): string[] {
    return [...this.#group(directory).files.keys()];
  }

  exists(file: string): boolean {
    const [directory, name] = split(file);
    return this.groups.has(file) || (this.groups.get(directory)?.files.has(name) ?? false);
  }

  #handDown(directory: string, group: Group, controller: string): void {
    const isThere = directory === this.root || group.files.has(FILES[controller]?.[0] ?? '');
    if (!isThere) throw failure('write', directory, 'ENOENT');
    const before = group.files.get('cgroup.subtree_control') ?? '';
    group.files.set('cgroup.subtree_control', `${before} ${controller}`.trim());
    for (const child of this.childGroups(directory)) {
      for (const name of FILES[controller] ?? []) this.setFile(`${directory}/${child}/${name}`, '');
    }
  }

  #group(directory: string): Group {
    const group = this.groups.get(directory);
    if (group === undefined) throw new Error(`no group ${directory}`);
    return group;
  }
}

function split(path: string): [directory: string, name: string] {
  const slash = path.lastIndexOf('/');
  return [path.slice(0, slash), path.slice(slash + 1)];
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

function failure(call: string, path: string, name: ErrnoName): SystemError {
  return new SystemError(call, ERRNO[name], { path });
}
