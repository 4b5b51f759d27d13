// One file by HTTP (ADD of a URL): as BuildKit makes it, 0600 and of the time that the server says. What was fetched lately is kept and asked for
// with the server's own words for it (RFC 9110, 13.1), so that a build whose files have not changed transfers nothing.
import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, chown, utimes } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '../../errors/engine-error.ts';
import { openRemoteTar } from '../../images/make/remote-tar.ts';
import type { BuildCacheEntry } from '../build-service.ts';
import type { ContextStore } from '../contexts/context-store.ts';
import type { HttpSource } from '../graph/operation.ts';
import type { KeptForBuilds } from '../solver/build-cache.ts';
import type { DirectoryResult, StepRun } from '../steps/step.ts';
import { withoutCredentials } from './remote.ts';

type HttpStepRun = Pick<StepRun, 'signal' | 'status'>;

interface Kept {
  readonly id: string;
  readonly url: string;
  readonly createdMs: number;
  usedMs: number;
  uses: number;
  readonly directory: DirectoryResult;
  readonly digest: string;
  readonly bytes: number;
  /** Headers that ask whether it has changed; undefined: the server gave no word for it. */
  readonly condition: Readonly<Record<string, string>> | undefined;
}

const MAX_KEPT = 64;
const MAX_KEPT_BYTES = 1024 * 1024 * 1024;
const TELL_MS = 100;

/** Files that were fetched. They are kept while the daemon runs, the least recently used go first. */
export class HttpFiles implements KeptForBuilds, Disposable {
  readonly #contexts: ContextStore;
  readonly #kept = new Map<string, Kept>();

  constructor(contexts: ContextStore) {
    this.#contexts = contexts;
  }

