// Opens everything that a container's program needs, and compiles it: directories, namespace files, bind sources. Where explain only
// wants to read the program, plannedHandles stands in for the descriptors.
import { fstatSync, statSync } from 'node:fs';
import { AT, O, OPEN_TREE, RESOLVE } from '../../native-bindings/constants.ts';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd, openat2 } from '../../native-bindings/files.ts';
import { openTree } from '../../native-bindings/mount-api.ts';
import { EngineError } from '../errors/engine-error.ts';
import { buildSpec } from './build-spec.ts';
import { compileProgram } from './compile-container.ts';
import type { ContainerProgramInput } from './container-input.ts';
import { isKernelPath, type PathKind } from './masked-paths.ts';
import { checkPropagation } from './mount-propagation.ts';
import { createMissingSources } from './mounts.ts';
import type { OciSpec } from './oci-spec.ts';
import { DescriptorList, OpenContainerProgram } from './open-program.ts';
import type { ContainerHandles, JoinedNamespaces } from './program-handles.ts';

/** Throws EngineError with Docker's words for what the user can mend, SystemError for what the kernel refuses. */
export function openContainerProgram(input: ContainerProgramInput): OpenContainerProgram {
  const spec = withThermalMasks(buildSpec(input), input);
  createMissingSources(input.mounts);
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

/** The same program without opening anything: for `explain` of a container that does not exist. */
export function planContainerProgram(input: Omit<ContainerProgramInput, 'rootFd' | 'sources'>): OpenContainerProgram {
  const spec = withThermalMasks(buildSpec(input), input);
  let next = 6;
  const joined = ({ pid, network, ipc, uts }: ContainerProgramInput['namespaces']): JoinedNamespaces => ({
    ...(typeof pid === 'object' ? { pid: next++ } : {}),
    ...(typeof network === 'object' ? { network: next++ } : {}),
    ...(typeof ipc === 'object' ? { ipc: next++, shmMount: { theirs: next++, own: next++ } } : {}),
    ...(typeof uts === 'object' ? { uts: next++ } : {}),
  });
  const handles: ContainerHandles = {
    ...commonHandles(spec, input),
    logFd: 3,
    runFd: 4,
    rootFd: 5,
    cgroupFd: input.cgroup.v2Dir === undefined ? -1 : next++,
    joined: joined(input.namespaces),
    binds: new Map(
      input.mounts
        .filter(({ type }) => type !== 'tmpfs')
        .map(({ type, source, target }) => [
          target,
          { fd: next++, isDirectory: type !== 'bind' || isDirectory(source) },
        ]),
    ),
    pathKinds: new Map(
      [...spec.linux.maskedPaths, ...spec.linux.readonlyPaths].map((path) => [
        path,
        isKernelPath(path) ? input.host.paths.kind(path) : 'missing',
      ]),
    ),
    firstFreeFd: next,
  };
  return new OpenContainerProgram(spec, compileProgram(spec, handles), new DescriptorList());
}

/** What is missing will be made: as a directory. */
function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() !== false;
}

type CommonHandles = Omit<
  ContainerHandles,
  'logFd' | 'runFd' | 'rootFd' | 'cgroupFd' | 'joined' | 'binds' | 'pathKinds' | 'firstFreeFd'
>;

function commonHandles(spec: OciSpec, input: Omit<ContainerProgramInput, 'rootFd' | 'sources'>): CommonHandles {
  const { host, logOptions, nextLogSeq } = input;
  const score = spec.process.oomScoreAdj ?? 0;
  return {
    log: { nextSeq: nextLogSeq, ...logOptions },
    openStdin: input.config.OpenStdin,
    cgroup: input.cgroup,
    seccomp: spec.linux.seccomp && host.seccomp.compile(spec.linux.seccomp),
    ownCapabilities: host.facts.capabilities,
    oomScoreAdj: score === host.facts.oomScoreAdj ? undefined : score,
    keyring: `_ses.${input.id}`,
    init: input.init,
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
  { mounts, sources }: Pick<ContainerProgramInput, 'mounts' | 'sources'>,
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
function pathKinds(spec: OciSpec, input: ContainerProgramInput): Map<string, PathKind> {
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
function applyTmpfsModes(spec: OciSpec, input: ContainerProgramInput): void {
  for (const mount of input.mounts) {
    if (mount.type !== 'tmpfs' || mount.tmpfsOptions.some((word) => word.startsWith('mode='))) continue;
    const { kind, mode } = statInRoot(input.rootFd, mount.target);
    const inSpec = spec.mounts.find(({ destination, type }) => destination === mount.target && type === 'tmpfs');
    if (kind === 'directory') inSpec?.options.push(`mode=${mode.toString(8)}`);
  }
}
