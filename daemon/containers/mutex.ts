// Mutual exclusion between asynchronous operations on one container, first come first served.

export class Mutex {
  #tail: Promise<unknown> = Promise.resolve();

  /** Runs `work` when all that asked before are done. An error of theirs does not concern this one. */
  run<T>(work: () => Promise<T> | T): Promise<T> {
    const result = this.#tail.then(work, work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
