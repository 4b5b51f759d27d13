// From a container's spec to its program: every system call between clone3 and execve, in order. Pure; golden tests read the result
// as text. Which descriptors stand behind the numbers is open-program.ts' part.
import { AT, CLONE, MOUNT_ATTR, MS, O, OPEN_TREE, RESOLVE } from '../../../native-bindings/constants.ts';
import { mountWords } from '../explain/mount-words.ts';
import type { OciMount, OciNamespace, OciSpec } from '../oci-spec.ts';
import { compileConsole, compileDev } from './compile-dev.ts';
import { compileMasks, prepareMasks, takeNullOf } from './compile-masks.ts';
import { compileFilled, compileMount, prepareMounts } from './compile-mounts.ts';
import { attachOuterDevices, prepareOuterDevices } from './compile-outer-devices.ts';
import { CHDIR_MAKE, compileCgroups, compileMonitor, compileProcess } from './compile-process.ts';
import { compileSysctls, compileSysctlsApart } from './compile-sysctls.ts';
import type { Program } from './program.ts';
import { ProgramBuilder } from './program-builder.ts';
import type { ContainerHandles } from './program-handles.ts';

/** New namespaces that clone3 makes. The cgroup namespace is not among them: its root is where the process is when it is made. */
const CLONE_FLAGS: ReadonlyMap<string, number> = new Map([
  ['mount', CLONE.NEWNS],
  ['uts', CLONE.NEWUTS],
  ['ipc', CLONE.NEWIPC],
  ['pid', CLONE.NEWPID],
  ['network', CLONE.NEWNET],
  ['time', CLONE.NEWTIME],
]);

export function compileProgram(spec: OciSpec, handles: ContainerHandles): Program {
  const builder = new ProgramBuilder(handles.firstFreeFd);
  const { namespaces } = spec.linux;
  const isNew = (type: string) => namespaces.some((entry) => entry.type === type && entry.path === undefined);

  compileMonitor(builder, spec.process, handles);
  compileClone(builder, namespaces, handles);
  compileCgroups(builder, handles);
  compileJoins(builder, handles);
  if (isNew('cgroup')) builder.add('unshare', [CLONE.NEWCGROUP], 'its control groups look like the root of all');
  if (isNew('network')) builder.add('ifup', ['lo']);
  if (spec.hostname !== undefined) builder.add('sethostname', [spec.hostname]);
  if (spec.domainname !== undefined) builder.add('setdomainname', [spec.domainname]);

  const shmFd = compileJoinedShm(builder, handles);
  // First, because copies that are made from now on are private as well.
  builder.add('mount', ['', '/', '', MS.REC | MS.PRIVATE, ''], 'nothing done here reaches the host');
  const sources = prepareMounts(builder, spec, handles, shmFd);
  const masks = prepareMasks(builder, spec, handles);
  const outerDevices = prepareOuterDevices(builder, spec, handles.stagingDir);
  builder.add('move_mount', [handles.rootFd, handles.stagingDir, 0], "the container's root");
  builder.add('pivot_root', [handles.rootFd], 'the host is gone');
  if (handles.joined.pid !== undefined) {
    // Not earlier: the other container sees the process at once, and through /proc what its root is (CVE-2016-9962).
    builder.add('setns', [handles.joined.pid, CLONE.NEWPID], 'join the processes');
    closeHosts(builder, handles);
    builder.add('fork', [], 'the first process in the pid namespace goes on');
  }

  let slaveFd = -1;
  if (!spec.mounts.some(isProcfs)) compileSysctlsApart(builder, spec);
  for (const mount of spec.mounts) {
    if (isProcfs(mount)) {
      sources.procFd = compileSysctls(builder, spec, mount);
    } else if (mount.destination === '/dev' && mount.type === 'tmpfs') {
      sources.devFd = compileDev(builder, spec, mount);
      takeNullOf(builder, masks, sources.devFd);
    } else {
      compileMount(builder, mount, spec, sources, handles);
    }
  }
  compileFilled(builder, sources);
  attachOuterDevices(builder, outerDevices);
  if (spec.process.terminal) slaveFd = compileConsole(builder, sources);
  compileMasks(builder, spec, masks, sources.procFd);
  if (sources.devFd !== undefined && hasReadonlyDev(spec)) {
    builder.add('mount_setattr', [sources.devFd, 0, MOUNT_ATTR.RDONLY, 0, 0], 'full now');
  }
  if (spec.root.readonly) {
    builder.add('chdir', [spec.process.cwd, CHDIR_MAKE], 'made while the root can be written');
    builder.add('mount_setattr', [handles.rootFd, 0, MOUNT_ATTR.RDONLY, 0, 0], 'the root is read-only');
  }
  compileProcess(builder, spec.process, handles, { slaveFd, makeWorkingDirectory: !spec.root.readonly });
  return builder.program;
}

