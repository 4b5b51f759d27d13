// The worker threads of the jail (jail-worker.ts): each takes one job at a time. They are made when needed, and end when idle. What a job is
// stands in jail.ts.
import { returnFreed } from '../../native-bindings/memory.ts';
import { EngineError } from '../errors/engine-error.ts';
import { endSlot, noJob, type Slot, type SlotShares, startSlot } from './jail-slot.ts';

/** Streams may stand still as long as their clients do, so there have to be many; each costs about 10 MB while it lives. */
const MAX_WORKERS = 6;
/** Of which streams leave some to jobs that end by themselves. */
const MAX_STREAMS = 4;
const IDLE_MS = 5_000;
const WAIT_MS = 60_000;
/** Making a worker takes longer than most jobs do: a patient one waits this long for a worker that is there. */
const PATIENCE_MS = 30;

interface Waiting {
  isStream: boolean;
  give(slot: Slot): void;
  refuse(error: Error): void;
  /** Runs while it is in the list. */
  timer: NodeJS.Timeout;
}

export class WorkerPool {
  readonly #slots = new Set<Slot>();
  readonly #waiting: Waiting[] = [];
  /** Workers on their way. */
  readonly #starting = new Set<Promise<Slot>>();
  readonly #shares: SlotShares;
  #streams = 0;
  #isClosed = false;

  constructor(shares: SlotShares) {
    this.#shares = shares;
  }

  /**
   * A worker, as soon as one is free; whoever has it gives it back. `isPatient`: nobody has to wait for this job but who asks for it. Throws
   * 'unavailable' after a minute, and the signal's reason.
   */
  async take(isStream: boolean, signal?: AbortSignal, isPatient = false): Promise<Slot> {
    if (this.#isClosed) throw stopping();
    if (!isStream || this.#streams < MAX_STREAMS) {
      const slot = this.#idle();
      const mayStart = this.#mayStart() && !(isPatient && this.#count > 0);
      // Counted before the worker is there: those that come meanwhile have to know.
      if (isStream && (slot !== undefined || mayStart)) this.#streams++;
      if (slot !== undefined) return this.#reserve(slot);
      if (mayStart) return this.#reserve(await this.#startFor(isStream));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Slot>();
    const leave = (reason: unknown): void => {
      const index = this.#waiting.indexOf(waiting);
      if (index < 0) return;
      this.#waiting.splice(index, 1);
      clearTimeout(waiting.timer);
      reject(reason);
    };
    const waiting: Waiting = {
      isStream,
      give: (slot) => resolve(this.#reserve(slot)),
      refuse: reject,
      timer: setTimeout(() => leave(tooMany()), WAIT_MS),
    };
    this.#waiting.push(waiting);
    const abort = (): void => leave(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    const impatient = isPatient ? setTimeout(() => this.#startForWaiting(), PATIENCE_MS) : undefined;
    return promise.finally(() => {
      signal?.removeEventListener('abort', abort);
      clearTimeout(impatient);
    });
  }

  /** Ends all workers, whatever they do. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const waiting of this.#waiting.splice(0)) {
      clearTimeout(waiting.timer);
      waiting.refuse(stopping());
    }
    // The process must not end while a thread enters its enclosure, see cancellation.ts.
    await Promise.allSettled(this.#starting);
    await Promise.all([...this.#slots].map((slot) => this.#end(slot)));
  }

  #idle(): Slot | undefined {
    for (const slot of this.#slots) if (slot.running === undefined) return slot;
    return undefined;
  }

  #reserve(slot: Slot): Slot {
    clearTimeout(slot.idleTimer);
    slot.running = noJob;
    return slot;
  }

  /** What it did is over. `isStream` as it was taken. */
  giveBack(slot: Slot, isStream: boolean): void {
    slot.running = undefined;
    if (isStream) this.#streams--;
    if (!this.#slots.has(slot)) {
      this.#startForWaiting();
      return;
    }
    slot.worker.unref();
    const next = this.#nextWaiting();
    if (next !== undefined) {
      next.give(slot);
      return;
    }
    slot.idleTimer = setTimeout(() => void this.#end(slot), IDLE_MS);
    slot.idleTimer.unref();
  }

  #nextWaiting(): Waiting | undefined {
    const index = this.#waiting.findIndex(({ isStream }) => !isStream || this.#streams < MAX_STREAMS);
    if (index < 0) return undefined;
    const [next] = this.#waiting.splice(index, 1);
    clearTimeout(next?.timer);
    if (next?.isStream) this.#streams++;
    return next;
  }

  /** With those on their way. */
  get #count(): number {
    return this.#slots.size + this.#starting.size;
  }

  #mayStart(): boolean {
    return this.#count < MAX_WORKERS;
  }

  /** A worker was lost while others wait for one, or they have waited long enough. */
  #startForWaiting(): void {
    if (this.#isClosed || this.#waiting.length === 0 || !this.#mayStart()) return;
    const next = this.#nextWaiting();
    if (next !== undefined) this.#startFor(next.isStream).then(next.give, next.refuse);
  }

  /** The caller has counted the stream; when no worker comes of it, it is none. */
  async #startFor(isStream: boolean): Promise<Slot> {
    try {
      return await this.#start();
    } catch (error) {
      if (isStream) this.#streams--;
      throw error;
    }
  }

  async #start(): Promise<Slot> {
    const starting = startSlot(this.#shares, (lost) => this.#slots.delete(lost));
    this.#starting.add(starting);
    try {
      const slot = await starting;
      this.#slots.add(slot);
      if (this.#isClosed) throw stopping();
      return slot;
    } finally {
      this.#starting.delete(starting);
    }
  }

  async #end(slot: Slot): Promise<void> {
    this.#slots.delete(slot);
    await endSlot(slot);
    if (this.#slots.size === 0 && this.#starting.size === 0) returnFreed();
  }
}

function tooMany(): EngineError {
  return new EngineError('unavailable', 'too many archive operations at once: try again');
}

function stopping(): EngineError {
  return new EngineError('unavailable', 'the engine is stopping');
}
