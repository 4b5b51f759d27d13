// A tar as entries to be taken one after the other, for readers that may wait in between: TarReader's events, kept for the length of a chunk.
import type { TarEntry } from './tar-entry.ts';
import { defaultTarLimits, type TarLimits, TarReader, type TarSink } from './tar-reader.ts';

export interface ReadEntry extends TarEntry {
  /** All bytes of the file, holes too. What is not read is skipped when the next entry is asked for. */
  readonly body: AsyncIterable<Buffer>;
}

type Event = { kind: 'entry'; entry: TarEntry } | { kind: 'data'; bytes: Buffer; offset: number } | { kind: 'end' };

const ZEROS = Buffer.alloc(64 * 1024);

/**
 * Reads `chunks` to their end, also what follows the archive: a connection must be read out to be used again. Bytes of a body are the
 * chunk's own memory. Throws FormatError.
 */
export async function* readEntries(
  chunks: AsyncIterable<Uint8Array>,
  limits: TarLimits = defaultTarLimits,
): AsyncGenerator<ReadEntry> {
  const events = new EventQueue(chunks, limits);
  for (let event = await events.next(); event !== undefined; event = await events.next()) {
    if (event.kind !== 'entry') continue;
    yield { ...event.entry, body: new EntryBody(events, event.entry.sizeBytes) };
  }
}

class EventQueue implements TarSink {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #reader: TarReader;
  #events: Event[] = [];
  #taken = 0;
  #isOver = false;

  constructor(chunks: AsyncIterable<Uint8Array>, limits: TarLimits) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#reader = new TarReader(this, limits);
  }

  entry(entry: TarEntry): void {
    this.#events.push({ kind: 'entry', entry });
  }

  data(bytes: Buffer, offset: number): void {
    this.#events.push({ kind: 'data', bytes, offset });
  }

  end(): void {
    this.#events.push({ kind: 'end' });
  }

  /** Undefined when an entry comes next, or nothing. */
  async nextOfBody(): Promise<Exclude<Event, { kind: 'entry' }> | undefined> {
    await this.#fill();
    const event = this.#events[this.#taken];
    if (event === undefined || event.kind === 'entry') return undefined;
    this.#taken++;
    return event;
  }

  async next(): Promise<Event | undefined> {
    await this.#fill();
    return this.#events[this.#taken++];
  }

  async #fill(): Promise<void> {
    while (this.#taken >= this.#events.length && !this.#isOver) {
      this.#events = [];
      this.#taken = 0;
      const { value, done } = await this.#chunks.next();
      this.#isOver = done === true;
      if (this.#isOver) this.#reader.end();
      else this.#reader.write(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    }
  }
}

class EntryBody implements AsyncIterable<Buffer> {
  readonly #events: EventQueue;
  readonly #sizeBytes: number;

  constructor(events: EventQueue, sizeBytes: number) {
    this.#events = events;
    this.#sizeBytes = sizeBytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    let at = 0;
    for (;;) {
      const event = await this.#events.nextOfBody();
      if (event?.kind !== 'data') break;
      yield* zeros(event.offset - at);
      yield event.bytes;
      at = event.offset + event.bytes.length;
    }
    yield* zeros(this.#sizeBytes - at);
  }
}

function* zeros(count: number): Generator<Buffer> {
  for (let left = count; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, left);
}
