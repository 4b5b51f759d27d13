// The main thread's side of the jail: a pool of worker threads (jail-worker.ts) that each take one job at a time. Workers are made when
// needed and end when idle. A job that is cancelled is told so, and its worker takes the next one.
import { availableParallelism, tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { closeFd } from '../../native-bindings/files.ts';
import { returnFreed } from '../../native-bindings/memory.ts';
import { EngineError, type ErrorCode } from '../errors/engine-error.ts';
import { cancelled, setCancelFlag } from './cancellation.ts';
import type { ByteSource } from './decoding/decompress.ts';
import type { PathStat } from './file-facts.ts';
import { askToStop, endSlot, noJob, type Slot, type SlotShares, startSlot } from './jail-slot.ts';
import { feedFrom, readableOf } from './jail-streams.ts';
import { DecoderBudget } from './memory-budget.ts';
import type { Job, JobResults, PlainError, ToWorker } from './messages.ts';
import { newTurnCounter } from './turns.ts';

/** Streams may stand still as long as their clients do, so there have to be many; each costs about 10 MB while it lives. */
const MAX_WORKERS = 6;
/** Of which streams leave some to jobs that end by themselves. */
const MAX_STREAMS = 4;
const IDLE_MS = 5_000;
const WAIT_MS = 60_000;

/** What a job that reads an archive takes beside its decoder: chunks on the way to it. */
const INPUT_BYTES = 2 * 1024 * 1024;
/** Of all that unpack at the same time. */
const DECODERS_BYTES = 48 * 1024 * 1024;
/** And of the programs that do so: the largest window of zstd, alone. */
const PROGRAMS_BYTES = 128 * 1024 * 1024;

export type JobOf<K extends Job['do']> = Extract<Job, { do: K }>;

export interface RunOptions {
  /** The archive for jobs that read one. It is released when the job ends, however it ends. */
  input?: ByteSource;
  /** Ends of a chunk stream, where two jobs talk to each other. */
  inputPort?: MessagePort;
  outputPort?: MessagePort;
  signal?: AbortSignal;
}

interface Waiting {
  isStream: boolean;
  give(slot: Slot): void;
  refuse(error: Error): void;
  /** Runs while it is in the list. */
  timer: NodeJS.Timeout;
}

export class Jail {
  readonly #slots = new Set<Slot>();
  readonly #waiting: Waiting[] = [];
  /** Workers on their way. */
  readonly #starting = new Set<Promise<Slot>>();
  readonly #shares: SlotShares;
  /** For what feeds jobs. Taken before a worker, and never by who has one: so nobody waits for who waits. */
  readonly memory = new DecoderBudget(DECODERS_BYTES, PROGRAMS_BYTES);
  /** Of what is unpacked at the pace of a client, who may stand still, and keep no one else from it. */
  readonly outgoing = new DecoderBudget(0, PROGRAMS_BYTES);
  #streams = 0;
  #isClosed = false;

  /** Where jobs put, in files without names, what does not fit into memory: a place on the disk. */
  constructor(scratchDirectory = tmpdir()) {
    this.#shares = { scratchDirectory, turnCounter: newTurnCounter(availableParallelism()) };
  }

  /** Runs a job to its end. `fds` are closed as soon as the job stands in its place (or has failed). */
  async run<K extends Job['do']>(
    job: JobOf<K>,
    fds: readonly number[],
    options: RunOptions = {},
  ): Promise<JobResults[K]> {
    const release = closeOnce(fds);
    // Reading from another job is not waiting for a client: were it counted, jobs in pairs could wait for each other for ever.
    const isStream = options.input !== undefined || options.outputPort !== undefined;
    // Whoever waits for a turn may hold a container: when its client has gone it is for nothing.
    const waitSignal = anyOf(options.signal, options.input?.signal);
    let memory: Disposable | undefined;
    try {
      waitSignal?.throwIfAborted();
      if (options.input !== undefined) memory = await this.memory.take(options.input, waitSignal, INPUT_BYTES);
      const slot = await this.#take(isStream, waitSignal);
      if (waitSignal?.aborted) {
        // While a worker was made for it: nobody would tell the job to end.
        slot.running = undefined;
        if (isStream) this.#streams--;
        this.#giveBack(slot);
        waitSignal.throwIfAborted();
      }
      const value = await this.#perform(slot, isStream, job, release, options, () => undefined);
      return value as JobResults[K];
    } catch (error) {
      options.input?.release();
      throw error;
    } finally {
      memory?.[Symbol.dispose]();
      release();
    }
  }

  /**
   * Runs a job that makes something to read. Resolves once there is something ('get': its head); errors after that destroy the stream. `fds` are
   * closed as soon as the job stands in its place, `heldFds` when it has ended.
   */
  async stream(
    job: JobOf<'get' | 'export' | 'changes'>,
    fds: readonly number[],
    heldFds: readonly number[] = [],
  ): Promise<{ head: PathStat | undefined; tar: Readable }> {
    const release = closeOnce(fds);
    const releaseHeld = closeOnce(heldFds);
    const { port1, port2 } = new MessageChannel();
    try {
      const slot = await this.#take(true);
      const tar = readableOf(port1);
      // It may be destroyed before anybody reads it: that is told by the rejection, and must not be an uncaught error.
      tar.on('error', () => undefined);
      return await new Promise((resolve, reject) => {
        const begun = (head: PathStat | undefined): void => resolve({ head, tar });
        this.#perform(slot, true, job, release, { outputPort: port2 }, begun).then(
          () => {
            releaseHeld();
            begun(undefined);
          },
          (error: Error) => {
            releaseHeld();
            reject(error);
            tar.destroy(error);
          },
        );
      });
    } catch (error) {
      releaseHeld();
      port1.close();
      throw error;
    } finally {
      release();
    }
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

  /** Sends the job to a worker and follows it to the end, then gives the worker back. */
  #perform(
    slot: Slot,
    isStream: boolean,
    job: Job,
    release: () => void,
    options: RunOptions,
    onBegin: (head: PathStat | undefined) => void,
  ): Promise<unknown> {
    const { signal } = options;
    let feed: ReturnType<typeof feedFrom> | undefined;
    try {
      feed = options.input === undefined ? undefined : feedFrom(options.input);
    } catch (error) {
      // Its decoder cannot be started: the worker is free again.
      slot.running = undefined;
      release();
      if (isStream) this.#streams--;
      this.#giveBack(slot);
      return Promise.reject(error);
    }
    const input = feed?.port ?? options.inputPort;
    return new Promise<unknown>((resolve, reject) => {
      const over = (): void => {
        signal?.removeEventListener('abort', abort);
        slot.running = undefined;
        setCancelFlag(slot.cancelFlag, false);
        release();
        if (isStream) this.#streams--;
        feed?.stop();
        this.#giveBack(slot);
      };
      const abort = (): void => {
        const reason = signal?.reason instanceof Error ? signal.reason : cancelled();
        // What the job reads from is the caller's: it must not be closed before the job has stopped.
        const end = (): void => {
          over();
          reject(reason);
        };
        slot.running = {
          settle: (told) => {
            if (told.kind === 'entered') release();
            else if (told.kind === 'done' || told.kind === 'failed') end();
          },
          fail: end,
        };
        askToStop(slot);
      };
      slot.running = {
        settle: (message) => {
          if (message.kind === 'entered') {
            release();
          } else if (message.kind === 'head') onBegin(message.value);
          else if (message.kind === 'begun') onBegin(undefined);
          else if (message.kind === 'done') {
            over();
            resolve(message.value);
          } else if (message.kind === 'failed') {
            over();
            reject(revive(message.error));
          }
        },
        fail: (error) => {
          over();
          reject(error);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      const message: ToWorker = { kind: 'job', job };
      if (input !== undefined) message.input = input;
      if (options.outputPort !== undefined) message.output = options.outputPort;
      const transfer = [input, options.outputPort].filter((port) => port !== undefined);
      slot.doing = job.do;
      slot.worker.ref();
      slot.worker.postMessage(message, transfer);
    });
  }

  async #take(isStream: boolean, signal?: AbortSignal): Promise<Slot> {
    if (this.#isClosed) throw stopping();
    if (!isStream || this.#streams < MAX_STREAMS) {
      const slot = this.#idle();
      const mayStart = this.#slots.size + this.#starting.size < MAX_WORKERS;
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
    return promise.finally(() => signal?.removeEventListener('abort', abort));
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

  #giveBack(slot: Slot): void {
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

  /** A worker was lost while others wait for one. */
  #startForWaiting(): void {
    if (this.#isClosed || this.#waiting.length === 0 || this.#slots.size + this.#starting.size >= MAX_WORKERS) return;
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

function anyOf(first: AbortSignal | undefined, second: AbortSignal | undefined): AbortSignal | undefined {
  return first !== undefined && second !== undefined ? AbortSignal.any([first, second]) : (first ?? second);
}

function stopping(): EngineError {
  return new EngineError('unavailable', 'the engine is stopping');
}

function closeOnce(fds: readonly number[]): () => void {
  let left: readonly number[] = fds;
  return () => {
    const now = left;
    left = [];
    for (const fd of now) closeFd(fd);
  };
}

function revive(plain: PlainError): Error {
  if (plain.engineCode !== undefined) return new EngineError(plain.engineCode as ErrorCode, plain.message);
  const error = Object.assign(new Error(plain.message), { syscall: plain.syscall, path: plain.path });
  return plain.code === undefined ? error : Object.assign(error, { code: plain.code });
}
