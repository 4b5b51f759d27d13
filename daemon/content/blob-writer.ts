// A blob on its way into the content store: content/ingest/<hex> grows, and stays when the daemon is killed, so that the next pull goes on
// where it stopped. Only what has the right digest is moved to blobs/, by ContentStore.publish.
import { createHash, type Hash } from 'node:crypto';
import { constants, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isErrno } from '../../native-bindings/errno.ts';
import { EngineError } from '../errors/engine-error.ts';

const READ_BYTES = 1024 * 1024;
const OPEN_FLAGS = constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW;

export class BlobWriter implements AsyncDisposable {
  readonly digest: string;
  readonly path: string;
  readonly #file: FileHandle;
  #hash: Hash = createHash('sha256');
  #offset = 0;
  #isVerified = false;

  private constructor(digest: string, path: string, file: FileHandle) {
    this.digest = digest;
    this.path = path;
    this.#file = file;
  }

  /** Goes on with what is there already, unless that is more than `maxBytes`. One writer at a time: the caller sees to it. */
  static async open(digest: string, path: string, maxBytes: number): Promise<BlobWriter> {
    const writer = new BlobWriter(digest, path, await open(path, OPEN_FLAGS, 0o600));
    try {
      await writer.#hashPresent(maxBytes);
    } catch (error) {
      await writer[Symbol.asyncDispose]();
      throw error;
    }
    return writer;
  }

  /** Bytes that are there: a download goes on from here. */
  get offset(): number {
    return this.#offset;
  }

  get isVerified(): boolean {
    return this.#isVerified;
  }

  /** Throws EngineError 'system' for what the disk says. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength; ) {
      const bytesWritten = await this.#write(bytes.subarray(done));
      this.#hash.update(bytes.subarray(done, done + bytesWritten));
      done += bytesWritten;
      this.#offset += bytesWritten;
    }
  }

  /** The disk's errors are none of the network's: nobody should try again because of them. */
  async #write(bytes: Uint8Array): Promise<number> {
    try {
      return (await this.#file.write(bytes, 0, bytes.byteLength, this.#offset)).bytesWritten;
    } catch (error) {
      // Room is worth more than a beginning.
      if (isErrno(error, 'ENOSPC', 'EDQUOT')) this.discard();
      const why = error instanceof Error ? error.message : String(error);
      throw new EngineError('system', `write blob ${this.digest}: ${why}`, { cause: error });
    }
  }

  /** Begins anew. */
  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = createHash('sha256');
    this.#offset = 0;
  }

  /** Reads what was written, also while more is written. Returns 0 at its present end. */
  async read(buffer: Uint8Array, position: number): Promise<number> {
    const length = Math.min(buffer.byteLength, this.#offset - position);
    if (length <= 0) return 0;
    return (await this.#file.read(buffer, 0, length, position)).bytesRead;
  }

  /** After the last byte. Throws 'invalid', and forgets the bytes, when they are not what they should be. */
  verify(): void {
    const actual = `sha256:${this.#hash.digest('hex')}`;
    if (actual !== this.digest) {
      this.discard();
      throw new EngineError('invalid', `verify ${this.digest}: the ${this.#offset} bytes that came are ${actual}`);
    }
    this.#isVerified = true;
  }

  /** Takes the bytes away: they cannot become what they should. */
  discard(): void {
    rmSync(this.path, { force: true });
  }

  /** On the disk when it resolves. */
  sync(): Promise<void> {
    return this.#file.datasync();
  }

  /** Keeps what is there for the next time. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close();
  }

  async #hashPresent(maxBytes: number): Promise<void> {
    const { size } = await this.#file.stat();
    if (size > maxBytes) return this.restart();
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, Math.max(1, size)));
    while (this.#offset < size) {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#offset);
      if (bytesRead === 0) break;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#offset += bytesRead;
    }
  }
}
