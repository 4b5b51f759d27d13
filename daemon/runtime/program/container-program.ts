// Opens everything that a container's program needs, and compiles it: directories, namespace files, bind sources. For explain,
// which only wants to read the program, numbers stand in for the descriptors.
import { fstatSync, statSync } from 'node:fs';
import { AT, O, OPEN_TREE, RESOLVE } from '../../../native-bindings/constants.ts';
import { isErrno } from '../../../native-bindings/errno.ts';
import { closeFd, openat2 } from '../../../native-bindings/files.ts';
import { openTree } from '../../../native-bindings/mount-api.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { ResolvedMount } from '../../spec/mount.ts';
import { buildSpec } from '../build-spec.ts';
import type { ContainerProgramInput } from '../container-input.ts';
import { checkPropagation } from '../mount-propagation.ts';
import { createMissingSources } from '../mounts.ts';
import type { OciSpec } from '../oci-spec.ts';
import { compileProgram } from './compile-container.ts';
import { isKernelPath, type PathKind } from './masked-paths.ts';
import { DescriptorList, OpenContainerProgram } from './open-program.ts';
import { FIRST_PROGRAM_FD, type Program } from './program.ts';
import type { ContainerHandles, JoinedNamespaces } from './program-handles.ts';

/** Throws EngineError with Docker's words for what the user can mend, SystemError for what the kernel refuses. */
export function openContainerProgram(input: ContainerProgramInput): OpenContainerProgram {
  const spec = withThermalMasks(buildSpec(input), input);
  createMissingSources(input.container.mounts);
  applyTmpfsModes(spec, input);
  const descriptors = new DescriptorList();
  try {
    const handles: ContainerHandles = {
      ...commonHandles(spec, input),
      logFd: descriptors.openDirectory(input.logDir),
      runFd: descriptors.openDirectory(input.runDir),
      rootFd: descriptors.pass(input.rootFd),
      cgroupFd: input.cgroup.v2Dir === undefined ? -1 : descriptors.openDirectory(input.cgroup.v2Dir),
      joined: openJoined(input, descriptors),
      binds: openBinds(input, descriptors),
      pathKinds: pathKinds(spec, input),
      firstFreeFd: descriptors.firstFree,
    };
    return new OpenContainerProgram(spec, compileProgram(spec, handles), descriptors);
  } catch (error) {
    descriptors[Symbol.dispose]();
    throw error;
  }
}

/** What the launcher is started with. */
export interface GivenDescriptor {
  name: string;
  /** What opens it; undefined when it is there already. */
  call?: string | undefined;
}

export interface PlannedProgram {
  spec: OciSpec;
  program: Program;
  /** By number in the launcher. */
  given: ReadonlyMap<number, GivenDescriptor>;
}

type Pass = (name: string, call?: string) => number;

/** The same program without opening anything, for `explain`: `rootFd` is the image, which is only looked at. */
export function planContainerProgram(input: Omit<ContainerProgramInput, 'sources'>): PlannedProgram {
  const spec = withThermalMasks(buildSpec(input), input);
  applyTmpfsModes(spec, input);
  const given = new Map<number, GivenDescriptor>();
  const pass: Pass = (name, call) => {
    const number = FIRST_PROGRAM_FD + given.size;
    given.set(number, { name, call });
    return number;
  };
  const passed = {
    logFd: pass('log directory', directoryCall(input.logDir)),
    runFd: pass('run directory', directoryCall(input.runDir)),
    rootFd: pass('root'),
    cgroupFd: input.cgroup.v2Dir === undefined ? -1 : pass('control group', directoryCall(input.cgroup.v2Dir)),
    joined: planJoined(input.namespaces, pass),
  };
  const network = spec.linux.namespaces.find(({ type }) => type === 'network');
  if (network?.path?.startsWith('/proc/self/fd/')) network.path = `/proc/self/fd/${passed.joined.network}`;
  const handles: ContainerHandles = {
    ...commonHandles(spec, input),
    ...passed,
    binds: new Map(
      input.container.mounts
        .filter(({ type }) => type !== 'tmpfs')
        .map((mount) => [mount.target, { fd: pass(mount.target, sourceCall(mount)), isDirectory: isDirectory(mount) }]),
    ),
    pathKinds: pathKinds(spec, input),
    firstFreeFd: FIRST_PROGRAM_FD + given.size,
  };
  return { spec, program: compileProgram(spec, handles), given };
}

function planJoined({ pid, network, ipc, uts }: ContainerProgramInput['namespaces'], pass: Pass): JoinedNamespaces {
  const namespace = (name: string, owner: number | 'self', file: string): number =>
    pass(name, `openat(AT_FDCWD, "/proc/${owner}/ns/${file}", O_RDONLY|O_CLOEXEC)`);
  const joined: JoinedNamespaces = {};
  if (typeof pid === 'object') joined.pid = namespace('pid namespace', pid.pid, 'pid');
  if (typeof network === 'object') {
    joined.network = 'fd' in network ? pass('network namespace') : namespace('network namespace', network.pid, 'net');
  }
  if (typeof ipc === 'object') {
    joined.ipc = namespace('ipc namespace', ipc.pid, 'ipc');
    joined.shmMount = {
      theirs: namespace('their mounts', ipc.pid, 'mnt'),
      own: namespace('own mounts', 'self', 'mnt'),
    };
  }
  if (typeof uts === 'object') joined.uts = namespace('uts namespace', uts.pid, 'uts');
  return joined;
}

function directoryCall(path: string): string {
  return `openat(AT_FDCWD, ${JSON.stringify(path)}, O_RDONLY|O_DIRECTORY|O_CLOEXEC)`;
}

