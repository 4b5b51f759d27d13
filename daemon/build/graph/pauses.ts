// Long plans let others go on: a daemon has one thread, and a Dockerfile may have ten thousand stages.
import { setImmediate } from 'node:timers/promises';

const WORK_MS = 20;

export class Pauses {
  #since = performance.now();

  /** To be waited for between two pieces of work: undefined, or until others had their turn. */
  due(): Promise<void> | undefined {
    return performance.now() - this.#since < WORK_MS ? undefined : this.#pause();
  }

  /** `pieces` to their end. */
  async through<T>(pieces: Iterator<undefined, T>): Promise<T> {
    for (;;) {
      const { done, value } = pieces.next();
      if (done) return value;
      const pause = this.due();
      if (pause !== undefined) await pause;
    }
  }

  async #pause(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
  }
}
