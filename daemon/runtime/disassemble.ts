// A program in words: one readable line per operation. Used by `tsdocker explain` and by golden tests. Pure.
import { capabilityNames, RLIMIT } from '../../native-bindings/capabilities.ts';
import { AT, CLONE, MNT, MOUNT_ATTR, MS, O, OPEN_TREE, PR, RESOLVE, S_IF } from '../../native-bindings/constants.ts';
import { decodeFlags, decodeValue } from '../../native-bindings/flags.ts';
import { OPCODES, type OpName } from './opcodes.ts';
import type { Op, OpArgument, Program } from './program.ts';

type Format = (value: OpArgument, fds: FdNames) => string;

/** What stands behind the numbers: the operation that made each, or `fd N` for what the launcher was given. */
type FdNames = Map<number, string>;

const MAX_TEXT = 120;
const MAX_ITEMS = 24;
const CAPABILITIES_TOTAL_BITS = 64;

const integer: Format = (value) => `${value}`;
const octal: Format = (value) => `0${Number(value).toString(8)}`;
const text: Format = (value) => quote(String(value));
const bytes: Format = (value) => printable(value as Uint8Array);
const list: Format = (value) => {
  const items = value as readonly string[];
  const shown = items.slice(0, MAX_ITEMS).map(quote);
  if (items.length > MAX_ITEMS) shown.push(`… ${items.length - MAX_ITEMS} more`);
  return `[${shown.join(', ')}]`;
};
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
const openFlags = flags('O', O);
const attributes = flags('MOUNT_ATTR', MOUNT_ATTR);
const lookup = flags('RESOLVE', RESOLVE);
const signedUnlimited: Format = (value) => (BigInt(value as number) === -1n ? 'unlimited' : `${value}`);
const capabilities: Format = (value) => {
  const mask = BigInt.asUintN(CAPABILITIES_TOTAL_BITS, BigInt(value as number));
  return mask === 0n ? 'none' : capabilityNames(mask).join('|');
};
const words =
  (...names: readonly (readonly [bit: number, name: string])[]): Format =>
  (value) =>
    names
      .filter(([bit]) => Number(value) & bit)
      .map(([, name]) => name)
      .join('|') || '0';
const treeFlags: Format = (value) =>
  decodeFlags(
    '',
    {
      OPEN_TREE_CLONE: OPEN_TREE.CLONE,
      AT_RECURSIVE: AT.RECURSIVE,
      AT_SYMLINK_NOFOLLOW: AT.SYMLINK_NOFOLLOW,
      AT_EMPTY_PATH: AT.EMPTY_PATH,
    },
    Number(value),
  ).replaceAll(/(^|\|)_/g, '$1');
const device: Format = (value) => {
  const number = Number(value);
  return `${(number >> 8) & 0xfff}:${(number & 0xff) | ((number >> 12) & 0xfff00)}`;
};
const nodeMode: Format = (value) => {
  const type = Object.entries(S_IF).find(([name, bits]) => name !== 'MT' && (Number(value) & S_IF.MT) === bits)?.[0];
  const permissions = octal(Number(value) & ~S_IF.MT, new Map());
  return type ? `S_IF${type}|${permissions}` : permissions;
};
const groups: Format = (value) => {
  const buffer = Buffer.from(value as Uint8Array);
  const gids = Array.from({ length: buffer.length / 4 }, (_, index) => buffer.readUInt32LE(index * 4));
  return `[${gids.join(', ')}]`;
};
const filter: Format = (value) => `${(value as Uint8Array).length / 8} instructions`;
const rlimit: Format = (value) => {
  const name = Object.entries(RLIMIT).find(([, number]) => number === Number(value))?.[0];
  return name ? `RLIMIT_${name.toUpperCase()}` : `${value}`;
};
const prctlOption: Format = (value) => decodeValue('PR', PR, Number(value));
const hexadecimal: Format = (value) => (Number(value) === 0 ? '0' : `0x${BigInt(value as number).toString(16)}`);

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
  fsmount: [fd, text, attributes, list],
  open_tree: [fd, fd, text, treeFlags],
  mount_setattr: [fd, treeFlags, attributes, attributes, flags('MS', MS)],
  move_mount: [fd, text, words([1, 'make directory'], [2, 'make file'], [4, 'no symlinks'])],
  mkdirat: [fd, text, octal],
  mknodat: [fd, text, nodeMode, device],
  fchownat: [fd, text, integer, integer],
  symlinkat: [text, fd, text],
  openat2: [fd, fd, text, openFlags, lookup],
  write: [fd, text, lookup, bytes],
  close: [fd],
  pivot_root: [fd],
  chdir: [text, words([1, 'make'])],
  sethostname: [text],
  setdomainname: [text],
  setrlimit: [rlimit, signedUnlimited, signedUnlimited],
  setgroups: [groups],
  setresgid: [integer],
  setresuid: [integer],
  capset: [capabilities, capabilities, capabilities, capabilities],
  capbset: [capabilities],
  prctl: [prctlOption, integer, integer, integer, integer],
  seccomp: [filter, hexadecimal],
  keyctl_session: [text],
  setsid: [],
  pty: [fd, fd],
  dup_stdio: [fd, integer],
  umask: [octal],
  ifup: [text],
  init: [],
  execve: [list, list, list],
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

function quote(value: string): string {
  const cut = value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  return JSON.stringify(cut);
}

function printable(value: Uint8Array): string {
  const buffer = Buffer.from(value);
  const string = buffer.toString('utf8');
  return Buffer.from(string).equals(buffer) ? quote(string) : `${buffer.length} bytes`;
}
