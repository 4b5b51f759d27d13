// The content store: an OCI image layout (image-spec "image-layout.md"), blobs by digest. What is stored under a digest has that digest.
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { isErrno } from '../../native-bindings/errno.ts';
import { fsyncDirectory } from '../../native-bindings/files.ts';
import { EngineError } from '../errors/engine-error.ts';
import { BlobDraft } from './blob-draft.ts';
import { BlobWriter } from './blob-writer.ts';
import { isDigest } from './digest.ts';

/** What a pull that was not finished left is kept so long. */
const READ_BYTES = 512 * 1024;
const INGEST_KEPT_MS = 24 * 3600_000;

export class ContentStore {
  /** Of the OCI layout. */
  readonly path: string;
  readonly #blobs: string;
  readonly #ingest: string;
  readonly #staging: string;
  /** Blobs that are in use though no row names them yet: a pull, a push. */
  readonly #holds = new Map<string, number>();

  constructor(path: string, staging: string) {
    this.path = path;
    this.#blobs = join(path, 'blobs', 'sha256');
    this.#ingest = join(path, 'ingest');
    this.#staging = staging;
    mkdirSync(this.#blobs, { recursive: true, mode: 0o700 });
    mkdirSync(this.#ingest, { recursive: true, mode: 0o700 });
    try {
      this.dropOldIngests();
    } catch (error) {
      // On a disk that cannot be written they stay.
      if (!isErrno(error, 'EROFS')) throw error;
    }
    this.#writeOnce('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    this.#writeOnce(
      'index.json',
      JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] }),
    );
  }

  /** Stores bytes; returns their digest. Durable when it returns. */
  put(bytes: Uint8Array): string {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const path = this.pathOf(digest);
    // One that was damaged is written again.
    if (!existsSync(path) || !readFileSync(path).equals(bytes)) {
      writeDurably(join(this.#staging, randomBytes(8).toString('hex')), bytes, path);
      fsyncDirectory(this.#blobs);
    }
    return digest;
  }

  /** Reads a blob and checks that it still is what its name says. */
  get(digest: string, maxBytes: number): Buffer {
    const bytes = readFileSync(this.pathOf(digest));
    if (bytes.length > maxBytes)
      throw new EngineError('system', `read ${digest}: it has ${bytes.length} bytes, more than ${maxBytes}`);
    const actual = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    if (actual !== digest)
      throw new EngineError('system', `read ${digest}: the stored blob has the digest ${actual}: it is damaged`);
    return bytes;
  }

  /** Whether a blob that is there still is what its name says. Reads all of it. */
  async isWhole(digest: string): Promise<boolean> {
    const hash = createHash('sha256');
    try {
      for await (const piece of this.open(digest)) hash.update(piece as Buffer);
    } catch (error) {
      // It cannot be read at all, or has gone meanwhile.
      if (isErrno(error, 'EIO', 'ENOENT')) return false;
      throw error;
    }
    return `sha256:${hash.digest('hex')}` === digest;
  }

  /** A blob's bytes. It was verified when it came; whoever it is sent to verifies it again. */
  open(digest: string): Readable {
    return createReadStream(this.pathOf(digest), { highWaterMark: READ_BYTES });
  }

  remove(digest: string): void {
    rmSync(this.pathOf(digest), { force: true });
  }

  /** All blobs that are whole. */
  *list(): Generator<{ digest: string; sizeBytes: number }> {
    for (const name of readdirSync(this.#blobs)) {
      if (!isDigest(`sha256:${name}`)) continue;
      const stats = lstatSync(join(this.#blobs, name), { throwIfNoEntry: false });
      if (stats !== undefined) yield { digest: `sha256:${name}`, sizeBytes: stats.size };
    }
  }

  /** Bytes of a blob that is there. */
  sizeOf(digest: string): number {
    return statSync(this.pathOf(digest)).size;
  }

  has(digest: string): boolean {
    return existsSync(this.pathOf(digest));
  }

  /** Opens a blob that is to come, with the bytes of it that are there already. One writer of a digest at a time. */
  ingest(digest: string, maxBytes: number): Promise<BlobWriter> {
    this.pathOf(digest);
    return BlobWriter.open(digest, join(this.#ingest, digest.slice('sha256:'.length)), maxBytes);
  }

  /** Opens a blob that is made here: its digest comes out at the end. */
  draft(): Promise<BlobDraft> {
    return BlobDraft.open(this, this.#staging);
  }

  /** Makes verified blobs visible. Their bytes have to be on the disk: a row may name them from now on. */
  publish(writers: Iterable<BlobWriter>): void {
    for (const writer of writers) {
      if (!writer.isVerified) throw new EngineError('system', `publish ${writer.digest}: it was not verified`);
      renameSync(writer.path, this.pathOf(writer.digest));
    }
    fsyncDirectory(this.#blobs);
  }

  /** Keeps blobs from being collected until it is disposed, whether they are there yet or not. */
  hold(digests: Iterable<string>): Disposable {
    let held = [...digests];
    for (const digest of held) this.#holds.set(digest, (this.#holds.get(digest) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        for (const digest of held) {
          const left = (this.#holds.get(digest) ?? 1) - 1;
          if (left === 0) this.#holds.delete(digest);
          else this.#holds.set(digest, left);
        }
        held = [];
      },
    };
  }

  isHeld(digest: string): boolean {
    return this.#holds.has(digest);
  }

  /** Takes away what unfinished pulls left a day ago, or all of it that nobody holds. Returns the bytes that went. */
  dropOldIngests(keptMs = INGEST_KEPT_MS): number {
    let bytes = 0;
    for (const name of readdirSync(this.#ingest)) {
      const path = join(this.#ingest, name);
      const { mtimeMs, size } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: 0, size: 0 };
      if (this.isHeld(`sha256:${name}`) || Date.now() - mtimeMs < keptMs) continue;
      rmSync(path, { force: true });
      bytes += size;
    }
    return bytes;
  }

  pathOf(digest: string): string {
    if (!isDigest(digest))
      throw new EngineError('invalid', `invalid digest ${JSON.stringify(String(digest).slice(0, 100))}`);
    return join(this.#blobs, digest.slice('sha256:'.length));
  }

  #writeOnce(name: string, text: string): void {
    const path = join(this.path, name);
    if (existsSync(path)) return;
    writeDurably(join(this.#staging, randomBytes(8).toString('hex')), Buffer.from(text), path);
    fsyncDirectory(this.path);
  }
}

/** Writes aside, syncs, renames: the path has all of it or nothing. */
function writeDurably(aside: string, bytes: Uint8Array, path: string): void {
  const fd = openSync(aside, 'wx', 0o600);
  try {
    for (let done = 0; done < bytes.byteLength; ) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(aside, path);
}
