// Container output on the wire: raw for a terminal, else in frames of 8 bytes of header (stream, 0, 0, 0, length big endian) and payload, so
// that stdout and stderr can share a connection. Small chunks leave in blocks; a chunk never waits longer than the source is busy.
import type { Writable } from 'node:stream';
import type { OutputChunk } from '../containers/container-service.ts';

const blockBytes = 64 * 1024;
/** Larger chunks are written as they are instead of being copied. */
const copyLimit = 16 * 1024;
const headerBytes = 8;

export type Output = AsyncIterable<OutputChunk | readonly OutputChunk[]>;

/** Docker's numbers: 1 stdout, 2 stderr, 3 a message of the engine itself. */
export type StreamNumber = 1 | 2 | 3;

export interface Framing {
  isFramed: boolean;
  /** Chunks of one stream that follow each other may share a frame: the bytes are the same, and the client has less to do. */
  canMerge: boolean;
}

export class FrameWriter {
  readonly #sink: Writable;
  readonly #framing: Framing;
  #block = Buffer.allocUnsafe(0);
  /** Bytes of the block that are on their way already, and where the next go. */
  #sent = 0;
  #used = 0;
  /** Where the header of the last frame is, while that frame can still grow; -1 when it cannot. */
  #open = -1;
  #openStream = 0;
  #flushSoon: NodeJS.Immediate | undefined;
  /** A write said that the sink is full. */
  #isFull = false;

  constructor(sink: Writable, framing: Framing) {
    this.#sink = sink;
    this.#framing = framing;
  }

  /** false: wait for `drained` before the next. */
  push(stream: StreamNumber, data: Buffer): boolean {
    const isCopied = data.length <= copyLimit;
    if (this.#used + headerBytes + (isCopied ? data.length : 0) > this.#block.length) this.#nextBlock();
    if (this.#framing.isFramed) this.#frame(stream, data.length);
    if (isCopied) {
      this.#used += data.copy(this.#block, this.#used);
      this.#flushSoon ??= setImmediate(() => this.flush());
    } else {
      this.flush();
      this.#write(data);
    }
    return !this.#isFull;
  }

  #frame(stream: StreamNumber, length: number): void {
    if (this.#open >= 0 && this.#openStream === stream) {
      this.#block.writeUInt32BE(this.#block.readUInt32BE(this.#open + 4) + length, this.#open + 4);
      return;
    }
    this.#block.writeUInt32BE(stream << 24, this.#used);
    this.#block.writeUInt32BE(length, this.#used + 4);
    this.#open = this.#framing.canMerge ? this.#used : -1;
    this.#openStream = stream;
    this.#used += headerBytes;
  }

  flush(): void {
    this.#open = -1;
    if (this.#flushSoon !== undefined) clearImmediate(this.#flushSoon);
    this.#flushSoon = undefined;
    if (this.#used === this.#sent) return;
    const part = this.#block.subarray(this.#sent, this.#used);
    this.#sent = this.#used;
    this.#write(part);
  }

  /** Resolves when the sink has room again or is closed. */
  drained(): Promise<void> {
    this.#isFull = false;
    if (this.#sink.destroyed || !this.#sink.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#sink.off('drain', done).off('close', done);
        resolve();
      };
      this.#sink.on('drain', done).on('close', done);
    });
  }

  #nextBlock(): void {
    this.flush();
    this.#block = Buffer.allocUnsafeSlow(blockBytes);
    this.#sent = 0;
    this.#used = 0;
  }

  #write(bytes: Buffer): void {
    if (this.#sink.destroyed || this.#sink.writableEnded) return;
    if (!this.#sink.write(bytes)) this.#isFull = true;
  }
}

/** Writes all of it, at the pace of the sink. Returns early, and ends the source, when the sink is closed. */
export async function pumpOutput(output: Output, sink: Writable, framing: Framing): Promise<void> {
  const writer = new FrameWriter(sink, framing);
  for await (const item of output) {
    if (sink.destroyed) return;
    if (Array.isArray(item)) {
      for (const chunk of item as readonly OutputChunk[]) {
        if (!writer.push(chunk.stream, chunk.data)) await writer.drained();
      }
    } else {
      const chunk = item as OutputChunk;
      if (!writer.push(chunk.stream, chunk.data)) await writer.drained();
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
