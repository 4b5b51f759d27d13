// System calls of the launcher's operations on identity, limits and streams: native-bindings/launcher/ops-credentials.c, ops-stdio.c,
// child.c and init.c, call for call. A test compares them with strace's account of a real start.
import { constants } from 'node:os';
import { AT, O, PR, RESOLVE } from '../../../native-bindings/constants.ts';
import { decodeValue } from '../../../native-bindings/flags.ts';
import { CAPABILITY_NAMES } from '../capabilities.ts';
import type { Op, OpArgument } from '../program/program.ts';
import { type CallTrace, OWN } from './call-trace.ts';
import { capabilityWords, groupWords, hexadecimal, limitWords, octal, quote, rlimitWords } from './call-words.ts';
import { lookUp } from './mount-calls.ts';

type Calls = (trace: CallTrace, op: Op) => void;

const CAPABILITY_BITS = 64;
const SIGNALS = 64;
const FILTER_INSTRUCTION_BYTES = 8;
const CLOSE_ON_EXEC = 'close_range(3, 4294967295, CLOSE_RANGE_CLOEXEC)';
const UNDUMPABLE = 'prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)';

/** What the child does before the program's first operation. */
export function childBegins(trace: CallTrace, isTerminal: boolean): void {
  const own = isTerminal ? 1 : trace.hasInput ? 4 : 3;
  trace.begin("the monitor's program and socket: gone");
  trace.dup2(2, 0);
  trace.dup2(2, 1);
  // One range below each of the child's own descriptors, and one above them all.
  trace.begin('whatever else the monitor has open');
  trace.call('close_range(…, …, 0)', own + 1);
  trace.begin("the monitor's word to go on");
  trace.call(`recvfrom(${OWN.status}, "G", 1, 0, NULL, NULL)`);
  trace.begin('nothing is ignored, nothing blocked: SIGKILL and SIGSTOP answer EINVAL');
  trace.call('rt_sigaction(1 to 64, {sa_handler=SIG_DFL}, NULL, 8)', SIGNALS);
  trace.call('rt_sigprocmask(SIG_SETMASK, [], NULL, 8)');
  trace.begin('modes are as the operations say');
  trace.call('umask(0)');
}

function announce(trace: CallTrace): void {
  if (trace.hasAnnounced) return;
  trace.hasAnnounced = true;
  trace.call(`sendmsg(${OWN.status}, "X", MSG_NOSIGNAL)`);
}

/** The null device of the container's own, looked at before it is used. */
function openNull(trace: CallTrace): number {
  const flags = O.RDWR | O.NOCTTY | O.NONBLOCK | O.NOFOLLOW;
  const fd = lookUp(trace, AT.FDCWD, '/dev/null', flags, RESOLVE.NO_SYMLINKS);
  trace.call(`fstat(${fd})`);
  trace.call(`fcntl(${fd}, F_SETFL, O_RDWR)`);
  return fd;
}

function usePipes(trace: CallTrace, owner: number): void {
  const ends = [trace.hasInput ? OWN.stdin : undefined, OWN.stdout, OWN.stderr];
  for (const [number, end] of ends.entries()) {
    if (end === undefined) {
      const fd = openNull(trace);
      trace.dup2(fd, number);
      trace.close(fd);
      continue;
    }
    if (owner >= 0) trace.call(`fchown(${end}, ${owner}, -1)`);
    trace.dup2(end, number);
  }
}

function useTerminal(trace: CallTrace, slave: number, owner: number): void {
  if (owner >= 0) trace.call(`fchown(${trace.fd(slave)}, ${owner}, -1)`);
  for (let number = 0; number <= 2; number++) trace.dup2(slave, number);
  trace.call('ioctl(0, TIOCSCTTY, 0)');
}

const isIn = (mask: OpArgument | undefined, bit: number): boolean =>
  ((BigInt(mask as number) >> BigInt(bit)) & 1n) === 1n;

