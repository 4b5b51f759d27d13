// An archive of images on its way in: its files lie one after the other in one file of staging/, and an index says where, because entries
// come in any order. Names are only ever keys here: no path of the archive is opened.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import type { ByteSource } from '../../jail/decoding/decompress.ts';
import { GarbageMeter } from '../../jail/garbage-meter.ts';
import type { FileRange } from '../../jail/messages.ts';
import { FormatError } from '../../protocols/format-error.ts';
import { displayName, type TarEntry } from '../../protocols/tar/tar-entry.ts';
import { defaultTarLimits, TarReader, type TarSink } from '../../protocols/tar/tar-reader.ts';

/** Of one archive: a layer has four or five. */
const MAX_ENTRIES = 100_000;
/** Of all names together. */
const MAX_NAME_BYTES = 8 * 1024 * 1024;
/** Links that lead to links. */
const MAX_LINKS = 16;
const READ_BYTES = 1024 * 1024;
/** What comes is written when this much is there. */
const WRITE_BYTES = 1024 * 1024;

export interface SpooledFile {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

type Indexed = SpooledFile | { readonly linkTo: string };

export class ArchiveSpool implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  #index: ReadonlyMap<string, Indexed> = new Map();
  #isGone = false;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async open(staging: string): Promise<ArchiveSpool> {
    const path = join(staging, randomBytes(8).toString('hex'));
    return new ArchiveSpool(path, await open(path, 'wx+', 0o600));
  }

  /** Reads a whole archive; `source` is released, however it ends. `onFile` is told of each file that is there, while others still come. */
  async read(source: ByteSource, onFile: (file: SpooledFile) => void, signal?: AbortSignal): Promise<void> {
    try {
      const writer = new Spooler(this.#file, onFile);
      this.#index = writer.index;
      const reader = new TarReader(writer, { ...defaultTarLimits, maxEntries: MAX_ENTRIES });
      const meter = new GarbageMeter();
      for await (const chunk of source.stream.iterator({ destroyOnReturn: false })) {
        signal?.throwIfAborted();
        reader.write(chunk as Buffer);
        meter.count((chunk as Buffer).length);
        if (writer.waitingBytes >= WRITE_BYTES) await writer.flush();
      }
      reader.end();
      await writer.flush();
    } catch (error) {
      throw error instanceof FormatError ? new EngineError('invalid', error.message, { cause: error }) : error;
    } finally {
      source.release();
    }
  }

  /** The file of that name, links followed inside the archive. undefined: there is none. Throws when the name leads out of it. */
  find(name: string): SpooledFile | undefined {
    let path = cleanName(name);
    for (let hops = 0; hops <= MAX_LINKS; hops++) {
      const found = this.#index.get(path);
      if (found === undefined || !('linkTo' in found)) return found;
      path = found.linkTo;
    }
    throw new EngineError('invalid', `read archive: ${displayName(name)} is a link that leads to too many others`);
  }

  get(name: string): SpooledFile {
    const found = this.find(name);
    if (found !== undefined) return found;
    throw new EngineError('invalid', `read archive: it holds no ${displayName(name).slice(0, 200)}`);
  }

  /** A small file's bytes. */
  async content({ name, offset, bytes }: SpooledFile, maxBytes: number): Promise<Buffer> {
    if (bytes > maxBytes)
      throw new EngineError('invalid', `read archive: ${displayName(name)} has ${bytes} bytes, more than ${maxBytes}`);
    const buffer = Buffer.alloc(bytes);
    for (let done = 0; done < bytes; ) {
      const { bytesRead } = await this.#file.read(buffer, done, bytes - done, offset + done);
      if (bytesRead === 0) throw new EngineError('system', 'read archive: the spooled file is too short');
      done += bytesRead;
    }
    return buffer;
  }

  range({ offset, bytes }: SpooledFile): FileRange {
    return { fd: this.#file.fd, offset, bytes };
  }

  /** Not a stream of node:fs: that closes the descriptor when a pipeline fails, whatever autoClose says, and others still use it. */
  stream(file: SpooledFile): Readable {
    const stream = Readable.from(this.#chunks(file), { objectMode: false, highWaterMark: READ_BYTES });
    // It may fail after its reader has left: an error that nobody hears would end the daemon.
    return stream.on('error', () => undefined);
  }

  /** All bytes of a file, piece by piece in the same memory: `use` is done with them when it resolves. */
  async each(file: SpooledFile, use: (bytes: Buffer) => Promise<void>): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, file.bytes)));
    for (let done = 0; done < file.bytes; ) {
      const wanted = Math.min(buffer.length, file.bytes - done);
      const { bytesRead } = await this.#file.read(buffer, 0, wanted, file.offset + done);
      if (bytesRead === 0) throw new EngineError('system', 'read archive: the spooled file is too short');
      await use(buffer.subarray(0, bytesRead));
      done += bytesRead;
    }
  }

  async *#chunks({ offset, bytes }: SpooledFile): AsyncGenerator<Buffer> {
    for (let done = 0; done < bytes; ) {
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, bytes - done));
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, offset + done);
      if (bytesRead === 0) throw new EngineError('system', 'read archive: the spooled file is too short');
      done += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isGone) return;
    this.#isGone = true;
    // First: what is not on the disk yet does not have to go there.
    rmSync(this.#path, { force: true });
    await this.#file.close();
  }
}