/** As --tmpfs /dev:ro asks; the engine's own /dev stays writable. */
function hasReadonlyDev({ mounts }: OciSpec): boolean {
  const dev = mounts.find(({ destination }) => destination === '/dev');
  return dev !== undefined && (mountWords(dev.options).attributes & MOUNT_ATTR.RDONLY) !== 0;
}

function isProcfs({ destination, type }: OciMount): boolean {
  return destination === '/proc' && type === 'proc';
}

function compileClone(builder: ProgramBuilder, namespaces: readonly OciNamespace[], handles: ContainerHandles): void {
  const { joined } = handles;
  let flags = 0;
  for (const { type, path } of namespaces) if (path === undefined) flags |= CLONE_FLAGS.get(type) ?? 0;
  // The other container's mounts are visited first: see compileJoinedShm.
  if (joined.shmMount !== undefined) flags &= ~CLONE.NEWNS;
  builder.add('clone3', [flags, handles.cgroupFd]);
}

function compileJoins(builder: ProgramBuilder, { joined }: ContainerHandles): void {
  if (joined.network !== undefined) builder.add('setns', [joined.network, CLONE.NEWNET], 'join the network');
  if (joined.ipc !== undefined)
    builder.add('setns', [joined.ipc, CLONE.NEWIPC], 'join the message queues and semaphores');
  if (joined.uts !== undefined) builder.add('setns', [joined.uts, CLONE.NEWUTS], 'join the host name');
}

/** What leads out: with CAP_SYS_PTRACE the other container could take it from the process that it is about to see. */
function closeHosts(builder: ProgramBuilder, { joined, cgroupFd }: ContainerHandles): void {
  const { pid, network, ipc, uts, shmMount } = joined;
  for (const fd of [pid, network, ipc, uts, shmMount?.theirs, shmMount?.own, cgroupFd]) {
    if (fd !== undefined && fd >= 0) builder.add('close', [fd]);
  }
}

/**
 * /dev/shm of the container whose ipc namespace is joined: a copy of its mount can only be made from inside its mount namespace. The
 * way there follows no link; then back, and only now into a mount namespace of one's own.
 */
function compileJoinedShm(builder: ProgramBuilder, { joined }: ContainerHandles): number | undefined {
  if (joined.shmMount === undefined) return undefined;
  const directory = builder.newFd();
  const fd = builder.newFd();
  builder.add('setns', [joined.shmMount.theirs, CLONE.NEWNS], "to the other container's mounts");
  builder.add('openat2', [directory, AT.FDCWD, '/dev/shm', O.PATH | O.DIRECTORY, RESOLVE.NO_SYMLINKS]);
  builder.add('open_tree', [fd, directory, '', OPEN_TREE.CLONE | AT.EMPTY_PATH], 'a copy of its shared memory');
  builder.add('setns', [joined.shmMount.own, CLONE.NEWNS], 'back');
  builder.add('unshare', [CLONE.NEWNS], 'mounts of its own');
  return fd;
}
