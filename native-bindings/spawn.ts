// Starts a process with given open files, by posix_spawn(3), which shares the parent's memory until execve: Node's own spawn forks, and
// copying the page tables of a daemon takes longer than everything the child then does. Also what goes with it: socketpair, waitpid.
import { closeSync } from 'node:fs';
import { addressOf, keepAlive, lastErrno, nativeIntFunction } from './call.ts';
import { SystemError } from './errno.ts';
import { fcntlDupfdCloexec } from './files.ts';
import { openLibrary } from './load.ts';

const libc = openLibrary(null);
const posixSpawn = nativeIntFunction(libc, 'posix_spawn');
const actionsInit = nativeIntFunction(libc, 'posix_spawn_file_actions_init');
const actionsDestroy = nativeIntFunction(libc, 'posix_spawn_file_actions_destroy');
const actionsAddDup2 = nativeIntFunction(libc, 'posix_spawn_file_actions_adddup2');
const libcSocketpair = nativeIntFunction(libc, 'socketpair');
const libcWaitpid = nativeIntFunction(libc, 'waitpid');

/** sizeof(posix_spawn_file_actions_t) is 80 with glibc and musl alike. */
const FILE_ACTIONS_BYTES = 256;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const WNOHANG = 1;

/**
 * Starts `path` with `argv`, an empty environment and `fds` as 0, 1, 2, …; everything else that is close-on-exec is closed. Returns the
 * pid, which the caller has to reap. Throws SystemError of posix_spawn, execve's included.
 */
export function spawnWithFds(path: string, argv: readonly string[], fds: readonly number[]): number {
  const duplicates: number[] = [];
  const actions = Buffer.alloc(FILE_ACTIONS_BYTES);
  check('posix_spawn_file_actions_init', actionsInit([actions]));
  try {
    for (const [target, fd] of fds.entries()) {
      // A source below the targets could be overwritten before its turn comes.
      const source = fd < fds.length ? fcntlDupfdCloexec(fd, fds.length) : fd;
      if (source !== fd) duplicates.push(source);
      check('posix_spawn_file_actions_adddup2', actionsAddDup2([actions, source, target]));
    }
    const words = argv.map((word) => Buffer.from(`${word}\0`));
    const pid = Buffer.alloc(4);
    check('posix_spawn', posixSpawn([pid, path, actions, null, pointers(words), pointers([])]), JSON.stringify(path));
    keepAlive(words);
    return pid.readInt32LE(0);
  } finally {
    actionsDestroy([actions]);
    for (const fd of duplicates) closeSync(fd);
  }
}

/** These functions return the error number itself. */
function check(name: string, result: number, operand?: string): void {
  if (result !== 0) throw new SystemError(name, result, {}, operand);
}

function pointers(words: readonly Buffer[]): Buffer {
  const list = Buffer.alloc((words.length + 1) * 8);
  for (const [index, word] of words.entries()) list.writeBigUInt64LE(addressOf(word), index * 8);
  return list;
}

/** A connected pair of close-on-exec unix stream sockets. */
export function socketPair(): [number, number] {
  const pair = Buffer.alloc(8);
  if (libcSocketpair([AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair]) < 0)
    throw new SystemError('socketpair', lastErrno(), {});
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

/** waitpid(2) without waiting: true when the child has ended and is reaped, or is no child of this process; false while it runs. */
export function reapChild(pid: number): boolean {
  return libcWaitpid([pid, null, WNOHANG]) !== 0;
}
