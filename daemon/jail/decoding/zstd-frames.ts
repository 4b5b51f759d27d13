// Cuts a zstd stream between its frames (RFC 8878, 3.1). Node's decoder takes frames one after the other, but takes what follows a frame in the
// same piece of input for garbage and drops it: files of pzstd and of zstd:chunked, which have many frames, would end early.
import { Transform, type TransformCallback } from 'node:stream';

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const RLE = 1;

/** What comes next: bytes whose values matter, bytes that only have to pass, or a place to cut. */
type Step = { read: number } | { pass: number } | 'cut';

/** The same bytes, in pieces none of which holds parts of two frames. What is no zstd passes as it is: the decoder says what is wrong. */
export class ZstdFrames extends Transform {
  readonly #steps = frames();
  #step = this.#steps.next().value as Step;
  #left = bytesOf(this.#step);
  #read: Buffer[] = [];

  constructor() {
    // Pieces have to stay as they were cut.
    super({ readableObjectMode: true, readableHighWaterMark: 16 });
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    let begin = 0;
    let at = 0;
    while (at < chunk.length) {
      const end = Math.min(chunk.length, at + this.#left);
      if (typeof this.#step === 'object' && 'read' in this.#step) this.#read.push(chunk.subarray(at, end));
      this.#left -= end - at;
      at = end;
      while (this.#left === 0) {
        this.#next();
        if (this.#step !== 'cut') continue;
        this.push(chunk.subarray(begin, at));
        begin = at;
      }
    }
    if (begin < at) this.push(chunk.subarray(begin));
    // What waits for the next chunk is copied: it is a few bytes of many.
    this.#read = this.#read.map((part) => Buffer.from(part));
    done();
  }

  #next(): void {
    const bytes = Buffer.concat(this.#read);
    this.#read = [];
    this.#step = this.#steps.next(bytes).value as Step;
    this.#left = bytesOf(this.#step);
  }
}

function bytesOf(step: Step): number {
  if (step === 'cut') return 0;
  return 'read' in step ? step.read : step.pass;
}

function* frames(): Generator<Step, never, Buffer> {
  for (;;) {
    const magic = (yield { read: 4 }).readUInt32LE();
    if ((magic & 0xfffffff0) === SKIPPABLE_MAGIC) yield { pass: (yield { read: 4 }).readUInt32LE() };
    else if (magic === FRAME_MAGIC) yield* frame();
    else yield { pass: Number.POSITIVE_INFINITY };
    yield 'cut';
  }
}

function* frame(): Generator<Step, void, Buffer> {
  const descriptor = (yield { read: 1 })[0] as number;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
  yield { pass: (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes };
  for (let isLast = false; !isLast; ) {
    const header = (yield { read: 3 }).readUIntLE(0, 3);
    isLast = (header & 1) === 1;
    yield { pass: ((header >> 1) & 3) === RLE ? 1 : header >> 3 };
  }
  if ((descriptor & 4) !== 0) yield { pass: 4 };
}
