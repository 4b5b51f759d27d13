// Where output was lost because the disk was full, a line says so: for readers of a log who are people. Chunks without bytes are only marks.

import type { LogChunk } from '../format/log-record.ts';
import type { LogReader } from './log-reader.ts';

const gapLine = '[tsdocker: output is missing here: the disk was full]';
const NEWLINE = 10;

export interface GapOptions {
  /** The stream that tells: what a program wrote to the other one stays as it is. */
  readonly stream: 1 | 2;
  /** Lines of a terminal end so. */
  readonly isTerminal: boolean;
}

/** The same chunks, and a line for each gap. */
export function withGaps(reader: LogReader, options: GapOptions): LogReader {
  async function* batches(): AsyncGenerator<readonly LogChunk[]> {
    const gaps = new Gaps(options);
    for await (const batch of reader.batches()) yield gaps.show(batch);
  }
  return {
    batches,
    async *[Symbol.asyncIterator]() {
      for await (const batch of batches()) yield* batch;
    },
  };
}

class Gaps {
  readonly #options: GapOptions;
  #isLineOpen = false;
  /** The last chunk was a mark: the next one that says the same is of the same gap. */
  #isMarked = false;

  constructor(options: GapOptions) {
    this.#options = options;
  }

  show(batch: readonly LogChunk[]): readonly LogChunk[] {
    const shown = batch.some(({ dropped }) => dropped) ? batch.flatMap((chunk) => this.#show(chunk)) : batch;
    if (shown === batch && batch.length > 0) this.#isMarked = false;
    const last = shown.findLast(({ stream }) => stream === this.#options.stream);
    if (last !== undefined) this.#isLineOpen = last.data.at(-1) !== NEWLINE;
    return shown;
  }

  #show(chunk: LogChunk): LogChunk[] {
    const { stream, isTerminal } = this.#options;
    const result: LogChunk[] = [];
    if (chunk.dropped && !this.#isMarked) {
      const end = isTerminal ? '\r\n' : '\n';
      const data = Buffer.from(`${this.#isLineOpen ? end : ''}${gapLine}${end}`);
      result.push({ stream, timeNs: chunk.timeNs, data, dropped: true });
      this.#isLineOpen = false;
    }
    this.#isMarked = chunk.dropped && chunk.data.length === 0;
    if (chunk.data.length > 0) {
      if (chunk.stream === stream) this.#isLineOpen = chunk.data.at(-1) !== NEWLINE;
      result.push(chunk);
    }
    return result;
  }
}
