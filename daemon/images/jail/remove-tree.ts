// Deletes what is below a directory, one held directory at a time: no name is ever followed through a link.
import { closeSync, lstatSync, openSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { fromBytes } from '../tar/tar-entry.ts';
import { isCode, OPEN_DIRECTORY } from './path-walk.ts';

/** Removes `name` (a byte string) of the directory `parentFd`, whatever it is. Missing is fine. The working directory ends at the parent. */
export function removeEntry(parentFd: number, name: string): void {
  fchdir(parentFd);
  const bytes = fromBytes(name);
  try {
    unlinkSync(bytes);
    return;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    if (!isCode(error, 'EISDIR') && !isCode(error, 'EPERM')) throw error;
    if (!lstatSync(bytes).isDirectory()) throw error;
  }
  const fd = openSync(bytes, OPEN_DIRECTORY);
  try {
    emptyDirectory(fd);
  } finally {
    closeSync(fd);
    fchdir(parentFd);
  }
  rmdirSync(bytes);
}

/** Removes everything in a directory, depth first, without recursion of calls: trees may be as deep as fds allow. */
export function emptyDirectory(rootFd: number): void {
  const stack: { fd: number; name: string; left: string[] }[] = [{ fd: rootFd, name: '', left: list(rootFd) }];
  try {
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const name = top.left.pop();
      if (name === undefined) {
        stack.pop();
        const above = stack.at(-1);
        if (above === undefined) return;
        closeSync(top.fd);
        fchdir(above.fd);
        rmdirSync(fromBytes(top.name));
        continue;
      }
      const fd = removeOrOpen(name);
      if (fd !== undefined) stack.push({ fd, name, left: list(fd) });
    }
  } finally {
    for (const { fd } of stack) if (fd !== rootFd) closeSync(fd);
  }
}

function list(fd: number): string[] {
  fchdir(fd);
  return readdirSync('.', { encoding: 'latin1' });
}

/** Unlinks an entry of the working directory, or opens it when it is a directory. */
function removeOrOpen(name: string): number | undefined {
  const bytes = fromBytes(name);
  try {
    unlinkSync(bytes);
    return undefined;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    if (!isCode(error, 'EISDIR') && !isCode(error, 'EPERM')) throw error;
  }
  return openSync(bytes, OPEN_DIRECTORY);
}
