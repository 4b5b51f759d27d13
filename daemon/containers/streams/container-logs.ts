// GET /containers/{id}/logs: what is in the log, and what comes while it runs. A slow reader loses what rotation deletes before it gets
// there; it never holds up the container.
import { EngineError } from '../../errors/engine-error.ts';
import { withGaps } from '../../logs/reader/log-gaps.ts';
import { splitLines } from '../../logs/reader/log-lines.ts';
import { formatLogTime } from '../../protocols/units/rfc3339.ts';
import { select } from '../../tasks/task-output.ts';
import type { LogStream, LogsOptions, OutputChunk } from '../container-service.ts';
import type { Needs } from '../needs.ts';
import { type ContainerLogNeeds, containerLog, logSubject } from './container-log.ts';

/** See needs.ts. */
export type ContainerLogsNeeds = Needs<'paths.logs' | 'store.get'> & ContainerLogNeeds;

export function containerLogs(services: ContainerLogsNeeds, ref: string, options: LogsOptions): LogStream {
  const container = services.store.get(ref);
  if (!options.stdout && !options.stderr) {
    throw new EngineError('invalid', 'Bad parameters: you must choose at least one stream');
  }
  const log = containerLog(services, container.spec);
  if (log.openReader === undefined) {
    throw new EngineError('not-implemented', 'configured logging driver does not support reading');
  }
  const abort = new AbortController();
  const details = options.details ? `${log.details(logSubject(container.record))} ` : '';
  const source = { containerId: container.id, directory: services.paths.logs(container.id) };
  const stored = log.openReader(source, {
    from: 'start',
    signal: abort.signal,
    ...(options.tail === undefined ? {} : { tail: options.tail }),
    ...(options.sinceNs === undefined ? {} : { sinceNs: options.sinceNs }),
    ...(options.untilNs === undefined ? {} : { untilNs: options.untilNs }),
    ...(options.follow && container.task !== undefined ? { follow: container.task } : {}),
  });
  const isTerminal = container.spec.process.hasTerminal;
  const reader = withGaps(stored, { stream: isTerminal || !options.stderr ? 1 : 2, isTerminal });
  const streams = { stdout: options.stdout, stderr: options.stderr };
  async function* plain(): AsyncGenerator<readonly OutputChunk[]> {
    for await (const batch of reader.batches()) yield select(batch, streams);
  }
  async function* prefixed(): AsyncGenerator<OutputChunk> {
    for await (const line of splitLines(reader)) {
      if (line.stream === 1 ? !streams.stdout : !streams.stderr) continue;
      if (!line.startsLine) {
        yield { stream: line.stream, data: line.data };
        continue;
      }
      const time = options.timestamps ? `${formatLogTime(line.timeNs)} ` : '';
      yield { stream: line.stream, data: Buffer.concat([Buffer.from(time + details), line.data]) };
    }
  }
  return {
    tty: isTerminal,
    output: options.timestamps || options.details ? prefixed() : plain(),
    close: () => abort.abort(),
  };
}
