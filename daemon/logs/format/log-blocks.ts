// Walks the files of a log in order and reads them in large blocks of whole records. Knows rotation, not time, lines or streams.
import { type LogPlace, logSequences } from './log-directory.ts';
import { type LogFile, openLogFile } from './log-file.ts';
import { decodeRecords, type LogRecord } from './log-record.ts';

/** Larger than the largest record, so that every block has a whole one. More would only be more memory for each reader. */
const BLOCK_BYTES = 256 * 1024;
/** A reader of an idle container needs no more. */
const SMALL_BLOCK_BYTES = 4 * 1024;

/** Valid until the next is asked for: its memory is used again. */
export interface LogBlock {
  readonly seq: number;
  /** Where the block begins in its file. */
  readonly offset: number;
  readonly chunks: readonly LogRecord[];
}

/**
 * A place in the log that moves forward. The file at the place stays open, so rotation cannot take it away; `openRest` does the same for all
 * that follow, after which the directory may be removed.
 */
export class LogBlocks implements Disposable {
  readonly #logDir: string;
  readonly #onMove: (seq: number) => void;
  readonly #end: LogPlace | undefined;
  /** Opened ahead, by sequence number. */
  readonly #ahead = new Map<number, LogFile>();
  #isWhole = false;
  #buffer = Buffer.alloc(0);
  #file: LogFile | undefined;
  #seq: number;
  #offset: number;

  /** `onMove` is told of each file that is begun. Nothing is read from `end` on. */
  constructor(logDir: string, start: LogPlace, onMove: (seq: number) => void = () => {}, end?: LogPlace) {
    this.#logDir = logDir;
    this.#end = end;
    this.#seq = start.seq;
    this.#offset = start.offset;
    this.#onMove = onMove;
    this.#file = openLogFile(logDir, start.seq);
  }

  get seq(): number {
    return this.#seq;
  }

  /** The next whole records; undefined when there are none yet, or none any more. `newestSeq`: no later file than this is there. */
  async next(newestSeq = Number.POSITIVE_INFINITY): Promise<LogBlock | undefined> {
    for (;;) {
      const block = this.#file === undefined ? undefined : await this.#readBlock(this.#file);
      if (block) return block;
      if (this.#file !== undefined && newestSeq <= this.#seq) return undefined;
      // Once there is a next file nothing more is appended to this one: but it may have grown before that file was made.
      const following = this.#openFollowing();
      if (!following) return undefined;
      const last = this.#file === undefined ? undefined : await this.#readBlock(this.#file);
      if (last) {
        this.#ahead.set(following.seq, following.file);
        return last;
      }
      this.#moveTo(following);
    }
  }

  /** Opens every file that is left, now: from here on the directory is not needed. Call it when nothing will be appended any more. */
  openRest(): void {
    if (this.#isWhole) return;
    for (const seq of logSequences(this.#logDir)) {
      if (seq <= this.#seq && this.#file !== undefined) continue;
      if (seq < this.#seq || this.#ahead.has(seq)) continue;
      const file = openLogFile(this.#logDir, seq);
      if (file !== undefined) this.#ahead.set(seq, file);
    }
    this.#isWhole = true;
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
    for (const file of this.#ahead.values()) file.close();
    this.#ahead.clear();
  }

  async #readBlock(file: LogFile): Promise<LogBlock | undefined> {
    const size = Math.min(this.#limit(file.size()) - this.#offset, BLOCK_BYTES);
    if (size <= 0) return undefined;
    if (this.#buffer.length < size) {
      this.#buffer = Buffer.allocUnsafeSlow(size <= SMALL_BLOCK_BYTES ? SMALL_BLOCK_BYTES : BLOCK_BYTES);
    }
    const bytesRead = await file.read(this.#buffer, size, this.#offset);
    const { chunks, used } = decodeRecords(this.#buffer.subarray(0, bytesRead));
    if (chunks.length === 0) return undefined;
    const block = { seq: this.#seq, offset: this.#offset, chunks };
    this.#offset += used;
    return block;
  }

  /** How much of the open file may be read, of `fileBytes`. */
  #limit(fileBytes: number): number {
    if (this.#end === undefined || this.#seq < this.#end.seq) return fileBytes;
    return this.#seq === this.#end.seq ? Math.min(fileBytes, this.#end.offset) : 0;
  }

  #openFollowing(): { seq: number; file: LogFile } | undefined {
    const lowestAhead = Math.min(...this.#ahead.keys());
    const file = this.#ahead.get(lowestAhead);
    if (file !== undefined) {
      this.#ahead.delete(lowestAhead);
      return { seq: lowestAhead, file };
    }
    if (this.#isWhole) return undefined;
    for (const seq of logSequences(this.#logDir)) {
      if (seq < this.#seq || (seq === this.#seq && this.#file !== undefined)) continue;
      const opened = openLogFile(this.#logDir, seq);
      if (opened !== undefined) return { seq, file: opened };
    }
    return undefined;
  }

  #moveTo({ seq, file }: { seq: number; file: LogFile }): void {
    this.#file?.close();
    // The file at a start that did not exist yet is read from where the caller said.
    if (seq !== this.#seq) this.#offset = 0;
    this.#file = file;
    this.#seq = seq;
    this.#onMove(seq);
  }
}
