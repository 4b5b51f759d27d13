// What a task writes, read from its log while it is written, and what it is given to read.
import { openLogReader } from '../logs/reader/log-reader.ts';
import type { LogWriter } from '../logs/reader/log-writer.ts';
import type { StdinStream } from '../runtime/monitor-client.ts';
import type { OutputChunk, OutputOptions, StdinSink, Streams } from './task-stdio.ts';

interface TaskInput {
  openStdin(): Promise<StdinStream>;
}

/** Losslessly from `from` to the end, or until `signal`. */
export async function* followOutput(
  logDir: string,
  writer: LogWriter,
  { streams, from, signal, hold }: OutputOptions,
): AsyncGenerator<readonly OutputChunk[]> {
  try {
    const reader = openLogReader(logDir, { from, follow: writer, lossless: true, signal });
    for await (const batch of reader.batches()) {
      hold?.release();
      yield select(batch, streams);
    }
  } finally {
    hold?.release();
  }
}

/** What of it somebody asked for. */
export function select(batch: readonly OutputChunk[], streams: Streams): readonly OutputChunk[] {
  if (streams.stdout && streams.stderr) return batch;
  return batch.filter(({ stream }) => (stream === 1 ? streams.stdout : streams.stderr));
}

/** Opens the connection at the first write, once the task runs. `endsInput`: the client's end is the task's end of input. */
export function lazyStdin(task: Promise<TaskInput | undefined>, endsInput: boolean): StdinSink {
  let opened: Promise<StdinStream> | undefined;
  const open = async () => {
    const running = await task;
    if (running === undefined) return undefined;
    opened ??= running.openStdin();
    return opened;
  };
  let isClosed = false;
  return {
    async write(bytes) {
      if (isClosed) return;
      await (await open())?.write(bytes);
    },
    async end() {
      if (isClosed) return;
      isClosed = true;
      // Nothing was written and nothing is to be closed: no connection is needed.
      if (opened === undefined && !endsInput) return;
      (await open())?.close({ endOfInput: endsInput });
    },
  };
}