function sourceCall({ type, source, recursive }: ResolvedMount): string | undefined {
  if (type !== 'bind') return undefined;
  return `open_tree(AT_FDCWD, ${JSON.stringify(source)}, OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC${recursive ? '|AT_RECURSIVE' : ''})`;
}

/** What is missing will be made: as a directory. */
function isDirectory({ type, source }: ResolvedMount): boolean {
  return type !== 'bind' || statSync(source, { throwIfNoEntry: false })?.isDirectory() !== false;
}

type CommonHandles = Omit<
  ContainerHandles,
  'logFd' | 'runFd' | 'rootFd' | 'cgroupFd' | 'joined' | 'binds' | 'pathKinds' | 'firstFreeFd'
>;

function commonHandles(spec: OciSpec, input: Omit<ContainerProgramInput, 'sources'>): CommonHandles {
  const { host, logOptions, nextLogSeq } = input;
  const score = spec.process.oomScoreAdj ?? 0;
  return {
    log: { nextSeq: nextLogSeq, ...logOptions },
    openStdin: input.container.process.stdin !== 'none',
    cgroup: input.cgroup,
    seccomp: spec.linux.seccomp && host.seccomp.compile(spec.linux.seccomp),
    ownCapabilities: host.facts.capabilities,
    oomScoreAdj: score === host.facts.oomScoreAdj ? undefined : score,
    keyring: `_ses.${input.id}`,
    init: input.container.process.hasInit,
    stagingDir: input.stagingDir,
  };
}

/** Counters of the processors' heat tell what neighbours do; which directories there are depends on the machine. */
function withThermalMasks(spec: OciSpec, { host }: Pick<ContainerProgramInput, 'host'>): OciSpec {
  const { maskedPaths } = spec.linux;
  if (maskedPaths.includes('/sys/firmware')) {
    for (const path of host.paths.thermalThrottlePaths()) if (!maskedPaths.includes(path)) maskedPaths.push(path);
  }
  return spec;
}

function openJoined(input: ContainerProgramInput, descriptors: DescriptorList): JoinedNamespaces {
  const { pid, network, ipc, uts } = input.namespaces;
  const joined: JoinedNamespaces = {};
  if (typeof pid === 'object') joined.pid = descriptors.openNamespace(pid.pid, 'pid');
  if (typeof network === 'object') {
    joined.network = 'fd' in network ? descriptors.pass(network.fd) : descriptors.openNamespace(network.pid, 'net');
  }
  if (typeof ipc === 'object') {
    joined.ipc = descriptors.openNamespace(ipc.pid, 'ipc');
    joined.shmMount = {
      theirs: descriptors.openNamespace(ipc.pid, 'mnt'),
      own: descriptors.openNamespace(process.pid, 'mnt'),
    };
  }
  if (typeof uts === 'object') joined.uts = descriptors.openNamespace(uts.pid, 'uts');
  return joined;
}

/** Detached copies: from here on nobody can put something else behind the path. */
function openBinds(
  { container: { mounts }, sources }: Pick<ContainerProgramInput, 'container' | 'sources'>,
  descriptors: DescriptorList,
): ContainerHandles['binds'] {
  const binds = new Map<string, { fd: number; isDirectory: boolean }>();
  for (const mount of mounts) {
    const given = sources.get(mount.target);
    if (given !== undefined) {
      binds.set(mount.target, { fd: descriptors.pass(given), isDirectory: fstatSync(given).isDirectory() });
      continue;
    }
    if (mount.type !== 'bind') continue;
    checkPropagation(mount);
    let tree: number;
    try {
      tree = openTree(AT.FDCWD, mount.source, OPEN_TREE.CLONE | (mount.recursive ? AT.RECURSIVE : 0));
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
      throw new EngineError(
        'invalid',
        `invalid mount config for type "bind": bind source path does not exist: ${mount.source}`,
        { cause: error },
      );
    }
    const fd = descriptors.own(tree);
    binds.set(mount.target, { fd, isDirectory: fstatSync(tree).isDirectory() });
  }
  return binds;
}

const IN_ROOT = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;

/** What paths of the image are, looked up inside its root; paths of /proc and /sys are the host kernel's. */
function pathKinds(spec: OciSpec, input: Pick<ContainerProgramInput, 'host' | 'rootFd'>): Map<string, PathKind> {
  const kinds = new Map<string, PathKind>();
  for (const path of [...spec.linux.maskedPaths, ...spec.linux.readonlyPaths]) {
    kinds.set(path, isKernelPath(path) ? input.host.paths.kind(path) : statInRoot(input.rootFd, path).kind);
  }
  return kinds;
}

function statInRoot(rootFd: number, path: string): { kind: PathKind; mode: number } {
  let fd: number;
  try {
    fd = openat2(rootFd, path, { flags: O.PATH, resolve: IN_ROOT });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return { kind: 'missing', mode: 0 };
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    return { kind: stats.isDirectory() ? 'directory' : 'file', mode: stats.mode & 0o7777 };
  } finally {
    closeFd(fd);
  }
}

/** A tmpfs of the user's has the mode of the image's directory that it covers, unless one is given. */
function applyTmpfsModes(spec: OciSpec, input: Pick<ContainerProgramInput, 'container' | 'rootFd'>): void {
  for (const mount of input.container.mounts) {
    if (mount.type !== 'tmpfs' || mount.tmpfsOptions.some((word) => word.startsWith('mode='))) continue;
    const { kind, mode } = statInRoot(input.rootFd, mount.target);
    const inSpec = spec.mounts.find(({ destination, type }) => destination === mount.target && type === 'tmpfs');
    if (kind === 'directory') inSpec?.options.push(`mode=${mode.toString(8)}`);
  }
}
