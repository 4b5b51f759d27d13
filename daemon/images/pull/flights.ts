// Work that several clients want at once and that is done once: it goes on while one of them is there, and its result is let go of with
// the last. Everybody sees its progress; who comes late begins with the newest line of each layer.
import type { ProgressMessage } from '../../docker-types/progress.ts';
import type { ProgressSink } from '../progress.ts';

export interface FlightContext {
  /** Aborts when nobody waits for it any more. */
  readonly signal: AbortSignal;
  readonly onProgress: ProgressSink;
}

/** What work results in. */
export interface Closable {
  /** After the last share has gone. Resolves when the same work may begin anew. */
  close(): Promise<void>;
}

/** A share in the result. */
export interface Share<R> extends Disposable {
  readonly result: R;
}

interface Flight<R> {
  readonly controller: AbortController;
  readonly work: Promise<R>;
  readonly sinks: Set<ProgressSink>;
  readonly newest: Map<string, ProgressMessage>;
  members: number;
}

export class Flights<R extends Closable> {
  readonly #flights = new Map<string, Flight<R>>();
  /** Given up, but not yet at rest: what comes next under the same key waits. */
  readonly #ending = new Map<string, Promise<unknown>>();

  /** Joins the work of this key, or begins it. Rejects at once when `signal` aborts; the work goes on for the others. */
  async join(
    key: string,
    begin: (context: FlightContext) => Promise<R>,
    { signal, onProgress }: FlightContext,
  ): Promise<Share<R>> {
    signal.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, begin);
    flight.members++;
    flight.sinks.add(onProgress);
    for (const message of flight.newest.values()) onProgress(message);
    let isMember = true;
    const leave = (): void => {
      if (!isMember) return;
      isMember = false;
      flight.sinks.delete(onProgress);
      flight.members--;
      if (flight.members === 0) this.#end(key, flight);
    };
    try {
      return { result: await orAborted(flight.work, signal), [Symbol.dispose]: leave };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Resolves when nothing that was given up still holds anything. */
  async atRest(): Promise<void> {
    while (this.#ending.size > 0) await Promise.allSettled(this.#ending.values());
  }

  #start(key: string, begin: (context: FlightContext) => Promise<R>): Flight<R> {
    const controller = new AbortController();
    const sinks = new Set<ProgressSink>();
    const newest = new Map<string, ProgressMessage>();
    const onProgress: ProgressSink = (message) => {
      if (message.id !== undefined) newest.set(message.id, message);
      for (const sink of sinks) sink(message);
    };
    // How the last one was let go of is no concern of this one.
    const before = this.#ending.get(key)?.catch(() => undefined) ?? Promise.resolve();
    const work = before.then(() => {
      controller.signal.throwIfAborted();
      return begin({ signal: controller.signal, onProgress });
    });
    const flight: Flight<R> = { controller, work, sinks, newest, members: 0 };
    this.#flights.set(key, flight);
    // Who comes after a failure begins anew.
    work.catch(() => this.#forget(key, flight));
    return flight;
  }

  #end(key: string, flight: Flight<R>): void {
    this.#forget(key, flight);
    flight.controller.abort(new Error('cancelled: nobody waits for it any more'));
    const atRest = flight.work.then(
      (result) => result.close(),
      () => undefined,
    );
    this.#ending.set(key, atRest);
    void atRest.finally(() => {
      if (this.#ending.get(key) === atRest) this.#ending.delete(key);
    });
  }

  #forget(key: string, flight: Flight<R>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('cancelled'));
    const forget = (): void => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).then(forget, forget);
  });
}
