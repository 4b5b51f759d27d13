// One file of a log, opened: as the monitor wrote it, or packed after its rotation. A packed one can only be read forwards, once.
import { closeSync, constants, createReadStream, fstatSync, openSync, read } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { EngineError } from '../../errors/engine-error.ts';

const readFd = promisify(read);

export interface LogFile {
  /** Bytes of records in it by now; of a packed one nobody knows before the end. */
  size(): number;
  /** How many bytes came; fewer than asked at the end. `offset` does not go back behind that of the last call. */
  read(into: Buffer, length: number, offset: number): Promise<number>;
  close(): void;
}

/** Undefined when rotation has deleted it (or has not made it yet). */
export function openLogFile(logDir: string, seq: number): LogFile | undefined {
  const plain = open(join(logDir, `log.${seq}`));
  if (plain !== undefined) return new PlainLogFile(plain);
  // Packed before the plain one goes: whoever misses that finds this.
  const packed = open(join(logDir, `log.${seq}.gz`));
  return packed === undefined ? undefined : new PackedLogFile(packed);
}

class PlainLogFile implements LogFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  size(): number {
    return fstatSync(this.#fd).size;
  }

  async read(into: Buffer, length: number, offset: number): Promise<number> {
    return (await readFd(this.#fd, into, 0, length, offset)).bytesRead;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Unpacks as it is read: what it holds is what was asked for and one piece more. */
class PackedLogFile implements LogFile {
  readonly #fd: number;
  #pieces: AsyncIterator<Buffer> | undefined;
  #stop = (): void => closeSync(this.#fd);
  #kept = Buffer.alloc(0);
  /** Where `#kept` begins, in the unpacked file. */
  #at = 0;
  #hasEnded = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  size(): number {
    return Number.POSITIVE_INFINITY;
  }

  async read(into: Buffer, length: number, offset: number): Promise<number> {
    while (!this.#hasEnded && this.#at + this.#kept.length < offset + length) await this.#unpack(offset);
    this.#drop(offset);
    return this.#kept.copy(into, 0, 0, length);
  }

  close(): void {
    this.#stop();
    this.#hasEnded = true;
  }

  async #unpack(offset: number): Promise<void> {
    this.#pieces ??= this.#begin();
    try {
      const { value, done } = await this.#pieces.next();
      if (done) this.#hasEnded = true;
      else this.#kept = Buffer.concat([this.#kept, value]);
    } catch {
      // Damaged: as with records, what is before that can be read.
      this.#hasEnded = true;
    }
    this.#drop(offset);
  }

  #drop(offset: number): void {
    const passed = Math.min(Math.max(offset - this.#at, 0), this.#kept.length);
    this.#kept = this.#kept.subarray(passed);
    this.#at += passed;
  }

  /** The stream has the descriptor from here on: it does not close it while a read is under way. */
  #begin(): AsyncIterator<Buffer> {
    const source = createReadStream('', { fd: this.#fd });
    const unpacked = createGunzip();
    pipeline(source, unpacked, () => undefined);
    this.#stop = () => void unpacked.destroy();
    return unpacked[Symbol.asyncIterator]();
  }
}

function open(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new EngineError('system', `open ${path}: ${code}`, { cause });
  }
}
