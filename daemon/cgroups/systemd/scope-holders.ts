// Processes that do nothing but be there: systemd makes a scope of processes that run already, and the container's is born in it, later.
// Each is lent to one scope after the other. They read from a pipe of the daemon's and end with it.
import { type ChildProcess, spawn } from 'node:child_process';
import type { GroupFiles } from '../group-files.ts';

/** More than this many starts at once make processes that end after their use. */
const MAX_IDLE = 4;

export class ScopeHolders implements Disposable {
  readonly #files: GroupFiles;
  /** cgroup.procs of where they wait: the daemon's own group. */
  readonly #home: string;
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();

  constructor(files: GroupFiles, home: string) {
    this.#files = files;
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
  giveBack(holder: ChildProcess): void {
    try {
      this.#files.write(this.#home, `${holder.pid}`);
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
