// A program in words: one readable line per operation, for golden tests.

import {
  bytesWords,
  capabilityWords,
  deviceWords,
  groupWords,
  hexadecimal,
  limitWords,
  listWords,
  nodeModeWords,
  octal,
  openWords,
  quote,
  rlimitWords,
  treeWords,
} from '../../../daemon/runtime/explain/call-words.ts';
import { OPCODES, type OpName } from '../../../daemon/runtime/program/opcodes.ts';
import type { Op, OpArgument, Program } from '../../../daemon/runtime/program/program.ts';
import { AT, CLONE, MNT, MOUNT_ATTR, MS, PR, RESOLVE } from '../../../native-bindings/constants.ts';
import { decodeFlags, decodeValue } from '../../../native-bindings/flags.ts';

type Format = (value: OpArgument, fds: FdNames) => string;

/** What stands behind the numbers: the operation that made each, or `fd N` for what the launcher was given. */
type FdNames = Map<number, string>;

const integer: Format = (value) => `${value}`;
const text: Format = (value) => quote(String(value));
const fd: Format = (value, fds) => {
  const number = Number(value);
  if (number === AT.FDCWD) return 'AT_FDCWD';
  if (number === -1) return '-1';
  return fds.get(number) ?? `fd ${number}`;
};
const flags =
  (prefix: string, family: Readonly<Record<string, number>>): Format =>
  (value) =>
    decodeFlags(prefix, family, BigInt(value as number));
const namespaces = flags('CLONE', CLONE);
const attributes = flags('MOUNT_ATTR', MOUNT_ATTR);
const lookup = flags('RESOLVE', RESOLVE);
const words =
  (...names: readonly (readonly [bit: number, name: string])[]): Format =>
  (value) =>
    names
      .filter(([bit]) => Number(value) & bit)
      .map(([, name]) => name)
      .join('|') || '0';
const filter: Format = (value) => `${(value as Uint8Array).length / 8} instructions`;
const prctlOption: Format = (value) => decodeValue('PR', PR, Number(value));

const FORMATS: Readonly<Record<OpName, readonly Format[]>> = {
  log: [fd, integer, integer, integer],
  rundir: [fd],
  stdio: [words([1, 'tty'], [2, 'stdin'])],
  oom: [text, text],
  clone3: [namespaces, fd],
  setns: [fd, namespaces],
  unshare: [namespaces],
  mount: [text, text, text, flags('MS', MS), text],
  umount2: [text, flags('MNT', MNT)],
  fsmount: [fd, text, attributes, listWords],
  open_tree: [fd, fd, text, treeWords],
  mount_setattr: [fd, treeWords, attributes, attributes, flags('MS', MS)],
  move_mount: [fd, text, words([1, 'make directory'], [2, 'make file'], [4, 'no symlinks'])],
  mkdirat: [fd, text, octal],
  mknodat: [fd, text, nodeModeWords, deviceWords],
  fchownat: [fd, text, integer, integer],
  symlinkat: [text, fd, text],
  openat2: [fd, fd, text, openWords, lookup],
  write: [fd, text, lookup, bytesWords],
  close: [fd],
  pivot_root: [fd],
  chdir: [text, words([1, 'make'])],
  sethostname: [text],
  setdomainname: [text],
  setrlimit: [rlimitWords, limitWords, limitWords],
  setgroups: [groupWords],
  setresgid: [integer],
  setresuid: [integer],
  capset: [capabilityWords, capabilityWords, capabilityWords, capabilityWords],
  capbset: [capabilityWords],
  prctl: [prctlOption, integer, integer, integer, integer],
  seccomp: [filter, hexadecimal],
  keyctl_session: [text],
  setsid: [],
  pty: [fd, fd],
  dup_stdio: [fd, integer],
  umask: [octal],
  ifup: [text],
  init: [],
  execve: [listWords, listWords, listWords],
  fork: [],
};

/** One line per operation: `name(arguments)`, flags by name, descriptors by what they are, then `# why`. */
export function disassemble(program: Program): string[] {
  const fds: FdNames = new Map();
  return program.ops.map((op) => {
    const line = lineOf(op, fds);
    const optional = op.ignoreMissing ? ', if it exists' : '';
    const why =
      op.why === undefined && !optional
        ? ''
        : `  # ${op.why ?? ''}${op.why === undefined ? optional.slice(2) : optional}`;
    return line + why;
  });
}

function lineOf(op: Op, fds: FdNames): string {
  const { signature } = OPCODES[op.op];
  const made = signature.indexOf('d');
  const shown = op.args.map((value, index) => (index === made ? '' : (FORMATS[op.op][index] ?? integer)(value, fds)));
  if (made < 0) return `${op.op}(${trimZeros(op, shown).join(', ')})`;
  const number = Number(op.args[made]);
  const name = `fd ${number} (${describeMade(op)})`;
  fds.set(number, name);
  return `fd ${number} = ${op.op}(${shown.filter((_, index) => index !== made).join(', ')})`;
}

/** prctl's unused arguments say nothing. */
function trimZeros(op: Op, shown: readonly string[]): readonly string[] {
  if (op.op !== 'prctl') return shown;
  const last = shown.findLastIndex((argument) => argument !== '0');
  return shown.slice(0, Math.max(last + 1, 1));
}

function describeMade(op: Op): string {
  if (op.op === 'fsmount') return `new ${String(op.args[1])}`;
  if (op.op === 'pty') return 'terminal';
  const path = op.op === 'openat2' || op.op === 'open_tree' ? String(op.args[2]) : '';
  return path || 'copy';
}
