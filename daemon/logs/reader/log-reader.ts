// Reads a container's log at its own pace: from the start, the end or a place, by time, the last lines, and on while it grows.
// However slow its consumer is, it holds one block in memory and the container goes on, unless `lossless` asks otherwise.
import { LogBlocks } from '../format/log-blocks.ts';
import { type LogPlace, logEnd, logSequences } from '../format/log-directory.ts';
import type { LogChunk, LogRecord } from '../format/log-record.ts';
import { findTail } from './log-tail.ts';
import type { LogHold, LogWriter } from './log-writer.ts';

export interface LogReaderOptions {
  readonly from: 'start' | 'end' | LogPlace;
  /** Only the last lines of what is there at the start; overrides `from`. */
  readonly tail?: number;
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
  /** Go on until this writer ends. */
  readonly follow?: LogWriter;
  /** The container waits rather than have rotation delete what this reader has not read. Needs `follow`. */
  readonly lossless?: boolean;
  readonly signal: AbortSignal;
}

export interface LogReader extends AsyncIterable<LogChunk> {
  /** The same chunks, as many at once as one read gave: for those who read much. Their data is valid until the next batch is asked for,
   * that of single chunks until the next chunk. */
  batches(): AsyncIterable<readonly LogChunk[]>;
}

const NEWLINE = 10;
const NANOSECONDS_PER_MS = 1_000_000n;
/** setTimeout's own limit. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What is to be read is settled here, not at the first read: with `lossless` nothing after this call is lost. Iterate it once. */
export function openLogReader(logDir: string, options: LogReaderOptions): LogReader {
  const source = new LogSource(logDir, options);
  return {
    batches: () => source.batches(),
    async *[Symbol.asyncIterator]() {
      for await (const batch of source.batches()) yield* batch;
    },
  };
}

class LogSource {
  readonly #logDir: string;
  readonly #options: LogReaderOptions;
  readonly #wake = new Wake();
  readonly #hold: LogHold | undefined;
  readonly #undo: (() => void)[] = [];
  /** Without `follow`: a container that writes faster than this is read must not make the answer endless, nor longer than its tail. */
  readonly #end: LogPlace | undefined;
  /** The monitor's first answer: the end of the log at the time of the subscription, between two records. */
  readonly #firstPosition: Promise<LogPlace | undefined>;
  #blocks: LogBlocks | undefined;
  #isRead = false;
  /** As the monitor has told: spares looking for a next file after every block. */
  #newestSeq: number | undefined;

  constructor(logDir: string, options: LogReaderOptions) {
    this.#logDir = logDir;
    this.#options = options;
    const { from, tail, follow, lossless, signal } = options;
    const first = Promise.withResolvers<LogPlace | undefined>();
    this.#firstPosition = first.promise;
    const [lowest = 0] = logSequences(logDir);
    const known = typeof from === 'object' ? from : { seq: lowest, offset: 0 };
    const isFollowing = follow !== undefined && !follow.hasEnded;
    if (follow === undefined) this.#end = logEnd(logDir);
    if (isFollowing && lossless) this.#hold = follow.holdLog(known.seq);
    if (tail === undefined && from !== 'end') this.#open(known);
    const wake = () => {
      this.#wake.set();
      // A reader whose consumer left before the first read has nobody else to close it.
      if (signal.aborted && !this.#isRead) this.#close();
    };
    signal.addEventListener('abort', wake);
    this.#undo.push(() => signal.removeEventListener('abort', wake));
    if (!isFollowing) {
      first.resolve(undefined);
      return;
    }
    this.#undo.push(
      follow.onLog(({ seq, size }) => {
        this.#newestSeq = seq;
        first.resolve({ seq, offset: size });
        wake();
      }),
      follow.onEnd(() => {
        this.#blocks?.openRest();
        first.resolve(undefined);
        wake();
      }),
      this.#wakeAt(options.untilNs),
    );
  }