/** Takes what the tar reader tells: the index grows at once, the bytes are written when there are enough of them. */
class Spooler implements TarSink {
  readonly index = new Map<string, Indexed>();
  readonly #file: FileHandle;
  readonly #onFile: (file: SpooledFile) => void;
  /** Whole, but not yet written. */
  #ended: SpooledFile[] = [];
  #current: SpooledFile | undefined;
  /** Copied here at once, what comes dies young; kept until it is written, it would cost a collection of the whole heap every few megabytes. */
  #buffer = Buffer.allocUnsafeSlow(2 * WRITE_BYTES);
  waitingBytes = 0;
  #offset = 0;
  #nameBytes = 0;

  constructor(file: FileHandle, onFile: (file: SpooledFile) => void) {
    this.#file = file;
    this.#onFile = onFile;
  }

  /** A name that comes again replaces what it was, as when an archive is unpacked. */
  entry(entry: TarEntry): void {
    const name = cleanName(entry.path);
    this.#nameBytes += entry.path.length + entry.linkPath.length;
    if (this.#nameBytes > MAX_NAME_BYTES) throw new EngineError('invalid', 'read archive: its names are too long');
    if (entry.extents !== undefined)
      throw new EngineError('invalid', `read archive: ${displayName(name)} is a sparse file`);
    if (entry.type === 'file') {
      this.#current = { name, offset: this.#offset, bytes: entry.sizeBytes };
      this.index.set(name, this.#current);
      this.#offset += entry.sizeBytes;
    } else if (entry.type === 'symlink') {
      const parent = name.includes('/') ? name.slice(0, name.lastIndexOf('/') + 1) : '';
      const target = entry.linkPath.startsWith('/') ? entry.linkPath : parent + entry.linkPath;
      this.index.set(name, { linkTo: cleanName(target) });
    } else if (entry.type === 'link') this.index.set(name, { linkTo: cleanName(entry.linkPath) });
    else if (entry.type !== 'directory')
      throw new EngineError('invalid', `read archive: ${displayName(name)} is neither file nor directory nor link`);
  }

  data(bytes: Buffer): void {
    const needed = this.waitingBytes + bytes.length;
    if (needed > this.#buffer.length)
      this.#buffer = Buffer.concat([this.#buffer.subarray(0, this.waitingBytes)], 2 * needed);
    bytes.copy(this.#buffer, this.waitingBytes);
    this.waitingBytes = needed;
  }

  end(): void {
    if (this.#current !== undefined) this.#ended.push(this.#current);
    this.#current = undefined;
  }

  async flush(): Promise<void> {
    const ended = this.#ended;
    this.#ended = [];
    for (let done = 0; done < this.waitingBytes; ) {
      const { bytesWritten } = await this.#file.write(this.#buffer, done, this.waitingBytes - done);
      done += bytesWritten;
    }
    this.waitingBytes = 0;
    for (const file of ended) this.#onFile(file);
  }
}

/** "./a/../b" becomes "b". Throws when it leads above the archive. */
function cleanName(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined)
        throw new EngineError('invalid', `read archive: ${displayName(path).slice(0, 200)} leads out of the archive`);
    } else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}