export const processCalls = {
  sethostname(trace, { args: [name] }) {
    trace.call(`sethostname(${quote(String(name))}, ${Buffer.byteLength(String(name))})`);
  },
  setdomainname(trace, { args: [name] }) {
    trace.call(`setdomainname(${quote(String(name))}, ${Buffer.byteLength(String(name))})`);
  },
  ifup(trace, { args: [name] }) {
    const socket = trace.opens('socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP)');
    trace.call(`ioctl(${socket}, SIOCGIFFLAGS, {ifr_name=${quote(String(name))}})`);
    trace.call(`ioctl(${socket}, SIOCSIFFLAGS, {ifr_name=${quote(String(name))}, ifr_flags|=IFF_UP})`);
    trace.close(socket);
  },
  keyctl_session(trace, { args: [name] }) {
    trace.call(`keyctl(KEYCTL_JOIN_SESSION_KEYRING, ${quote(String(name))})`);
  },
  setrlimit(trace, { args: [resource, soft, hard] }) {
    const limits = `{rlim_cur=${limitWords(soft ?? 0)}, rlim_max=${limitWords(hard ?? 0)}}`;
    trace.call(`prlimit64(0, ${rlimitWords(resource ?? 0)}, ${limits}, NULL)`);
  },
  setgroups(trace, { args: [groups] }) {
    trace.call(`setgroups(${(groups as Uint8Array).length / 4}, ${groupWords(groups ?? '')})`);
    trace.call(UNDUMPABLE);
  },
  setresgid(trace, { args: [gid] }) {
    trace.call(`setresgid(${gid}, ${gid}, ${gid})`);
    trace.call(UNDUMPABLE);
  },
  setresuid(trace, { args: [uid] }) {
    trace.call(`setresuid(${uid}, ${uid}, ${uid})`);
    trace.call(UNDUMPABLE);
  },
  capset(trace, { args: [permitted, effective, inheritable, ambient] }) {
    const sets = { effective, permitted, inheritable };
    const shown = Object.entries(sets).map(([name, mask]) => `${name}=${capabilityWords(mask ?? 0)}`);
    trace.call(`capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, {${shown.join(', ')}})`);
    if (BigInt(inheritable as number) !== 0n) trace.call('prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)');
    for (let bit = 0; bit < CAPABILITY_BITS; bit++) {
      if (isIn(ambient, bit)) trace.call(`prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, ${capabilityName(bit)}, 0, 0)`);
    }
  },
  capbset(trace, { args: [keep] }) {
    for (let bit = 0; bit <= trace.lastCapability; bit++) {
      if (!isIn(keep, bit)) trace.call(`prctl(PR_CAPBSET_DROP, ${capabilityName(bit)})`);
    }
    const first = trace.lastCapability + 1;
    if (first < CAPABILITY_BITS) trace.call(`prctl(PR_CAPBSET_DROP, ${capabilityName(first)}) = -1 EINVAL`);
  },
  prctl(trace, { args }) {
    const [option, ...rest] = args;
    const used = rest.slice(0, rest.findLastIndex((value) => Number(value) !== 0) + 1);
    const isAboutDeath = Number(option) === PR.SET_PDEATHSIG;
    const shown = isAboutDeath ? [signalName(Number(rest[0]))] : used;
    trace.call(`prctl(${[decodeValue('PR', PR, Number(option)), ...shown].join(', ')})`);
    if (isAboutDeath) trace.poll(OWN.status);
  },
  seccomp(trace, { args: [filter, flags] }) {
    announce(trace);
    trace.call(CLOSE_ON_EXEC);
    const count = (filter as Uint8Array).length / FILTER_INSTRUCTION_BYTES;
    trace.call(`seccomp(SECCOMP_SET_MODE_FILTER, ${hexadecimal(flags ?? 0)}, {len=${count}})`);
  },
  setsid(trace) {
    trace.call('setsid()');
  },
  pty(trace, { args: [directory, slave] }) {
    trace.call(`fstatfs(${trace.fd(Number(directory))})`);
    const flags = 'O_RDWR|O_NOCTTY|O_NOFOLLOW|O_CLOEXEC';
    const master = trace.opens(`openat(${trace.fd(Number(directory))}, "ptmx", ${flags})`);
    trace.call(`fstat(${master})`);
    trace.call(`ioctl(${master}, TIOCSPTLCK, [0])`);
    const peer = trace.opens(`ioctl(${master}, TIOCGPTPEER, O_RDWR|O_NOCTTY|O_CLOEXEC)`);
    trace.call(`sendmsg(${OWN.status}, "M", MSG_NOSIGNAL)`);
    trace.close(master);
    trace.place(peer, Number(slave), 'terminal');
    trace.call(`recvfrom(${OWN.status}, "G", 1, 0, NULL, NULL)`);
  },
  dup_stdio(trace, { args: [slave, owner] }) {
    if (Number(slave) < 0) usePipes(trace, Number(owner));
    else useTerminal(trace, Number(slave), Number(owner));
  },
  umask(trace, { args: [mask] }) {
    trace.mask = Number(mask);
  },
  init(trace) {
    trace.call('prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)');
    trace.call('rt_sigprocmask(SIG_SETMASK, ~[RTMIN RT_1], NULL, 8)');
    trace.call('clone(SIGCHLD)');
    trace.begin('in the child, which becomes the command');
    trace.call('prctl(PR_SET_PDEATHSIG, SIGKILL)');
    trace.call('setpgid(0, 0)');
    trace.call('getpid()');
    trace.call('ioctl(0, TIOCSPGRP)');
    trace.call('rt_sigprocmask(SIG_SETMASK, [], NULL, 8)');
  },
  fork(trace) {
    trace.call('clone(CLONE_PARENT|SIGCHLD)');
    trace.begin('in the child, which goes on; the other ends');
    trace.call(`sendmsg(${OWN.status}, "P", MSG_NOSIGNAL)`);
  },
  execve(trace, { args: [candidates, argv, env] }) {
    trace.begin('room for its arguments and environment');
    trace.call('mmap(NULL, …, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)', 3);
    trace.call(`umask(${octal(trace.mask)})`);
    trace.call(CLOSE_ON_EXEC);
    announce(trace);
    const paths = candidates as readonly string[];
    trace.begin(paths.length > 1 ? 'the command: the first of these that is there' : 'the command');
    const rest = `[${(argv as readonly string[]).map((word) => quote(word)).join(', ')}], [/* ${(env as readonly string[]).length} variables */]`;
    for (const path of paths) trace.call(`execve(${quote(path)}, ${rest})`);
  },
} satisfies Record<string, Calls>;

function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `${number}`;
}

function capabilityName(bit: number): string {
  return CAPABILITY_NAMES[bit] ?? `0x${bit.toString(16)}`;
}
