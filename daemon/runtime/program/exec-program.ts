// `exec`: another process in a running container, with the same posture as its first one. It enters the namespaces through one pidfd,
// then goes through the same last steps as run does.
import { AT, CLONE, O, RESOLVE } from '../../../native-bindings/constants.ts';
import { isErrno } from '../../../native-bindings/errno.ts';
import { closeFd } from '../../../native-bindings/files.ts';
import { pidfdOpen } from '../../../native-bindings/process.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { specSeccomp } from '../build-spec.ts';
import { capabilityNames, capabilitySets, effectiveCapabilities } from '../capabilities.ts';
import type { ExecProgramInput } from '../container-input.ts';
import { isChildOf } from '../container-process.ts';
import { environment } from '../environment.ts';
import type { OciProcess } from '../oci-spec.ts';
import { resolveRlimits } from '../rlimits.ts';
import { compileCgroups, compileMonitor, compileProcess } from './compile-process.ts';
import { DescriptorList, OpenProgram } from './open-program.ts';
import type { Program } from './program.ts';
import { ProgramBuilder } from './program-builder.ts';
import type { ProcessHandles } from './program-handles.ts';

export interface ExecHandles extends ProcessHandles {
  /** Of the container's first process. */
  pidFd: number;
  timeNamespaces: boolean;
  /** Processes of the container have CAP_SYS_PTRACE: whatever they see, they can take over, dumpable or not. */
  isTraceable: boolean;
}

/** The process part of the spec, as buildSpec makes it for the first process. Pure. */
export function execProcess({ container, linkEnv = [], exec, host }: ExecProgramInput): OciProcess {
  const { facts } = host;
  const { process, security, hostname } = container;
  const names = exec.privileged
    ? capabilityNames(facts.capabilities)
    : effectiveCapabilities(security, facts.capabilities);
  return {
    terminal: exec.tty,
    user: { uid: exec.user.uid, gid: exec.user.gid, umask: 0o022, additionalGids: [...exec.user.additionalGids] },
    args: [...exec.args],
    env: environment({
      hostname,
      tty: exec.tty,
      env: [...linkEnv, ...process.env, ...exec.env],
      home: exec.user.home,
    }),
    cwd: exec.workingDir || process.workingDir || '/',
    capabilities: capabilitySets(names),
    rlimits: resolveRlimits(process.rlimits, facts).rlimits,
    noNewPrivileges: security.noNewPrivileges,
    oomScoreAdj: process.oomScoreAdj,
  };
}

/** Pure. */
export function compileExec(process: OciProcess, handles: ExecHandles): Program {
  const builder = new ProgramBuilder(handles.firstFreeFd);
  compileMonitor(builder, process, handles);
  builder.add('clone3', [0, handles.cgroupFd]);
  compileCgroups(builder, handles);
  const time = handles.timeNamespaces ? CLONE.NEWTIME : 0;
  const all = CLONE.NEWNS | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWNET | CLONE.NEWCGROUP | CLONE.NEWPID | time;
  builder.add('setns', [handles.pidFd, all], "into all the container's namespaces and its root");
  // The container could see what the next process has open, and with CAP_SYS_PTRACE take it.
  for (const fd of [handles.pidFd, handles.cgroupFd]) if (fd >= 0) builder.add('close', [fd]);
  // Only now is there a process that the container can see: before, its root was still the host's (CVE-2016-9962).
  if (!handles.isTraceable) builder.add('fork', [], 'the first process in the pid namespace goes on');
  let slaveFd = -1;
  if (process.terminal) {
    const ptsFd = builder.newFd();
    slaveFd = builder.newFd();
    builder.add('openat2', [ptsFd, AT.FDCWD, '/dev/pts', O.RDONLY | O.DIRECTORY, RESOLVE.NO_SYMLINKS]);
    builder.add('pty', [ptsFd, slaveFd], 'a terminal; the monitor gets the other end');
  }
  compileProcess(builder, process, handles, {
    slaveFd,
    makeWorkingDirectory: false,
    forksLast: handles.isTraceable,
  });
  return builder.program;
}

/** Throws EngineError 'conflict' when the container has ended, also when its number is another process's by now. */
export function openExecProgram(input: ExecProgramInput): OpenProgram {
  const { host, logOptions, nextLogSeq } = input;
  const process = execProcess(input);
  const { security } = input.container;
  const containerNames = input.exec.privileged
    ? effectiveCapabilities(security, host.facts.capabilities)
    : (process.capabilities?.bounding ?? []);
  const seccomp = specSeccomp(security, host.facts, containerNames);
  const score = process.oomScoreAdj ?? 0;
  const descriptors = new DescriptorList();
  try {
    const handles: ExecHandles = {
      logFd: descriptors.openDirectory(input.logDir),
      runFd: descriptors.openDirectory(input.runDir),
      pidFd: descriptors.own(openProcess(input)),
      cgroupFd: input.cgroup.v2Dir === undefined ? -1 : descriptors.openDirectory(input.cgroup.v2Dir),
      log: { nextSeq: nextLogSeq, ...logOptions },
      openStdin: input.exec.openStdin,
      cgroup: input.cgroup,
      seccomp: seccomp && host.seccomp.compile(seccomp),
      ownCapabilities: host.facts.capabilities,
      oomScoreAdj: score === host.facts.oomScoreAdj ? undefined : score,
      keyring: `_ses.${input.id}`,
      init: false,
      timeNamespaces: host.facts.timeNamespaces,
      isTraceable: containerNames.includes('CAP_SYS_PTRACE'),
      firstFreeFd: descriptors.firstFree,
    };
    return new OpenProgram(process, compileExec(process, handles), descriptors);
  } catch (error) {
    descriptors[Symbol.dispose]();
    throw error;
  }
}

function openProcess({ id, pid, monitorPid }: ExecProgramInput): number {
  const notRunning = (cause?: unknown) => new EngineError('conflict', `container ${id} is not running`, { cause });
  let fd: number;
  try {
    fd = pidfdOpen(pid);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
    throw notRunning(error);
  }
  try {
    if (!isChildOf(pid, monitorPid)) throw notRunning();
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}