  async *batches(): AsyncGenerator<readonly LogChunk[]> {
    const { follow, signal } = this.#options;
    this.#isRead = true;
    try {
      if (signal.aborted) return;
      const { blocks, skipBytes } = await this.#start();
      const skipsPartialLine = this.#options.from === 'start' && this.#options.tail === undefined;
      let trim = (records: readonly LogRecord[]) => trimFirst(records, skipBytes, skipsPartialLine);
      while (!signal.aborted) {
        // Asked for before the read: an end in between then is seen at the next round.
        const hadEnded = !follow || follow.hasEnded;
        const block = await blocks.next(hadEnded ? undefined : this.#newestSeq);
        if (block) {
          const { chunks, isPast } = this.#select(trim(block.chunks));
          trim = (records) => records;
          if (chunks.length > 0 && !signal.aborted) yield chunks;
          if (isPast) return;
        } else if (hadEnded || this.#isPastUntil()) {
          return;
        } else {
          await this.#wake.wait();
        }
      }
    } finally {
      this.#close();
    }
  }

  async #start(): Promise<{ blocks: LogBlocks; skipBytes: number }> {
    if (this.#blocks) return { blocks: this.#blocks, skipBytes: 0 };
    const { tail } = this.#options;
    const end = tail === undefined ? await this.#firstPosition : undefined;
    if (end) return { blocks: this.#open(end), skipBytes: 0 };
    const { seq, offset, skipBytes } = await findTail(this.#logDir, tail ?? 0, this.#end);
    return { blocks: this.#open({ seq, offset }), skipBytes };
  }

  /** Files that rotation or removal may take away are opened as soon as it is known which. */
  #open(place: LogPlace): LogBlocks {
    const { follow } = this.#options;
    const blocks = new LogBlocks(this.#logDir, place, (seq) => this.#hold?.moveTo(seq), this.#end);
    this.#hold?.moveTo(place.seq);
    this.#blocks = blocks;
    if (follow?.hasEnded) blocks.openRest();
    return blocks;
  }

  #select(records: readonly LogChunk[]): { chunks: readonly LogChunk[]; isPast: boolean } {
    const { sinceNs, untilNs } = this.#options;
    if (sinceNs === undefined && untilNs === undefined) return { chunks: records, isPast: false };
    const chunks: LogChunk[] = [];
    for (const record of records) {
      const { timeNs } = record;
      if (untilNs !== undefined && timeNs > untilNs) return { chunks, isPast: true };
      if (sinceNs === undefined || timeNs >= sinceNs) chunks.push(record);
    }
    return { chunks, isPast: false };
  }

  #isPastUntil(): boolean {
    const { untilNs } = this.#options;
    return untilNs !== undefined && nowNs() > untilNs;
  }

  #wakeAt(untilNs: bigint | undefined): () => void {
    if (untilNs === undefined) return () => {};
    const delayMs = Number((untilNs - nowNs()) / NANOSECONDS_PER_MS) + 1;
    const timer = setTimeout(() => this.#wake.set(), Math.min(Math.max(delayMs, 0), MAX_TIMER_MS));
    return () => clearTimeout(timer);
  }

  #close(): void {
    for (const undo of this.#undo.splice(0)) undo();
    this.#hold?.release();
    this.#blocks?.[Symbol.dispose]();
    this.#blocks = undefined;
  }
}

/** One waiter; a call of `set` while nobody waits is kept. */
class Wake {
  #isSet = false;
  #resolve: (() => void) | undefined;

  set(): void {
    this.#isSet = true;
    this.#resolve?.();
  }

  async wait(): Promise<void> {
    if (!this.#isSet) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
      });
    }
    this.#isSet = false;
    this.#resolve = undefined;
  }
}

/** Takes away what belongs to earlier lines: bytes that were counted, or the rest of a line whose beginning rotation has deleted. */
function trimFirst(records: readonly LogRecord[], skipBytes: number, skipsPartialLine: boolean): readonly LogChunk[] {
  const [first, ...others] = records;
  if (!first) return records;
  let skip = skipBytes;
  if (skipsPartialLine && first.continuesLine) skip = first.data.indexOf(NEWLINE) + 1;
  if (skip === 0) return records;
  const { stream, timeNs, dropped } = first;
  const data = first.data.subarray(skip);
  return data.length > 0 ? [{ stream, timeNs, dropped, data }, ...others] : others;
}

function nowNs(): bigint {
  return BigInt(Date.now()) * NANOSECONDS_PER_MS;
}
