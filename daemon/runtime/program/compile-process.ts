// The last part of a program, the same for run and exec: stdio, limits, identity, capabilities, filter, execve. The order is what makes
// it safe: what needs privilege first, the filter as late as possible, and nothing between the last drop and execve.
import { constants } from 'node:os';
import { AT, PR } from '../../../native-bindings/constants.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { capabilityMask } from '../capabilities.ts';
import { commandCandidates } from '../environment.ts';
import type { OciProcess } from '../oci-spec.ts';
import { rlimitNumber } from '../rlimits.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { ProcessHandles } from './program-handles.ts';

const CAP_SYS_ADMIN = capabilityMask(['CAP_SYS_ADMIN']);
const STDIO_TTY = 1;
const STDIO_STDIN = 2;
const DIE_WITH_MONITOR: readonly number[] = [PR.SET_PDEATHSIG, constants.signals.SIGKILL, 0, 0, 0];
/** Of the launcher's chdir. */
export const CHDIR_MAKE = 1;

/** Operations of the monitor that come before clone3. */
export function compileMonitor(builder: ProgramBuilder, process: OciProcess, handles: ProcessHandles): void {
  const { log, cgroup } = handles;
  const stdio = (process.terminal ? STDIO_TTY : 0) | (handles.openStdin ? STDIO_STDIN : 0);
  builder.add(
    'log',
    [handles.logFd, log.nextSeq, log.maxBytes, log.maxFiles],
    'where the output goes, when it rotates',
  );
  builder.add('rundir', [handles.runFd], 'control socket, start and exit records');
  builder.add('stdio', [stdio], process.terminal ? 'a terminal' : 'pipes');
  if (cgroup.monitorProcs !== undefined) {
    builder.add('write', [AT.FDCWD, cgroup.monitorProcs, 0, Buffer.from('0')], "the monitor's place in the scope");
  }
  if (cgroup.oom) builder.add('oom', [cgroup.oom.file, cgroup.oom.key], 'read when the container has ended');
}

/** The child's first operations: it never runs outside its cgroups. */
export function compileCgroups(builder: ProgramBuilder, handles: ProcessHandles): void {
  for (const [index, file] of handles.cgroup.tasksFiles.entries()) {
    builder.add('write', [AT.FDCWD, file, 0, Buffer.from('0')], index === 0 ? 'join the control groups' : undefined);
  }
  if (handles.oomScoreAdj !== undefined) {
    const score = Buffer.from(String(handles.oomScoreAdj));
    builder.add('write', [AT.FDCWD, '/proc/self/oom_score_adj', 0, score], "through the host's /proc");
  }
}

/**
 * In the container's root, with all privileges of the engine; `slaveFd` is -1 for pipes. With `forksLast` the process enters the pid
 * namespace when it has given those privileges up: the filter then has to let pass what stdio takes as well.
 */
export function compileProcess(
  builder: ProgramBuilder,
  process: OciProcess,
  handles: ProcessHandles,
  options: { slaveFd: number; makeWorkingDirectory: boolean; forksLast?: boolean },
): void {
  const { uid, umask } = process.user;
  builder.add('keyctl_session', [handles.keyring], 'a session keyring of its own');
  if (!options.forksLast) compileStdio(builder, options.slaveFd, uid);
  builder.add(
    'chdir',
    [process.cwd, options.makeWorkingDirectory ? CHDIR_MAKE : 0],
    'working directory, inside the root',
  );
  for (const { type, soft, hard } of process.rlimits) {
    const number = rlimitNumber(type.replace(/^RLIMIT_/, '').toLowerCase());
    if (number === undefined) throw new EngineError('invalid', `unknown resource limit ${type}`);
    builder.add('setrlimit', [number, soft, hard], type);
  }
  compileIdentity(builder, process, handles);
  if (options.forksLast) {
    builder.add(
      'fork',
      [],
      'the first process in the pid namespace goes on, with no more rights than those that see it',
    );
    // Without it another user keeps its streams, but cannot open /dev/stdout again.
    const mayGive = uid === 0 || process.capabilities?.permitted.includes('CAP_CHOWN');
    compileStdio(builder, options.slaveFd, mayGive ? uid : -1);
    builder.add('prctl', DIE_WITH_MONITOR, 'again: a fork forgets it');
  }
  builder.add('umask', [umask ?? 0o022]);
  if (handles.init) builder.add('init', [], 'stays as process 1: reaps, passes signals on');
  builder.add(
    'execve',
    [commandCandidates(process.args[0] ?? '', process.env), process.args, process.env],
    'the command',
  );
}

function compileStdio(builder: ProgramBuilder, slaveFd: number, owner: number): void {
  builder.add('setsid', [], 'a session of its own');
  builder.add('dup_stdio', [slaveFd, owner], 'becomes stdin, stdout and stderr');
}

/**
 * Without no_new_privs the kernel takes a filter only from a holder of CAP_SYS_ADMIN, so that one stays until the filter is in: after
 * it the filter has to let pass no more than capset, umask and execve.
 */
function compileIdentity(builder: ProgramBuilder, process: OciProcess, handles: ProcessHandles): void {
  const { uid, gid, additionalGids } = process.user;
  const { seccomp, ownCapabilities } = handles;
  const bounding = capabilityMask(process.capabilities?.bounding ?? []) & ownCapabilities;
  const final = capabilityMask(process.capabilities?.permitted ?? []) & ownCapabilities;
  const needsAdmin = seccomp !== undefined && !process.noNewPrivileges;
  const interim = needsAdmin ? final | (CAP_SYS_ADMIN & ownCapabilities) : final;

  builder.add('capbset', [bounding], 'what no program can ever gain');
  builder.add('prctl', [PR.SET_KEEPCAPS, 1, 0, 0, 0], 'capabilities survive the change of user');
  builder.add('setgroups', [groupBytes(additionalGids)], `groups ${additionalGids.join(' ') || 'none'}`);
  builder.add('setresgid', [gid]);
  builder.add('setresuid', [uid]);
  builder.add('capset', [interim, interim, 0, 0], 'inheritable and ambient empty');
  builder.add('prctl', DIE_WITH_MONITOR, 'no process without its monitor');
  if (process.noNewPrivileges) builder.add('prctl', [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0], 'no setuid program helps');
  if (seccomp) builder.add('seccomp', [seccomp.bpf, seccomp.flags], 'system calls that are refused');
  if (interim !== final) builder.add('capset', [final, final, 0, 0], 'what the container keeps');
}

function groupBytes(gids: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(gids.length * 4);
  for (const [index, gid] of gids.entries()) bytes.writeUInt32LE(gid, index * 4);
  return bytes;
}
