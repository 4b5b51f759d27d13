// Processes that do nothing but be there: systemd makes a scope of processes that run already, and the container's is born in it, later.
// Each is lent to one scope after the other. They read from a pipe of the daemon's and end with it.
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';

/** More than this many starts at once make processes that end after their use. */
const MAX_IDLE = 4;

export class ScopeHolders implements Disposable {
  /** cgroup.procs of where they wait: the daemon's own group. */
  readonly #home: string;
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();

  constructor(home: string) {
    this.#home = home;
  }

  take(): ChildProcess {
    for (let holder = this.#idle.pop(); holder !== undefined; holder = this.#idle.pop()) {
      if (holder.exitCode === null && holder.signalCode === null) return holder;
    }
    // Nothing is written to it, so it waits until the daemon is gone.
    const holder = spawn('/bin/sh', ['-c', 'read -r _'], { stdio: ['pipe', 'ignore', 'ignore'], env: {}, cwd: '/' });
    holder.on('error', () => this.#all.delete(holder));
    holder.on('exit', () => this.#all.delete(holder));
    holder.unref();
    this.#all.add(holder);
    return holder;
  }

  /** Out of the scope, which then lives by what else is in it. */
  async giveBack(holder: ChildProcess): Promise<void> {
    try {
      await move(holder, this.#home);
    } catch {
      // It could not leave, so it goes.
      holder.kill('SIGKILL');
      return;
    }
    if (this.#idle.length < MAX_IDLE) this.#idle.push(holder);
    else holder.kill('SIGKILL');
  }

  [Symbol.dispose](): void {
    for (const holder of this.#all) holder.kill('SIGKILL');
    this.#idle.length = 0;
  }
}

/** Not on the main thread: the kernel waits for all processors before it moves a process (several milliseconds). */
export function move(holder: ChildProcess, cgroupProcs: string): Promise<void> {
  return writeFile(cgroupProcs, `${holder.pid}`);
}
