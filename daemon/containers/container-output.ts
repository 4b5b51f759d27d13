// What a process writes, read from its log while it is written: the shape that attach and exec hand to the API.

import { type LogReaderOptions, openLogReader } from '../logs/reader/log-reader.ts';
import type { LogHold } from '../logs/reader/log-writer.ts';
import type { MonitorClient } from '../runtime/monitor-client.ts';
import type { OutputChunk, StdinSink } from './container-service.ts';

export interface Streams {
  stdout: boolean;
  stderr: boolean;
}

/** Follows a run losslessly from `from` to its end, or until `signal`. `hold` kept the log for it until here: once it reads, it holds for itself. */
export async function* followOutput(
  logDir: string,
  monitor: MonitorClient,
  from: LogReaderOptions['from'],
  streams: Streams,
  signal: AbortSignal,
  hold?: LogHold,
): AsyncGenerator<readonly OutputChunk[]> {
  try {
    const reader = openLogReader(logDir, { from, follow: monitor, lossless: true, signal });
    for await (const batch of reader.batches()) {
      hold?.release();
      yield select(batch, streams);
    }
  } finally {
    hold?.release();
  }
}

export function select(batch: readonly OutputChunk[], streams: Streams): readonly OutputChunk[] {
  if (streams.stdout && streams.stderr) return batch;
  return batch.filter(({ stream }) => (stream === 1 ? streams.stdout : streams.stderr));
}

/** Opens the connection at the first write, once the monitor is known. `endsInput`: the client's end is the process's end of input. */
export function lazyStdin(monitor: Promise<MonitorClient | undefined>, endsInput: boolean): StdinSink {
  let opened: ReturnType<MonitorClient['openStdin']> | undefined;
  const open = async () => {
    const client = await monitor;
    if (client === undefined) return undefined;
    opened ??= client.openStdin();
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
