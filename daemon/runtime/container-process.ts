// What may be believed of a number that stands for a container's first process: between its end and the news of it, the number can have
// become a stranger's. Ask after opening what belongs to the process (a pidfd, its root), for then the answer is about what was opened.
import { readFileSync } from 'node:fs';
import { isErrno } from '../../native-bindings/errno.ts';

/** True when `pid` is a child of the container's monitor. The monitor reaps its children itself and outlives the first of them. */
export function isChildOf(pid: number, monitorPid: number): boolean {
  return monitorPid > 0 && parentOf(pid) === monitorPid;
}

/** undefined when there is no such process. */
export function parentOf(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
  // "pid (name) state ppid …": the name may hold anything, parentheses too.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ', 2)[1]);
}
