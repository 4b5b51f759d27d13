// Files of lines that are too many for memory: written and read a piece at a time, by synchronous calls.
import { readSync, writeSync } from 'node:fs';
import { FormatError } from '../protocols/format-error.ts';

const PIECE_BYTES = 64 * 1024;
const LINE_END = 0x0a;

/** Cuts bytes at line ends, whatever pieces they come in. Lines are byte strings or text, as `encoding` says. */
export class LineCutter {
  readonly #maxBytes: number;
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that are whole now. Throws FormatError for one that is too long. */
  *cut(piece: Buffer): Generator<string> {
    let start = 0;
    for (let end = piece.indexOf(LINE_END); end >= 0; end = piece.indexOf(LINE_END, start)) {
      yield this.#line(piece.subarray(start, end));
      start = end + 1;
    }
    if (start === piece.length) return;
    // A copy: the piece's memory is its owner's.
    this.#rest.push(Buffer.from(piece.subarray(start)));
    this.#restBytes += piece.length - start;
    if (this.#restBytes > this.#maxBytes) throw new FormatError('read lines: a line is too long');
  }

  /** What stood behind the last line end. */
  end(): string {
    return this.#line(Buffer.alloc(0));
  }

  #line(last: Buffer): string {
    if (this.#restBytes === 0 && last.length <= this.#maxBytes) return last.toString('utf8');
    const all = Buffer.concat([...this.#rest, last]);
    this.#rest = [];
    this.#restBytes = 0;
    if (all.length > this.#maxBytes) throw new FormatError('read lines: a line is too long');
    return all.toString('utf8');
  }
}

/** The lines of a file, from its start. The descriptor stays the caller's. */
export function* linesOf(fd: number, maxBytes: number): Generator<string> {
  const cutter = new LineCutter(maxBytes);
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  for (let at = 0; ; ) {
    const count = readSync(fd, piece, 0, piece.length, at);
    if (count === 0) break;
    at += count;
    yield* cutter.cut(piece.subarray(0, count));
  }
  const last = cutter.end();
  if (last !== '') yield last;
}

/** Writes lines to a file that is open for it. */
export class LineWriter {
  readonly #fd: number;
  readonly #piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  #used = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#used + bytes.length > this.#piece.length) this.flush();
    if (bytes.length > this.#piece.length) writeAll(this.#fd, bytes);
    else this.#used += bytes.copy(this.#piece, this.#used);
  }

  flush(): void {
    writeAll(this.#fd, this.#piece.subarray(0, this.#used));
    this.#used = 0;
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}
