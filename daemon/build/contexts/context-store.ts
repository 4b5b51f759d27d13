// Directories that builds read from: contexts of clients, checkouts, downloads. They lie on the data root, beside the layers and on the same file
// system, and go when nobody holds them. What a killed daemon left goes at the next start.
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import { type ByteSource, decompressed, peek } from '../../jail/decoding/decompress.ts';
import { holdTree } from '../../jail/hold-tree.ts';
import type { Jail } from '../../jail/jail.ts';
import type { Trash } from '../../jail/trash.ts';
import { toBytes } from '../../protocols/tar/tar-entry.ts';
import type { DirectoryResult } from '../steps/step.ts';
import { holdDirectory } from './held-directory.ts';
import { isArchive, TOLD_BYTES } from './tell-apart.ts';

/** Of a Dockerfile that comes alone; BuildKit's own limit for one. */
export const MAX_DOCKERFILE_BYTES = 1024 * 1024;

export interface ContextStoreOptions {
  /** Made when it is missing. On the file system of the layers and the trash. */
  readonly path: string;
  readonly jail: Jail;
  readonly trash: Trash;
}

export interface ReceiveOptions {
  readonly signal: AbortSignal;
  /** How many bytes have come, as they came (packed). */
  readonly onBytes?: (total: number) => void;
}

export interface Filled {
  /** See DirectoryResult. */
  readonly identity: string;
  /** Below the directory that was given. */
  readonly path?: string;
}

/** What a body or a download turned out to be. */
export type Received =
  | { readonly kind: 'directory'; readonly directory: DirectoryResult }
  | { readonly kind: 'dockerfile'; readonly text: string };

export class ContextStore {
  readonly #path: string;
  readonly #once: string;
  readonly #jail: Jail;
  readonly #trash: Trash;

  constructor({ path, jail, trash }: ContextStoreOptions) {
    this.#path = path;
    this.#once = join(path, 'once');
    this.#jail = jail;
    this.#trash = trash;
    mkdirSync(this.#once, { recursive: true, mode: 0o700 });
    trash.discardAllBelow(this.#once);
  }

  /**
   * Unpacks a tar (plain, gzip, bzip2, xz, zstd) into a directory of its own; all of it is root's, as docker has files of a client. Throws 'invalid' for what is no archive or
   * a hostile one, and the signal's reason; nothing is left then, and the stream stays as it is, for the caller to end.
   */
  async receive(archive: Readable, options: ReceiveOptions): Promise<DirectoryResult> {
    return this.make(async (path) => {
      await this.#unpack(archive, path, options);
      return { identity: `local:${randomBytes(16).toString('hex')}` };
    });
  }

  /** The same of what may also be a Dockerfile, and nothing else. */
  async receiveAny(body: Readable, options: ReceiveOptions): Promise<Received> {
    const { start, whole } = await peek(body, TOLD_BYTES);
    if (isArchive(start)) return { kind: 'directory', directory: await this.receive(whole, options) };
    return { kind: 'dockerfile', text: await readText(whole, options) };
  }

  /**
   * A directory that `fill` makes the files of; without any when it rejects. `work` is another one beside it, empty, which goes when `fill` is done.
   * `fill` tells what it made, and where, when that is not all of `path`.
   */
  async make(fill: (path: string, work: string) => Promise<Filled>): Promise<DirectoryResult> {
    const aside = join(this.#once, randomBytes(8).toString('hex'));
    const path = join(aside, 'fs');
    const work = join(aside, 'work');
    mkdirSync(aside, { mode: 0o700 });
    try {
      mkdirSync(path, { mode: 0o755 });
      mkdirSync(work, { mode: 0o700 });
      const filled = await fill(path, work);
      this.#trash.discard(work);
      return holdDirectory(filled.path ?? path, filled.identity, () => this.#trash.discard(aside));
    } catch (error) {
      this.#trash.discard(aside);
      throw error;
    }
  }

  /**
   * The directory without what the patterns (of .dockerignore, as readIgnoreFile gives them) leave out: the same one where that is nothing, else one of
   * links to its files. Clients of the API need not have applied them.
   */
  async filtered(
    directory: DirectoryResult,
    exclude: readonly string[],
    signal: AbortSignal,
  ): Promise<DirectoryResult> {
    if (exclude.length === 0) return directory.again();
    const job = { do: 'link-tree', from: this.#inside(directory.path), exclude } as const;
    const run = async (to?: string): Promise<{ leftOut: number }> => {
      const rootFd = holdTree(this.#path);
      const place = { kind: 'tree', rootFd, mounts: [] } as const;
      return this.#jail.run<'link-tree'>({ ...job, place, ...(to === undefined ? {} : { to }) }, [rootFd], { signal });
    };
    if ((await run()).leftOut === 0) return directory.again();
    const patterns = createHash('sha256').update(JSON.stringify(exclude)).digest('hex').slice(0, 16);
    return this.make(async (path) => {
      await run(this.#inside(path));
      return { identity: `${directory.identity}:without:${patterns}` };
    });
  }

  /** As a job sees it whose place is all of the store. */
  #inside(path: string): string {
    const inside = relative(this.#path, path);
    if (inside.startsWith('..')) throw new TypeError(`filter ${path}: it is not in the store`);
    return toBytes(`/${inside}`);
  }

  async #unpack(archive: Readable, path: string, { signal, onBytes }: ReceiveOptions): Promise<void> {
    signal.throwIfAborted();
    const input: ByteSource = await decompressed(archive);
    let total = 0;
    const count = (chunk: Buffer): void => {
      total += chunk.length;
      onBytes?.(total);
    };
    // It was paused: listening does not make it flow.
    archive.on('data', count);
    try {
      const rootFd = holdTree(path);
      const place = { kind: 'tree', rootFd, mounts: [] } as const;
      const options = { noOverwriteDirNonDir: false, owner: { uid: 0, gid: 0 } };
      await this.#jail.run<'put'>({ do: 'put', place, path: '/', options }, [rootFd], { input, signal });
    } finally {
      archive.off('data', count);
    }
  }
}

async function readText(body: Readable, { signal, onBytes }: ReceiveOptions): Promise<string> {
  const parts: Buffer[] = [];
  let total = 0;
  const stop = (): void => {
    body.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const part of body.iterator({ destroyOnReturn: false })) {
      parts.push(part as Buffer);
      total += (part as Buffer).length;
      onBytes?.(total);
      if (total > MAX_DOCKERFILE_BYTES)
        throw new EngineError(
          'invalid',
          `read context: it is neither an archive nor a Dockerfile: text of more than ${MAX_DOCKERFILE_BYTES} bytes`,
        );
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  const text = Buffer.concat(parts).toString('utf8');
  if (text.includes('\0')) throw new EngineError('invalid', 'read context: it is neither an archive nor a Dockerfile');
  return text;
}
