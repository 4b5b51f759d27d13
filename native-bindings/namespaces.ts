// Namespaces and roots of the calling thread. libuv's pool threads take them from the thread that first makes them, so that a thread
// that has moved must not use asynchronous fs; and what moved the main thread moves it back before any callback can run.
import { closeSync, openSync, writeSync } from 'node:fs';
import { CLONE, MS, NS_GET, O } from './constants.ts';
import { decodeFlags } from './flags.ts';
import { type Path, pathArg, pathText, syscall } from './libc.ts';
import { mount } from './mount-api.ts';

/** unshare(2) of the calling thread. `flags` are CLONE.*. */
export function unshare(flags: number): void {
  syscall('unshare', [flags], () => ({
    args: { flags: decodeFlags('CLONE', CLONE, flags) },
    operand: decodeFlags('CLONE', CLONE, flags),
  }));
}

/** setns(2) of the calling thread: `fd` is a namespace file, or a pidfd with several CLONE.NEW* flags. */
export function setns(fd: number, type: number): void {
  syscall('setns', [fd, type], () => ({
    args: { fd, type: decodeFlags('CLONE', CLONE, type) },
    operand: `fd ${fd} ${decodeFlags('CLONE', CLONE, type)}`,
  }));
}

/** chroot(2). The thread must not share its CLONE_FS state with others, or they move as well. */
export function chroot(path: Path): void {
  syscall('chroot', [pathArg(path)], () => ({ args: { path: pathText(path) } }));
}

/** fchdir(2). */
export function fchdir(fd: number): void {
  syscall('fchdir', [fd], () => ({ args: { fd }, operand: `fd ${fd}` }));
}

/** What kind of namespace an open namespace file is: one of CLONE.NEW*. */
export function namespaceType(fd: number): number {
  return syscall('ioctl', [fd, NS_GET.NSTYPE, 0], () => ({ args: { fd }, operand: `NS_GET_NSTYPE on fd ${fd}` }));
}

/**
 * Runs a function with the calling thread in another network namespace, and comes back whatever it does. What it opens stays in that
 * namespace. It must be synchronous: a promise would go on in the wrong namespace, so one is refused. When the way back fails the
 * process ends at once: everything it did from then on would happen to somebody else's network.
 */
export function inNetworkNamespace<T>(fd: number, work: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    setns(fd, CLONE.NEWNET);
    try {
      const result = work();
      if (result instanceof Promise) throw new TypeError('inNetworkNamespace: the function must be synchronous');
      return result;
    } finally {
      goHome(home);
    }
  } finally {
    closeSync(home);
  }
}

function goHome(home: number): void {
  try {
    setns(home, CLONE.NEWNET);
  } catch (error) {
    writeSync(2, `return from another network namespace: ${error}\n`);
    process.abort();
  }
}

/**
 * Runs a function with the calling thread in a private copy of its mount namespace: what it mounts there is seen nowhere else, and is gone
 * afterwards unless it holds a detached copy. Working directory and root are as before when it returns. Synchronous functions only. The
 * thread does not share its working directory and root with others any more.
 */
export function inPrivateMountNamespace<T>(run: () => T): T {
  const home = openSync('/proc/thread-self/ns/mnt', 'r');
  const root = openSync('/', O.PATH | O.DIRECTORY);
  const directory = openSync('.', O.PATH | O.DIRECTORY);
  try {
    unshare(CLONE.NEWNS);
    try {
      mount('', '/', null, MS.REC | MS.PRIVATE);
      const result = run();
      if (result instanceof Promise) throw new TypeError('inPrivateMountNamespace: the function must be synchronous');
      return result;
    } finally {
      setns(home, CLONE.NEWNS);
      // setns(2) has moved both to the root of the namespace.
      fchdir(root);
      chroot('.');
      fchdir(directory);
    }
  } finally {
    for (const fd of [home, root, directory]) closeSync(fd);
  }
}
