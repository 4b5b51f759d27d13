// Extended attributes. Values are bytes. Targets that are paths may be symbolic links: the l* functions act on the link itself.
import type { NativeArg } from './call.ts';
import { XATTR } from './constants.ts';
import { ERRNO } from './errno.ts';
import { decodeFlags } from './flags.ts';
import { type CallDescription, type Path, pathArg, pathText, syscall, systemError, trySyscall } from './libc.ts';
import type { SyscallName } from './syscall-numbers.ts';

/** The kernel's limits (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
const VALUE_LIMIT = 65_536;
const LIST_LIMIT = 65_536;

/** Nearly all lists go in; most are empty, and what a call makes of a new buffer costs more than the call. */
const listBuffer = Buffer.alloc(1024);

function describe(target: Path | number, name: string, flags?: number): CallDescription {
  const shown = typeof target === 'number' ? `fd ${target}` : JSON.stringify(pathText(target));
  return {
    args: {
      target: typeof target === 'number' ? target : pathText(target),
      ...(name === '' ? {} : { name }),
      ...(flags === undefined ? {} : { flags: decodeFlags('XATTR', XATTR, flags) }),
    },
    operand: name === '' ? `of ${shown}` : `${name} of ${shown}`,
  };
}

function get(call: SyscallName, target: NativeArg, name: string, shown: Path | number): Buffer | undefined {
  let value = Buffer.alloc(256);
  let length = trySyscall(call, target, name, value, value.length);
  if (length === -ERRNO.ERANGE) {
    value = Buffer.alloc(VALUE_LIMIT);
    length = trySyscall(call, target, name, value, value.length);
  }
  if (length === -ERRNO.ENODATA) return undefined;
  if (length < 0) throw systemError(call, -length, describe(shown, name));
  return value.subarray(0, length);
}

function list(call: SyscallName, target: NativeArg, shown: Path | number): string[] {
  let names = listBuffer;
  let length = trySyscall(call, target, names, names.length);
  if (length === -ERRNO.ERANGE) {
    names = Buffer.alloc(LIST_LIMIT);
    length = trySyscall(call, target, names, names.length);
  }
  if (length === -ERRNO.ENOTSUP) return [];
  if (length < 0) throw systemError(call, -length, describe(shown, ''));
  return length === 0 ? [] : names.toString('utf8', 0, length - 1).split('\0');
}

/** The value, or undefined when there is no such attribute. */
export function getxattr(path: Path, name: string): Buffer | undefined {
  return get('getxattr', pathArg(path), name, path);
}

export function lgetxattr(path: Path, name: string): Buffer | undefined {
  return get('lgetxattr', pathArg(path), name, path);
}

export function fgetxattr(fd: number, name: string): Buffer | undefined {
  return get('fgetxattr', fd, name, fd);
}

/** The names of all attributes; none when the file system has no attributes. */
export function listxattr(path: Path): string[] {
  return list('listxattr', pathArg(path), path);
}

export function llistxattr(path: Path): string[] {
  return list('llistxattr', pathArg(path), path);
}

export function flistxattr(fd: number): string[] {
  return list('flistxattr', fd, fd);
}

/** `flags` are XATTR.*. */
export function setxattr(path: Path, name: string, value: Uint8Array, flags = 0): void {
  const args = [pathArg(path), name, value, value.byteLength, flags];
  syscall('setxattr', args, () => describe(path, name, flags));
}

export function lsetxattr(path: Path, name: string, value: Uint8Array, flags = 0): void {
  const args = [pathArg(path), name, value, value.byteLength, flags];
  syscall('lsetxattr', args, () => describe(path, name, flags));
}

export function fsetxattr(fd: number, name: string, value: Uint8Array, flags = 0): void {
  syscall('fsetxattr', [fd, name, value, value.byteLength, flags], () => describe(fd, name, flags));
}

export function removexattr(path: Path, name: string): void {
  syscall('removexattr', [pathArg(path), name], () => describe(path, name));
}

export function lremovexattr(path: Path, name: string): void {
  syscall('lremovexattr', [pathArg(path), name], () => describe(path, name));
}

export function fremovexattr(fd: number, name: string): void {
  syscall('fremovexattr', [fd, name], () => describe(fd, name));
}
