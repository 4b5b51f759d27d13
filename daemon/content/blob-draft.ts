// A blob that is made here, so that its digest is known only at its end: written aside in staging/ (emptied at every start), then moved to
// where its digest says.
import { createHash, randomBytes } from 'node:crypto';
import { renameSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fsyncDirectory } from '../../native-bindings/files.ts';

export interface MadeBlob {
  digest: string;
  size: number;
}

/** Where a draft becomes a blob: the content store. */
export interface DraftTarget {
  hold(digests: Iterable<string>): Disposable;
  pathOf(digest: string): string;
}

export class BlobDraft implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #content: DraftTarget;
  readonly #hash = createHash('sha256');
  #size = 0;

  private constructor(content: DraftTarget, path: string, file: FileHandle) {
    this.#content = content;
    this.#path = path;
    this.#file = file;
  }

  static async open(content: DraftTarget, staging: string): Promise<BlobDraft> {
    const path = join(staging, randomBytes(8).toString('hex'));
    return new BlobDraft(content, path, await open(path, 'wx', 0o600));
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    for (let done = 0; done < bytes.byteLength; ) {
      done += (await this.#file.write(bytes, done, bytes.byteLength - done, this.#size + done)).bytesWritten;
    }
    this.#size += bytes.byteLength;
  }

  /** Appends what is written to it. It does not end the draft. */
  writable(): Writable {
    return new Writable({
      highWaterMark: 1024 * 1024,
      write: (chunk: Buffer, _, done) => {
        this.append(chunk).then(() => done(), done);
      },
    });
  }

  /**
   * Makes it a blob, durably unless the caller syncs all of the store before a row names it, and calls `record`, which gives it a user, before
   * anything could collect it.
   */
  async finish(record: (blob: MadeBlob) => void, { unsynced = false } = {}): Promise<void> {
    const digest = `sha256:${this.#hash.digest('hex')}`;
    using _held = this.#content.hold([digest]);
    const path = this.#content.pathOf(digest);
    // One of another size is damaged.
    if (statSync(path, { throwIfNoEntry: false })?.size !== this.#size) {
      if (!unsynced) await this.#file.datasync();
      renameSync(this.#path, path);
      if (!unsynced) fsyncDirectory(join(path, '..'));
    }
    record({ digest, size: this.#size });
  }

  /** Takes away what did not become a blob. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    rmSync(this.#path, { force: true });
  }
}
