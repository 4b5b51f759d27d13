// The entry of a jail worker thread: loads everything, moves the thread into its enclosure, forbids loading, then takes one job at a time.
// What untrusted images and containers hold is only ever touched here.
import { createHash } from 'node:crypto';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { shrinkHeap } from '../../native-bindings/memory.ts';
import { setThreadNice } from '../../native-bindings/process.ts';
import { EngineError } from '../errors/engine-error.ts';
import { FormatError } from '../protocols/format-error.ts';
import { cancelled, watchCancelFlag } from './cancellation.ts';
import { Enclosure } from './enclosure.ts';
import { forbidLoading } from './guard.ts';
import { type JobPorts, runJob } from './jobs/jobs.ts';
import { Scratch, type Scratches } from './jobs/scratch.ts';
import type { FromWorker, PlainError, ToWorker, WorkerStart } from './messages.ts';
import { Turns } from './turns.ts';

const port = parentPort as MessagePort;
if (port === null) throw new Error('jail-worker.ts runs as a worker thread only');

// Node loads the digest's implementation at its first use.
createHash('sha256').update('').digest();
const { cancelFlag, scratchFds, turnCounter } = workerData as WorkerStart;
const turns = new Turns(turnCounter);
watchCancelFlag(cancelFlag, () => turns.pass());
const scratches: Scratches = { names: new Scratch(scratchFds[0]), notes: new Scratch(scratchFds[1]) };
// Their work may be without end, and the thread that answers everybody is one.
setThreadNice(5);
const enclosure = new Enclosure();
forbidLoading();
/** What a worker has at rest is about half of this; a job that needed more leaves garbage, and there are several workers. */
const HEAP_BYTES = 16 * 1024 * 1024;
/** Of the job that waits for its ports. */
let stopWaiting: ((reason: Error) => void) | undefined;

port.on('message', (message: ToWorker) => {
  if (message.kind === 'end') process.exit();
  if (message.kind === 'cancel') {
    stopWaiting?.(cancelled());
    return;
  }
  void serve(message).then(
    (value) => tell({ kind: 'done', value }),
    (error: unknown) => tell({ kind: 'failed', error: plainError(error) }),
  );
});
tell({ kind: 'ready' });

async function serve({ job, input, output }: ToWorker & { kind: 'job' }): Promise<unknown> {
  try {
    enclosure.enter(job.place);
    tell({ kind: 'entered' });
    // What waits for another host may wait long.
    const isRemote = job.do === 'mount' || job.do === 'clone-mount';
    const inTurn: JobPorts['inTurn'] = (work) => (isRemote ? work() : turns.run(work));
    const ports: JobPorts = {
      inTurn,
      input,
      output,
      head: (value) => tell({ kind: 'head', value }),
      begun: () => tell({ kind: 'begun' }),
      scratches,
      onCancel: (stop) => {
        stopWaiting = stop;
      },
    };
    return await inTurn(async () => {
      try {
        return await runJob(job, ports);
      } finally {
        shrinkHeap(HEAP_BYTES);
      }
    });
  } finally {
    stopWaiting = undefined;
    enclosure.leave();
    for (const scratch of Object.values(scratches)) scratch.clear();
    input?.close();
    output?.close();
  }
}

function tell(message: FromWorker): void {
  port.postMessage(message);
}

function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { message: String(error) };
  const plain: PlainError = { message: error.message };
  if (error instanceof EngineError) plain.engineCode = error.code;
  // Archives come from users.
  else if (error instanceof FormatError) plain.engineCode = 'invalid';
  const details = error as { code?: unknown; syscall?: unknown; path?: unknown };
  if (typeof details.code === 'string') plain.code = details.code;
  if (typeof details.syscall === 'string') plain.syscall = details.syscall;
  if (typeof details.path === 'string') plain.path = details.path;
  return plain;
}
