// A build for programs: one JSON object for each thing that happens, in the form of BuildKit's SolveStatus as `--progress=rawjson` has it.
import type { BuildEventLine } from '../../daemon/docker-types/build.ts';
import type { Output } from '../terminal/output.ts';

export class RawView {
  readonly #to: Output;

  constructor(to: Output) {
    this.#to = to;
  }

  show(event: BuildEventLine): void {
    // BuildKit tells it with the error.
    if (event.kind !== 'source') this.#to.line(JSON.stringify(solveStatus(event)));
  }

  end(): void {
    // Nothing is open.
  }
}

export function solveStatus(event: Exclude<BuildEventLine, { kind: 'source' }>): object {
  if (event.kind === 'vertex') {
    const { digest, inputs, name, startedMs, completedMs, isCached, error } = event;
    return {
      vertexes: [
        {
          digest,
          ...(inputs.length === 0 ? {} : { inputs }),
          name,
          ...(startedMs === undefined ? {} : { started: time(startedMs) }),
          ...(completedMs === undefined ? {} : { completed: time(completedMs) }),
          ...(isCached ? { cached: true } : {}),
          ...(error === undefined ? {} : { error }),
        },
      ],
    };
  }
  if (event.kind === 'status') {
    const { vertex, id, current, total, startedMs, completedMs } = event;
    const timestamp = time(completedMs ?? Date.now());
    return {
      statuses: [
        {
          id,
          vertex,
          ...(total > 0 ? { total } : {}),
          current,
          timestamp,
          started: time(startedMs),
          ...(completedMs === undefined ? {} : { completed: time(completedMs) }),
        },
      ],
    };
  }
  if (event.kind === 'log') {
    const stream = event.stream === 'stdout' ? 1 : 2;
    return { logs: [{ vertex: event.vertex, stream, data: event.bytes, timestamp: time(event.atMs) }] };
  }
  const { vertex, short, detail, url, lines } = event;
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return {
    warnings: [
      {
        vertex,
        level: 1,
        short: base64(short),
        detail: detail.map(base64),
        url,
        ...(lines === undefined
          ? {}
          : { range: lines.map(({ start, end }) => ({ start: { line: start }, end: { line: end } })) }),
      },
    ],
  };
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
