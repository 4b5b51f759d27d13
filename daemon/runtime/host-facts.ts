// What this process may do and what this kernel has, as far as it shapes containers. Read once by the composition root and passed in,
// so that everything that plans stays pure.
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { CAPABILITY_NAMES } from './capabilities.ts';

export interface Limit {
  /** -1 is infinity. */
  soft: number;
  hard: number;
}

export interface HostFacts {
  /** Mask of the capabilities that this process can hand on: those in its permitted and in its bounding set. */
  capabilities: bigint;
  /** The highest capability that this kernel knows. */
  lastCapability: number;
  /** Resource limits of this process by the name that the spec uses (RLIMIT_NOFILE). */
  limits: ReadonlyMap<string, Limit>;
  /** oom_score_adj of this process, which children inherit. */
  oomScoreAdj: number;
  /** Node's name of the processor: x64, arm64. */
  arch: string;
  /** Version of the kernel: major, minor. */
  kernel: readonly [number, number];
  hostname: string;
  /** Processors that are online. */
  cpus: number;
  /** The kernel has seccomp filters. */
  seccomp: boolean;
  apparmor: boolean;
  timeNamespaces: boolean;
}

/** Lines of /proc/self/limits, in the spec's names (setrlimit(2)). */
const LIMIT_LINES: ReadonlyMap<string, string> = new Map([
  ['Max cpu time', 'RLIMIT_CPU'],
  ['Max file size', 'RLIMIT_FSIZE'],
  ['Max data size', 'RLIMIT_DATA'],
  ['Max stack size', 'RLIMIT_STACK'],
  ['Max core file size', 'RLIMIT_CORE'],
  ['Max resident set', 'RLIMIT_RSS'],
  ['Max processes', 'RLIMIT_NPROC'],
  ['Max open files', 'RLIMIT_NOFILE'],
  ['Max locked memory', 'RLIMIT_MEMLOCK'],
  ['Max address space', 'RLIMIT_AS'],
  ['Max file locks', 'RLIMIT_LOCKS'],
  ['Max pending signals', 'RLIMIT_SIGPENDING'],
  ['Max msgqueue size', 'RLIMIT_MSGQUEUE'],
  ['Max nice priority', 'RLIMIT_NICE'],
  ['Max realtime priority', 'RLIMIT_RTPRIO'],
  ['Max realtime timeout', 'RLIMIT_RTTIME'],
]);

/** Pure: the text of /proc/PID/limits as a table. */
export function parseLimits(text: string): Map<string, Limit> {
  const limits = new Map<string, Limit>();
  const number = (word: string | undefined): number => (word === undefined || word === 'unlimited' ? -1 : Number(word));
  for (const line of text.split('\n')) {
    const name = LIMIT_LINES.get(line.slice(0, 26).trim());
    if (name === undefined) continue;
    const [soft, hard] = line.slice(26).trim().split(/\s+/);
    limits.set(name, { soft: number(soft), hard: number(hard) });
  }
  return limits;
}

export function readHostFacts(): HostFacts {
  const status = readFileSync('/proc/self/status', 'latin1');
  const mask = (key: string): bigint =>
    BigInt(`0x${new RegExp(`^${key}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? 0}`);
  const known = (1n << BigInt(CAPABILITY_NAMES.length)) - 1n;
  return {
    capabilities: mask('CapPrm') & mask('CapBnd') & known,
    lastCapability: Number(readOptional('/proc/sys/kernel/cap_last_cap') || CAPABILITY_NAMES.length - 1),
    limits: parseLimits(readFileSync('/proc/self/limits', 'latin1')),
    oomScoreAdj: Number(readFileSync('/proc/self/oom_score_adj', 'latin1')),
    arch: process.arch,
    kernel: kernelVersion(os.release()),
    hostname: os.hostname(),
    cpus: os.availableParallelism(),
    seccomp: /^Seccomp:/m.test(status) && existsSync('/proc/sys/kernel/seccomp/actions_avail'),
    apparmor: readOptional('/sys/module/apparmor/parameters/enabled').startsWith('Y'),
    timeNamespaces: existsSync('/proc/self/ns/time'),
  };
}

/** `6.18.44-generic` to [6, 18]. */
function kernelVersion(release: string): [number, number] {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  return [major, minor];
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