  /** Throws 'invalid' for another digest than was asked for, and what `import` of a URL throws. */
  async fetch(source: HttpSource, run: HttpStepRun): Promise<DirectoryResult> {
    const url = URL.parse(source.url);
    if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '')
      throw new EngineError('invalid', `fetch ${JSON.stringify(source.url.slice(0, 300))}: it is no http or https URL`);
    if (source.checksum !== '' && !/^sha256:[0-9a-f]{64}$/.test(source.checksum))
      throw new EngineError(
        'invalid',
        `fetch ${shown(source)}: checksum ${source.checksum.slice(0, 100)} is no sha256 digest`,
      );
    const key = JSON.stringify([source.url, source.filename, source.mode, source.uid, source.gid]);
    const kept = this.#kept.get(key);
    // It may be let go of while the server is asked.
    using held = kept?.directory.again();
    // Who says what it is needs not ask.
    if (kept !== undefined && held !== undefined && kept.digest === source.checksum) return this.#use(key, kept, held);
    const asked = kept?.condition;
    const remote = await openRemoteTar(url, run.signal, {
      ...(asked === undefined ? {} : { headers: asked, isRevalidated: true }),
    });
    try {
      if (remote.stream.statusCode === 304 && kept !== undefined && held !== undefined) {
        check(source, kept.digest);
        return this.#use(key, kept, held);
      }
      const fresh = await this.#store(source, url, remote.stream, remote.sizeBytes ?? 0, run);
      this.#keep(key, fresh);
      return fresh.directory.again();
    } finally {
      remote.stream.destroy();
    }
  }

  [Symbol.dispose](): void {
    for (const { directory } of this.#kept.values()) directory[Symbol.dispose]();
    this.#kept.clear();
  }

  async list(): Promise<BuildCacheEntry[]> {
    return [...this.#kept.values()].map((kept) => ({
      id: kept.id,
      parents: [],
      kind: 'regular',
      description: `http url ${kept.url}`,
      // Who builds with one has a hold of its own.
      isInUse: false,
      isShared: false,
      sizeBytes: kept.bytes,
      createdMs: kept.createdMs,
      lastUsedMs: kept.usedMs,
      useCount: kept.uses,
    }));
  }

  async remove(id: string): Promise<boolean> {
    const found = [...this.#kept].find(([, kept]) => kept.id === id);
    if (found === undefined) return false;
    const [key, { directory }] = found;
    this.#kept.delete(key);
    directory[Symbol.dispose]();
    return true;
  }

  #use(key: string, kept: Kept, held: DirectoryResult): DirectoryResult {
    kept.usedMs = Date.now();
    kept.uses++;
    if (this.#kept.get(key) === kept) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
    }
    return held.again();
  }

  #keep(key: string, fresh: Kept): void {
    this.#kept.get(key)?.directory[Symbol.dispose]();
    this.#kept.delete(key);
    this.#kept.set(key, fresh);
    let bytes = [...this.#kept.values()].reduce((sum, kept) => sum + kept.bytes, 0);
    for (const [oldKey, kept] of this.#kept) {
      if (this.#kept.size <= MAX_KEPT && bytes <= MAX_KEPT_BYTES) break;
      // Its caller takes a hold of its own first.
      if (kept === fresh) continue;
      this.#kept.delete(oldKey);
      kept.directory[Symbol.dispose]();
      bytes -= kept.bytes;
    }
  }

  async #store(
    source: HttpSource,
    url: URL,
    answer: IncomingMessage,
    total: number,
    { signal, status }: HttpStepRun,
  ): Promise<Kept> {
    const { headers } = answer;
    const name = source.filename === '' ? nameOf(url, headers) : checkedName(source.filename);
    const modified = new Date(headers['last-modified'] ?? 0);
    const time = Number.isNaN(modified.getTime()) ? new Date(0) : modified;
    let [bytes, toldAt, digest] = [0, 0, ''];
    const id = `downloading ${shown(source)}`;
    const directory = await this.#contexts.make(async (path) => {
      const file = join(path, name);
      const hash = createHash('sha256');
      const count = async function* (body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
        for await (const chunk of body) {
          bytes += chunk.length;
          hash.update(chunk);
          if (Date.now() - toldAt >= TELL_MS) {
            toldAt = Date.now();
            status(id, bytes, total, false);
          }
          yield chunk;
        }
      };
      await pipeline(answer, count, createWriteStream(file, { flags: 'wx', mode: 0o600 }), { signal });
      digest = `sha256:${hash.digest('hex')}`;
      check(source, digest);
      await chown(file, source.uid, source.gid);
      await chmod(file, source.mode ?? 0o600);
      await utimes(file, time, time);
      await utimes(path, time, time);
      status(id, bytes, bytes, true);
      return { identity: ['http', digest, name, source.mode, source.uid, source.gid, time.getTime()].join(':') };
    });
    const now = Date.now();
    return {
      id: randomBytes(16).toString('hex'),
      url: shown(source),
      directory,
      digest,
      bytes,
      condition: conditionOf(headers),
      createdMs: now,
      usedMs: now,
      uses: 1,
    };
  }
}

function check(source: HttpSource, digest: string): void {
  if (source.checksum === '' || source.checksum === digest) return;
  throw new EngineError('invalid', `digest mismatch for ${shown(source)}: ${digest} (expected: ${source.checksum})`);
}

function shown(source: HttpSource): string {
  return withoutCredentials(source.url).slice(0, 300);
}

function conditionOf({ etag, 'last-modified': modified }: IncomingHttpHeaders): Kept['condition'] {
  if (etag !== undefined) return { 'If-None-Match': etag };
  return modified === undefined ? undefined : { 'If-Modified-Since': modified };
}

/** The server's word for it (RFC 6266), the URL's last part, or "download". What cannot be a name in a directory is passed over. */
export function nameOf(url: URL, headers: IncomingHttpHeaders): string {
  const disposition = headers['content-disposition'] ?? '';
  const quoted = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(disposition);
  const last = url.pathname.split('/').at(-1) ?? '';
  for (const name of [(quoted?.[1] ?? quoted?.[2] ?? '').replace(/\\(.)/g, '$1'), decoded(last)]) {
    if (isName(name)) return name;
  }
  return 'download';
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name) && Buffer.byteLength(name) <= 255;
}

function checkedName(name: string): string {
  if (isName(name)) return name;
  throw new EngineError('invalid', `invalid file name ${JSON.stringify(name.slice(0, 300))}`);
}
