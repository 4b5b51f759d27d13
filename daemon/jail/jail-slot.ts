// One worker thread of the jail, as the main thread sees it: how it is made, told to stop what it does, and ended.
import { closeSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
// On the main thread first: see load.ts.
import '../../native-bindings/load.ts';
import { EngineError } from '../errors/engine-error.ts';
import { type CancelFlag, newCancelFlag, setCancelFlag } from './cancellation.ts';
import type { FromWorker, Job, ToWorker, WorkerStart } from './messages.ts';
import { openScratchFile } from './scratch-file.ts';
import { giveLostTurn, type TurnCounter } from './turns.ts';

const workerUrl = new URL(import.meta.url.endsWith('.mjs') ? './jail-worker.mjs' : './jail-worker.ts', import.meta.url);

export interface Running {
  settle(message: FromWorker): void;
  fail(error: Error): void;
}

export interface Slot {
  worker: Worker;
  cancelFlag: CancelFlag;
  running: Running | undefined;
  /** The last job that it was given. */
  doing: Job['do'] | undefined;
  idleTimer: NodeJS.Timeout | undefined;
}

/** Taken, and no job sent yet. */
export const noJob: Running = { settle: () => undefined, fail: () => undefined };

const SCRATCH_FILES = 2;

/** What all workers of a jail have in common. */
export interface SlotShares {
  readonly scratchDirectory: string;
  readonly turnCounter: TurnCounter;
}

/** Resolves when the thread is in its enclosure. `onLost` is called when it ends, however it does. */
export async function startSlot(
  { scratchDirectory, turnCounter }: SlotShares,
  onLost: (slot: Slot) => void,
): Promise<Slot> {
  // libuv's pool must have its threads before any thread is jailed: they take their root from the thread that makes them.
  await access('/');
  const cancelFlag = newCancelFlag();
  const scratchFds = Array.from({ length: SCRATCH_FILES }, () => openScratchFile(scratchDirectory));
  const worker = new Worker(workerUrl, {
    workerData: { cancelFlag, scratchFds, turnCounter } satisfies WorkerStart,
    name: 'jail',
    env: {},
    execArgv: [],
    stdin: false,
    trackUnmanagedFds: true,
    resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
  });
  // Whoever had it made takes it: it is never idle before.
  const slot: Slot = { worker, cancelFlag, running: noJob, doing: undefined, idleTimer: undefined };
  return new Promise((resolve, reject) => {
    const lost = (error: Error): void => {
      clearTimeout(slot.idleTimer);
      onLost(slot);
      slot.running?.fail(error);
      reject(error);
    };
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'ready') resolve(slot);
      else slot.running?.settle(message);
    });
    worker.on('error', (error: Error) => {
      giveLostTurn(turnCounter);
      lost(
        new EngineError('system', `the jail worker that did '${slot.doing}' failed: ${error.message}`, {
          cause: error,
        }),
      );
    });
    worker.on('exit', () => {
      for (const fd of scratchFds) if (fd !== undefined) closeSync(fd);
      lost(new EngineError('system', `the jail worker that did '${slot.doing}' ended in the middle of it`));
    });
  });
}

/** Asks for the end of its job, which then fails. */
export function askToStop({ worker, cancelFlag }: Slot): void {
  setCancelFlag(cancelFlag, true);
  worker.postMessage({ kind: 'cancel' } satisfies ToWorker);
}

/** Resolves when the thread has ended; what it does fails. */
export async function endSlot(slot: Slot): Promise<void> {
  clearTimeout(slot.idleTimer);
  const ended = new Promise((resolve) => slot.worker.once('exit', resolve));
  slot.worker.ref();
  if (slot.running !== undefined) askToStop(slot);
  slot.worker.postMessage({ kind: 'end' } satisfies ToWorker);
  await ended;
}
