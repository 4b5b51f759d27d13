// The main thread's side of the jail: what a job needs, how it is sent to a worker (worker-pool.ts) and followed to its end. A job that is
// cancelled is told so, and its worker takes the next one.
import { availableParallelism, tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { closeFd } from '../../native-bindings/files.ts';
import { EngineError, type ErrorCode } from '../errors/engine-error.ts';
import { cancelled, setCancelFlag } from './cancellation.ts';
import type { ByteSource } from './decoding/decompress.ts';
import type { PathStat } from './file-facts.ts';
import { askToStop, type Slot } from './jail-slot.ts';
import { feedFrom, readableOf } from './jail-streams.ts';
import { DecoderBudget } from './memory-budget.ts';
import type { Job, JobResults, PlainError, ToWorker } from './messages.ts';
import { newTurnCounter } from './turns.ts';
import { WorkerPool } from './worker-pool.ts';

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

export class Jail {
  readonly #workers: WorkerPool;
  /** For what feeds jobs. Taken before a worker, and never by who has one: so nobody waits for who waits. */
  readonly memory = new DecoderBudget(DECODERS_BYTES, PROGRAMS_BYTES);
  /** Of what is unpacked at the pace of a client, who may stand still, and keep no one else from it. */
  readonly outgoing = new DecoderBudget(0, PROGRAMS_BYTES);

  /** Where jobs put, in files without names, what does not fit into memory: a place on the disk. */
  constructor(scratchDirectory = tmpdir()) {
    this.#workers = new WorkerPool({ scratchDirectory, turnCounter: newTurnCounter(availableParallelism()) });
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
      const slot = await this.#workers.take(isStream, waitSignal, !isStream && options.inputPort === undefined);
      if (waitSignal?.aborted) {
        // While a worker was made for it: nobody would tell the job to end.
        this.#workers.giveBack(slot, isStream);
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
      const slot = await this.#workers.take(true);
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
  close(): Promise<void> {
    return this.#workers.close();
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
      release();
      this.#workers.giveBack(slot, isStream);
      return Promise.reject(error);
    }
    const input = feed?.port ?? options.inputPort;
    return new Promise<unknown>((resolve, reject) => {
      const over = (): void => {
        signal?.removeEventListener('abort', abort);
        setCancelFlag(slot.cancelFlag, false);
        release();
        feed?.stop();
        this.#workers.giveBack(slot, isStream);
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
}

function anyOf(first: AbortSignal | undefined, second: AbortSignal | undefined): AbortSignal | undefined {
  return first !== undefined && second !== undefined ? AbortSignal.any([first, second]) : (first ?? second);
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
