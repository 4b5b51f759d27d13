// Directories that came ahead of the build that they are for: named contexts. Each is taken once, or let go after some minutes.
import { randomBytes } from 'node:crypto';
import type { DirectoryResult } from '../steps/step.ts';

const KEPT_MS = 600_000;
/** Each holds files on the disk. */
const MOST = 100;

export class WaitingContexts implements Disposable {
  readonly #waiting = new Map<string, { directory: DirectoryResult; timer: NodeJS.Timeout }>();

  /** Takes the directory over; the name is for `take`. The oldest gives way where too many wait. */
  add(directory: DirectoryResult): string {
    const [oldest] = this.#waiting.keys();
    if (oldest !== undefined && this.#waiting.size >= MOST) this.#drop(oldest);
    const name = randomBytes(16).toString('hex');
    const timer = setTimeout(() => this.#drop(name), KEPT_MS).unref();
    this.#waiting.set(name, { directory, timer });
    return name;
  }

  /** It is the caller's now. undefined: there is none of that name, or not any more. */
  take(name: string): DirectoryResult | undefined {
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(name);
    clearTimeout(waiting.timer);
    return waiting.directory;
  }

  [Symbol.dispose](): void {
    for (const name of [...this.#waiting.keys()]) this.#drop(name);
  }

  #drop(name: string): void {
    this.take(name)?.[Symbol.dispose]();
  }
}
