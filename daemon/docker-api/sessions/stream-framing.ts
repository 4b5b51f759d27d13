// Container output on the wire: raw for a terminal, else in frames. Small chunks leave in blocks; a chunk never waits longer than the source is busy.
import type { Writable } from 'node:stream';
import type { OutputChunk } from '../../containers/container-service.ts';
import {
  FRAME_HEADER_BYTES,
  growFrame,
  type StreamNumber,
  writeFrameHeader,
} from '../../protocols/streams/frame-header.ts';

const blockBytes = 64 * 1024;
/** Written blocks that are kept to be filled again. */
const spareBlocks = 4;

/** What a service gives, and where frames are to end inside it: one frame without. Numbers, since an object a line would be the daemon's memory. */
export interface FramedChunk extends OutputChunk {
  readonly frameEnds?: readonly number[];
}

export type Output = AsyncIterable<FramedChunk | readonly FramedChunk[]>;

export interface Framing {
  isFramed: boolean;
  /** Chunks of one stream that follow each other may share a frame: the bytes are the same, and the client has less to do. */
  canMerge: boolean;
}

/** A piece of memory that is filled once, written in one or more parts, and filled again when all of them have left. */
interface Block {
  readonly bytes: Buffer;
  /** Writes that have not been called back. */
  pending: number;
  isFull: boolean;
}

/** INVARIANT: chunks are copied when they are pushed; whoever made them may use their memory again at once. */
export class FrameWriter {
  readonly #sink: Writable;
  readonly #framing: Framing;
  readonly #spare: Block[] = [];
  #block: Block = { bytes: Buffer.alloc(0), pending: 0, isFull: false };
  /** Bytes of the block that are on their way already, and where the next go. */
  #sent = 0;
  #used = 0;
  /** Where the header of the last frame is, while that frame can still grow; -1 when it cannot. */
  #open = -1;
  #openStream = 0;
  #flushSoon: NodeJS.Immediate | undefined;
  /** A write said that the sink is full. */
  #isSinkFull = false;

  constructor(sink: Writable, framing: Framing) {
    this.#sink = sink;
    this.#framing = framing;
  }

  /** Takes the bytes from `start` to `end`. false: wait for `drained` before the next. */
  push(stream: StreamNumber, data: Buffer, start = 0, end = data.length): boolean {
    const length = end - start;
    if (this.#used + FRAME_HEADER_BYTES + Math.min(length, blockBytes / 4) > this.#block.bytes.length)
      this.#nextBlock();
    if (this.#framing.isFramed) this.#frame(stream, length);
    for (let at = start; at < end; ) {
      if (this.#used === this.#block.bytes.length) this.#nextBlock();
      const copied = data.copy(this.#block.bytes, this.#used, at, end);
      this.#used += copied;
      at += copied;
    }
    this.#flushSoon ??= setImmediate(() => this.flush());
    return !this.#isSinkFull;
  }

  flush(): void {
    this.#open = -1;
    if (this.#flushSoon !== undefined) clearImmediate(this.#flushSoon);
    this.#flushSoon = undefined;
    if (this.#used === this.#sent) return;
    const block = this.#block;
    const part = block.bytes.subarray(this.#sent, this.#used);
    this.#sent = this.#used;
    if (this.#sink.destroyed || this.#sink.writableEnded) return;
    block.pending++;
    const hasRoom = this.#sink.write(part, () => {
      block.pending--;
      this.#recycle(block);
    });
    if (!hasRoom) this.#isSinkFull = true;
  }

  /** Resolves when the sink has room again or is closed. */
  drained(): Promise<void> {
    this.#isSinkFull = false;
    if (this.#sink.destroyed || !this.#sink.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#sink.off('drain', done).off('close', done);
        resolve();
      };
      this.#sink.on('drain', done).on('close', done);
    });
  }

  #frame(stream: StreamNumber, length: number): void {
    const { bytes } = this.#block;
    if (this.#open >= 0 && this.#openStream === stream) {
      growFrame(bytes, this.#open, length);
      return;
    }
    writeFrameHeader(bytes, this.#used, stream, length);
    this.#open = this.#framing.canMerge ? this.#used : -1;
    this.#openStream = stream;
    this.#used += FRAME_HEADER_BYTES;
  }

  #nextBlock(): void {
    this.flush();
    this.#block.isFull = true;
    this.#recycle(this.#block);
    this.#block = this.#spare.pop() ?? { bytes: Buffer.allocUnsafeSlow(blockBytes), pending: 0, isFull: false };
    this.#block.isFull = false;
    this.#sent = 0;
    this.#used = 0;
  }

  #recycle(block: Block): void {
    if (block.isFull && block.pending === 0 && block.bytes.length > 0 && this.#spare.length < spareBlocks) {
      this.#spare.push(block);
    }
  }
}

/** Writes all of it, at the pace of the sink. Returns early, and ends the source, when the sink is closed. */
export async function pumpOutput(output: Output, sink: Writable, framing: Framing): Promise<void> {
  const writer = new FrameWriter(sink, framing);
  for await (const item of output) {
    for (const { stream, data, frameEnds } of Array.isArray(item)
      ? (item as readonly FramedChunk[])
      : [item as FramedChunk]) {
      let start = 0;
      for (const end of frameEnds ?? [data.length]) {
        if (sink.destroyed) return;
        if (!writer.push(stream, data, start, end)) await writer.drained();
        start = end;
      }
    }
  }
  writer.flush();
}

/** Clients that only copy what the frames hold. To others a frame of the logs is a line, as it is with Docker. */
export function mergesLogFrames(userAgent: string | undefined): boolean {
  return userAgent !== undefined && /^(?:Docker-Client|tsdocker-cli)\//.test(userAgent);
}

/** Raw for terminals; the newer name only for clients that know it. */
export function streamContentType(isTerminal: boolean, version: number): string {
  const isMultiplexed = !isTerminal && version >= 1042;
  return isMultiplexed ? 'application/vnd.docker.multiplexed-stream' : 'application/vnd.docker.raw-stream';
}
