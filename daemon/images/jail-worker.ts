// The entry of a jail worker thread: loads everything, moves the thread into its enclosure, forbids loading, then takes one job at a time.
// What untrusted images and containers hold is only ever touched here.
import { createHash } from 'node:crypto';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { EngineError } from '../errors/engine-error.ts';
import { Enclosure } from './jail/enclosure.ts';
import { forbidLoading } from './jail/guard.ts';
import { runJob } from './jail/jobs.ts';
import type { FromWorker, PlainError, ToWorker } from './jail/messages.ts';

const port = parentPort as MessagePort;
if (port === null) throw new Error('jail-worker.ts runs as a worker thread only');

// Node loads the digest's implementation at its first use.
createHash('sha256').update('').digest();
const enclosure = new Enclosure();
forbidLoading();

port.on('message', (message: ToWorker) => {
  void serve(message).then(
    (value) => tell({ kind: 'done', value }),
    (error: unknown) => tell({ kind: 'failed', error: plainError(error) }),
  );
});
tell({ kind: 'ready' });

async function serve({ job, input, output }: ToWorker): Promise<unknown> {
  try {
    enclosure.enter(job.place);
    tell({ kind: 'entered' });
    return await runJob(job, { input, output, head: (value) => tell({ kind: 'head', value }) });
  } finally {
    enclosure.leave();
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
  const details = error as { code?: unknown; syscall?: unknown; path?: unknown };
  if (typeof details.code === 'string') plain.code = details.code;
  if (typeof details.syscall === 'string') plain.syscall = details.syscall;
  if (typeof details.path === 'string') plain.path = details.path;
  return plain;
}
