// Arguments of system calls in words, as strace(1) writes them: flags by name, texts quoted and cut. Pure.
import { capabilityNames, RLIMIT } from '../../../native-bindings/capabilities.ts';
import { AT, O, OPEN_TREE, S_IF } from '../../../native-bindings/constants.ts';
import { decodeFlags } from '../../../native-bindings/flags.ts';
import type { OpArgument } from '../program/program.ts';

/** A path of the kernel's fits; no text is longer than a few lines. */
const MAX_TEXT = 4096;
const MAX_ITEM_TEXT = 120;
const MAX_ITEMS = 24;
const CAPABILITIES_TOTAL_BITS = 64;

export function quote(value: string, longest = MAX_TEXT): string {
  const cut = value.length > longest ? `${value.slice(0, longest)}…` : value;
  return JSON.stringify(cut);
}

/** Bytes that are text as text, others by their number. */
export function bytesWords(value: OpArgument): string {
  const buffer = Buffer.from(value as Uint8Array);
  const string = buffer.toString('utf8');
  return Buffer.from(string).equals(buffer) ? quote(string) : `${buffer.length} bytes`;
}

export function listWords(value: OpArgument): string {
  const items = value as readonly string[];
  const shown = items.slice(0, MAX_ITEMS).map((item) => quote(item, MAX_ITEM_TEXT));
  if (items.length > MAX_ITEMS) shown.push(`… ${items.length - MAX_ITEMS} more`);
  return `[${shown.join(', ')}]`;
}

export function octal(value: OpArgument): string {
  return `0${Number(value).toString(8)}`;
}

/** Flags of open(2). */
export function openWords(flags: OpArgument): string {
  return decodeFlags('O', O, BigInt(flags as number));
}

/** Flags of open_tree(2) and of mount_setattr(2). */
export function treeWords(flags: OpArgument): string {
  return decodeFlags(
    '',
    {
      OPEN_TREE_CLONE: OPEN_TREE.CLONE,
      OPEN_TREE_CLOEXEC: OPEN_TREE.CLOEXEC,
      AT_RECURSIVE: AT.RECURSIVE,
      AT_SYMLINK_NOFOLLOW: AT.SYMLINK_NOFOLLOW,
      AT_EMPTY_PATH: AT.EMPTY_PATH,
    },
    Number(flags),
  ).replaceAll(/(^|\|)_/g, '$1');
}

/** A device number: `1:3`. */
export function deviceWords(value: OpArgument): string {
  const number = Number(value);
  return `${(number >> 8) & 0xfff}:${(number & 0xff) | ((number >> 12) & 0xfff00)}`;
}

/** A mode with the type of the file: `S_IFCHR|0666`. */
export function nodeModeWords(value: OpArgument): string {
  const type = Object.entries(S_IF).find(([name, bits]) => name !== 'MT' && (Number(value) & S_IF.MT) === bits)?.[0];
  const permissions = octal(Number(value) & ~S_IF.MT);
  return type ? `S_IF${type}|${permissions}` : permissions;
}

/** u32le numbers: `[0, 10]`. */
export function groupWords(value: OpArgument): string {
  const buffer = Buffer.from(value as Uint8Array);
  const gids = Array.from({ length: buffer.length / 4 }, (_, index) => buffer.readUInt32LE(index * 4));
  return `[${gids.join(', ')}]`;
}

export function capabilityWords(value: OpArgument): string {
  const mask = BigInt.asUintN(CAPABILITIES_TOTAL_BITS, BigInt(value as number));
  return mask === 0n ? 'none' : capabilityNames(mask).join('|');
}

export function rlimitWords(value: OpArgument): string {
  const name = Object.entries(RLIMIT).find(([, number]) => number === Number(value))?.[0];
  return name ? `RLIMIT_${name.toUpperCase()}` : `${value}`;
}

/** -1 is no limit. */
export function limitWords(value: OpArgument): string {
  return BigInt(value as number) === -1n ? 'unlimited' : `${value}`;
}

export function hexadecimal(value: OpArgument): string {
  return Number(value) === 0 ? '0' : `0x${BigInt(value as number).toString(16)}`;
}
