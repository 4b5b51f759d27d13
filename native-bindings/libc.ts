// System calls: one typed way to make one, which throws what went wrong. The calls themselves are wrapped in files by subject
// (mount-api, namespaces, files, xattrs, process …); nothing outside native-bindings calls `syscall` with a name.
import { lastErrno, type NativeArg, nativeFunction } from './call.ts';
import { SystemError, type SystemErrorArgs } from './errno.ts';
import { openLibrary } from './load.ts';
import { type SyscallName, syscallNumber } from './syscall-numbers.ts';

const invoke = nativeFunction(openLibrary(null), 'syscall');
const numbers = new Map<SyscallName, number>();

/** Makes a system call; the result is what it returns, or minus the error number. Never throws because of the kernel. */
export function trySyscall(name: SyscallName, ...args: NativeArg[]): number {
  let number = numbers.get(name);
  if (number === undefined) {
    number = syscallNumber(name);
    numbers.set(name, number);
  }
  args.unshift(number);
  const result = invoke(args);
  return result === -1 ? -lastErrno() : result;
}

/** What an error says about a call: its arguments decoded, and the words between the call's name and the colon. */
export interface CallDescription {
  args: SystemErrorArgs;
  operand?: string;
}

/** Makes a system call and throws SystemError when it fails; `describe` is only asked then. */
export function syscall(name: SyscallName, args: NativeArg[], describe: () => CallDescription): number {
  const result = trySyscall(name, ...args);
  if (result < 0) throw systemError(name, -result, describe());
  return result;
}

export function systemError(name: string, errno: number, { args, operand }: CallDescription): SystemError {
  return operand === undefined ? new SystemError(name, errno, args) : new SystemError(name, errno, args, operand);
}

/** A path as text, or as the bytes that it is (names on Linux need not be UTF-8). */
export type Path = string | Uint8Array;

/** A path as an argument of a call: bytes get their NUL. */
export function pathArg(path: Path): NativeArg {
  if (typeof path === 'string') return path;
  if (path.includes(0)) throw new SystemError('path', 22, { path: pathText(path) });
  const terminated = Buffer.alloc(path.byteLength + 1);
  terminated.set(path);
  return terminated;
}

/** A path as it is shown in messages. */
export function pathText(path: Path): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString();
}

/** `"etc/passwd" below fd 7`, or the path alone when it does not depend on a directory. */
export function atText(dirfd: number, path: Path): string {
  const text = pathText(path);
  return dirfd === -100 || text.startsWith('/') ? JSON.stringify(text) : `${JSON.stringify(text)} below fd ${dirfd}`;
}
