// The content store: an OCI image layout (image-spec "image-layout.md"), blobs by digest. What is stored under a digest has that digest.
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fsyncDirectory } from '../../native-bindings/files.ts';
import { EngineError } from '../errors/engine-error.ts';
import { isDigest } from './image-config.ts';

export class ContentStore {
  readonly #path: string;
  readonly #blobs: string;
  readonly #staging: string;

  constructor(path: string, staging: string) {
    this.#path = path;
    this.#blobs = join(path, 'blobs', 'sha256');
    this.#staging = staging;
    mkdirSync(this.#blobs, { recursive: true, mode: 0o700 });
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
    if (!existsSync(path)) {
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

  remove(digest: string): void {
    rmSync(this.pathOf(digest), { force: true });
  }

  pathOf(digest: string): string {
    if (!isDigest(digest))
      throw new EngineError('invalid', `invalid digest ${JSON.stringify(String(digest).slice(0, 100))}`);
    return join(this.#blobs, digest.slice('sha256:'.length));
  }

  #writeOnce(name: string, text: string): void {
    const path = join(this.#path, name);
    if (existsSync(path)) return;
    writeDurably(join(this.#staging, randomBytes(8).toString('hex')), Buffer.from(text), path);
    fsyncDirectory(this.#path);
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
