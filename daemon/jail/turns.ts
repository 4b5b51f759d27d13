// So many workers run at the same time as there are processors, however many there are: those that wait for their clients cost nothing, those that
// have work take turns. More at once would be no faster, and whoever holds the memory map's lock would be waiting for a processor.

/** Of a turn, when others may wait for one. */
const TURN_MS = 50;
/** Somebody may be stuck in a call (a remote file system): then his turn does not count. */
const PATIENCE_MS = 250;

/** Memory that all workers see: how many turns are free. */
export type TurnCounter = SharedArrayBuffer;

export function newTurnCounter(count: number): TurnCounter {
  const counter = new SharedArrayBuffer(4);
  new Int32Array(counter)[0] = count;
  return counter;
}

/** Of one worker. */
export class Turns {
  readonly #free: Int32Array;
  #since: number | undefined;

  constructor(counter: TurnCounter) {
    this.#free = new Int32Array(counter);
  }

  /** Does something when it is this worker's turn. */
  run<T>(work: () => T): T {
    if (this.#since !== undefined) return work();
    this.#take();
    try {
      return work();
    } finally {
      this.#give();
    }
  }

  /** For loops: lets others have their turn. */
  pass(): void {
    if (this.#since === undefined || performance.now() - this.#since < TURN_MS) return;
    // Whoever was woken needs a moment to take it.
    if (this.#give() > 0) Atomics.wait(this.#free, 0, Atomics.load(this.#free, 0), 1);
    this.#take();
  }

  #take(): void {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const free = Atomics.load(this.#free, 0);
      if (free > 0) {
        if (Atomics.compareExchange(this.#free, 0, free, free - 1) === free) break;
        continue;
      }
      const leftMs = end - performance.now();
      if (leftMs <= 0) {
        Atomics.sub(this.#free, 0, 1);
        break;
      }
      Atomics.wait(this.#free, 0, free, leftMs);
    }
    this.#since = performance.now();
  }

  /** How many were woken. */
  #give(): number {
    this.#since = undefined;
    return giveTurn(this.#free);
  }
}

/** Of a worker that has ended in the middle of its turn, by the main thread. */
export function giveLostTurn(counter: TurnCounter): void {
  giveTurn(new Int32Array(counter));
}

function giveTurn(free: Int32Array): number {
  Atomics.add(free, 0, 1);
  return Atomics.notify(free, 0, 1);
}
