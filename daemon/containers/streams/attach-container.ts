// POST /containers/{id}/attach: the output from now on (or from the first byte, when it has not started yet), and the input.
import { EngineError } from '../../errors/engine-error.ts';
import { type LogReaderOptions, openLogReader } from '../../logs/reader/log-reader.ts';
import type { LogHold } from '../../logs/reader/log-writer.ts';
import type { Task } from '../../tasks/task.ts';
import { lazyStdin, select } from '../../tasks/task-output.ts';
import type { Streams } from '../../tasks/task-stdio.ts';
import type { Container } from '../container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from '../container-events.ts';
import type { Attachment, AttachOptions, OutputChunk } from '../container-service.ts';
import type { Needs } from '../needs.ts';

/** See needs.ts. */
export type AttachContainerNeeds = Needs<'paths.logs' | 'store.get'> & ContainerEventsNeeds;

export function attachContainer(services: AttachContainerNeeds, ref: string, options: AttachOptions): Attachment {
  const container = services.store.get(ref);
  const { status } = container.state;
  if (status === 'paused') {
    throw new EngineError('conflict', `container ${ref} is paused, unpause the container before attach`);
  }
  if (status === 'restarting') {
    throw new EngineError('conflict', `container ${ref} is restarting, wait until the container is running`);
  }
  const abort = new AbortController();
  // Who asks for no stream has nothing to wait for.
  const follows = options.stream && (options.stdin || options.stdout || options.stderr);
  const start = awaitStart(container, follows, abort.signal);
  const { stdin: wanted, hasTerminal } = container.spec.process;
  const stdin =
    options.stdin && options.stream && wanted !== 'none'
      ? lazyStdin(
          start.then((run) => run?.task),
          wanted === 'first' && !hasTerminal,
        )
      : undefined;
  publishContainerEvent(services, container, 'attach');
  return {
    tty: hasTerminal,
    output: attachedOutput(services, container, options, start, abort.signal),
    ...(stdin === undefined ? {} : { stdin }),
    close() {
      abort.abort();
      // Docker ends the input of a container that reads it once when its client goes.
      stdin?.end().catch(() => undefined);
    },
  };
}

interface AttachedRun {
  task: Task;
  from: LogReaderOptions['from'];
  /** Of a run that began after the attach: keeps its first byte until the reader takes over. */
  hold?: LogHold;
}

/** undefined when there is nothing to follow: no stream was asked for, the client left, or the start failed. */
function awaitStart(container: Container, stream: boolean, signal: AbortSignal): Promise<AttachedRun | undefined> {
  if (!stream) return Promise.resolve(undefined);
  if (container.task !== undefined) {
    countAttached(container, signal);
    return Promise.resolve({ task: container.task, from: 'end' });
  }
  const { promise, resolve } = Promise.withResolvers<AttachedRun | undefined>();
  const forget = container.onStart((task) => {
    if (task === undefined) return resolve(undefined);
    const from = container.runLogStart;
    countAttached(container, signal);
    resolve({ task, from, hold: task.holdLog(from.seq) });
  });
  signal.addEventListener('abort', () => {
    forget();
    resolve(undefined);
  });
  return promise;
}

/** The end of the run is told when this client has its output, or has left: it closes the attachment either way. */
function countAttached(container: Container, signal: AbortSignal): void {
  if (signal.aborted) return;
  signal.addEventListener('abort', container.addAttached(), { once: true });
}

async function* attachedOutput(
  services: AttachContainerNeeds,
  container: Container,
  options: AttachOptions,
  start: Promise<AttachedRun | undefined>,
  signal: AbortSignal,
): AsyncGenerator<readonly OutputChunk[]> {
  const logDir = services.paths.logs(container.id);
  const streams: Streams = { stdout: options.stdout, stderr: options.stderr };
  const isRunning = container.task !== undefined;
  if (options.logs && !(isRunning && options.stream)) {
    for await (const batch of openLogReader(logDir, { from: 'start', signal }).batches()) yield select(batch, streams);
  }
  const run = await start;
  if (run === undefined) return;
  const from = options.logs && run.from === 'end' ? 'start' : run.from;
  yield* run.task.output({ streams, from, signal, hold: run.hold });
}
