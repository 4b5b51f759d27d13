// Reads a tar stream entry by entry, in bounded memory.
import { CliError } from '../errors.ts';
import { applyPaxRecords, blockBytes, decodeHeader, roundUp, type TarEntry } from './header.ts';

export interface ReadEntry extends TarEntry {
  /** Must be read, or the next entry skips it. */
  body: AsyncIterable<Buffer>;
}

/** Pax headers and long names are kept in memory. */
const maxMetadataBytes = 1 << 20;

export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ReadEntry> {
  const source = new ByteSource(chunks);
  let pax: Buffer[] = [];
  let longName: string | undefined;
  let longLink: string | undefined;
  for (;;) {
    const block = await source.exactly(blockBytes);
    const header = block && decodeHeader(block);
    if (!header) break;
    const { flag, entry } = header;
    if (flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K') {
      const body = await metadata(source, entry.size);
      if (flag === 'x') pax.push(body);
      else if (flag === 'L') longName = body.toString('latin1').replace(/\0.*$/s, '');
      else if (flag === 'K') longLink = body.toString('latin1').replace(/\0.*$/s, '');
      continue;
    }
    if (longName !== undefined) entry.name = longName;
    if (longLink !== undefined) entry.linkName = longLink;
    for (const body of pax) applyPaxRecords(entry, body);
    pax = [];
    longName = longLink = undefined;
    if (entry.type !== 'file') entry.size = 0;
    const body = new EntryBody(source, entry.size);
    yield { ...entry, body };
    await body.skip();
  }
  // The daemon may still be writing padding; a connection must be read to its end to be used again.
  while (await source.some());
}

async function metadata(source: ByteSource, size: number): Promise<Buffer> {
  if (size > maxMetadataBytes) throw new CliError('tar: header too large');
  const padded = await source.exactly(roundUp(size));
  if (!padded) throw new CliError('tar: unexpected end of archive');
  return padded.subarray(0, size);
}

class EntryBody implements AsyncIterable<Buffer> {
  readonly #source: ByteSource;
  #remaining: number;
  #padding: number;

  constructor(source: ByteSource, size: number) {
    this.#source = source;
    this.#remaining = size;
    this.#padding = roundUp(size) - size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    while (this.#remaining > 0) {
      const chunk = await this.#source.some(this.#remaining);
      if (!chunk) throw new CliError('tar: unexpected end of archive');
      this.#remaining -= chunk.length;
      yield chunk;
    }
    await this.#source.exactly(this.#padding);
    this.#padding = 0;
  }

  async skip(): Promise<void> {
    for await (const _ of this);
  }
}

class ByteSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#iterator = chunks[Symbol.asyncIterator]();
  }

  /** At most `limit` bytes; undefined at the end. */
  async some(limit = Number.POSITIVE_INFINITY): Promise<Buffer | undefined> {
    while (this.#buffer.length === 0) {
      const { value, done } = await this.#iterator.next();
      if (done) return undefined;
      this.#buffer = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    const chunk = this.#buffer.subarray(0, limit);
    this.#buffer = this.#buffer.subarray(chunk.length);
    return chunk;
  }

  /** Undefined at a clean end; an end in between is an error. */
  async exactly(size: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    for (let missing = size; missing > 0; ) {
      const chunk = await this.some(missing);
      if (!chunk) {
        if (missing === size) return undefined;
        throw new CliError('tar: unexpected end of archive');
      }
      parts.push(chunk);
      missing -= chunk.length;
    }
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }
}
