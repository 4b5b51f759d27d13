// Directories a batch at a time: node:fs reads all names of one at once, and somebody else decides how many there are.
// Names are byte strings (latin1): each char code is one byte.
import { RENAME, SEEK } from './constants.ts';
import { ERRNO } from './errno.ts';
import { lseek } from './files.ts';
import { systemError, trySyscall } from './libc.ts';

/** struct linux_dirent64. */
const RECORD_LENGTH_AT = 16;
const TYPE_AT = 18;
const NAME_AT = 19;

/**
 * getdents64(2): the next names of an open directory, without "." and "..", as many as fit into `buffer` (24 to 280 bytes each). Undefined at the end, and
 * of a directory that was removed meanwhile.
 */
export function nextNames(fd: number, buffer: Buffer): string[] | undefined {
  const bytes = trySyscall('getdents64', fd, buffer, buffer.length);
  if (bytes === 0 || bytes === -ERRNO.ENOENT) return undefined;
  if (bytes < 0) throw systemError('getdents64', -bytes, { args: { fd }, operand: `of fd ${fd}` });
  const names: string[] = [];
  for (let at = 0; at < bytes; at += buffer.readUInt16LE(at + RECORD_LENGTH_AT)) {
    const name = buffer.toString('latin1', at + NAME_AT, buffer.indexOf(0, at + NAME_AT));
    if (name !== '.' && name !== '..') names.push(name);
  }
  return names;
}

/** DT_*: what the directory says that an entry is; some file systems do not say it. */
export const ENTRY_TYPE = { UNKNOWN: 0, FIFO: 1, CHR: 2, DIR: 4, BLK: 6, REG: 8, LNK: 10, SOCK: 12 } as const;

/** The same with what each one is, one of ENTRY_TYPE. */
export function nextEntries(fd: number, buffer: Buffer): { name: string; type: number }[] | undefined {
  const bytes = trySyscall('getdents64', fd, buffer, buffer.length);
  if (bytes === 0 || bytes === -ERRNO.ENOENT) return undefined;
  if (bytes < 0) throw systemError('getdents64', -bytes, { args: { fd }, operand: `of fd ${fd}` });
  const entries: { name: string; type: number }[] = [];
  for (let at = 0; at < bytes; at += buffer.readUInt16LE(at + RECORD_LENGTH_AT)) {
    const name = buffer.toString('latin1', at + NAME_AT, buffer.indexOf(0, at + NAME_AT));
    if (name !== '.' && name !== '..') entries.push({ name, type: buffer[at + TYPE_AT] as number });
  }
  return entries;
}

/** The next names are the first ones again. */
export function rewindDirectory(fd: number): void {
  lseek(fd, 0, SEEK.SET);
}

/*
 * Entries of a held directory, by one component each. The result is what the call returns, or minus the error number: for those who work
 * through directories that are somebody else's, a refusal is one of the answers.
 */

/** openat(2) without a mode: the descriptor, or minus the error number. */
export function openEntry(directoryFd: number, name: string, flags: number): number {
  return trySyscall('openat', directoryFd, bytes(name), flags, 0);
}

/** unlinkat(2): 0, or minus the error number. */
export function unlinkEntry(directoryFd: number, name: string, flags: number): number {
  return trySyscall('unlinkat', directoryFd, bytes(name), flags);
}

/** renameat2(2), never onto an entry that is there: 0, or minus the error number. */
export function moveEntry(fromFd: number, name: string, toFd: number, newName: string): number {
  return trySyscall('renameat2', fromFd, bytes(name), toFd, bytes(newName), RENAME.NOREPLACE);
}

function bytes(name: string): Buffer {
  return Buffer.from(`${name}\0`, 'latin1');
}
