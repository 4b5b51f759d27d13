// RegistrySession over HTTP (OCI distribution-spec): reads go to the mirrors first and then to the registry itself, writes to the registry.
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Descriptor } from '../content/digest.ts';
import { isDigest } from '../content/digest.ts';
import { acceptedManifests } from '../content/media-types.ts';
import { EngineError } from '../errors/engine-error.ts';
import { type HopAnswer, readWhole } from './http-hop.ts';
import { RegistryFailure } from './registry-failure.ts';
import type { RegistryHttp, RegistryRequest } from './registry-http.ts';
import type { FetchedBlob, FetchedManifest, RegistrySession, UploadOptions } from './registry-session.ts';
import { listTags } from './tag-list.ts';
import { uploadBlob, uploadManifest } from './uploads.ts';

/** OCI distribution-spec asks registries for at least this much; nobody needs more. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

export class HttpRegistrySession implements RegistrySession {
  readonly repository: string;
  readonly #path: string;
  readonly #connections: Disposable;
  /** The registry itself is the last. */
  readonly #endpoints: readonly RegistryHttp[];

  constructor(repository: string, endpoints: readonly RegistryHttp[], connections: Disposable) {
    this.repository = repository;
    this.#path = `/v2/${repository.slice(repository.indexOf('/') + 1)}`;
    this.#endpoints = endpoints;
    this.#connections = connections;
  }

  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]();
  }

  manifest(reference: string, signal?: AbortSignal): Promise<FetchedManifest> {
    const request: RegistryRequest = {
      method: 'GET',
      path: `${this.#path}/manifests/${reference}`,
      headers: { Accept: acceptedManifests },
      accept: [200],
      ...(signal === undefined ? {} : { signal }),
    };
    return this.#each(async (http) => {
      const answer = await http.send(request);
      const bytes = await readWhole(answer, MAX_MANIFEST_BYTES);
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      if (isDigest(reference) && digest !== reference) {
        throw RegistryFailure.ofAnswer('GET', answer.url, `the manifest's digest is ${digest}, not ${reference}`);
      }
      return { mediaType: contentType(answer), digest, size: bytes.length, bytes };
    });
  }

  async headManifest(reference: string, signal?: AbortSignal): Promise<Descriptor | undefined> {
    const answer = await this.#origin.send({
      method: 'HEAD',
      path: `${this.#path}/manifests/${reference}`,
      headers: { Accept: acceptedManifests },
      accept: [200, 404],
      ...(signal === undefined ? {} : { signal }),
    });
    answer.body.resume();
    if (answer.status === 404) return undefined;
    const digest = answer.headers['docker-content-digest'];
    if (!isDigest(digest)) {
      throw RegistryFailure.ofAnswer('HEAD', answer.url, 'it does not tell the digest');
    }
    return { mediaType: contentType(answer), digest, size: Number(answer.headers['content-length'] ?? 0) };
  }

  get hasMirrors(): boolean {
    return this.#endpoints.length > 1;
  }

  blob(
    digest: string,
    options: { offset?: number; origin?: boolean; signal?: AbortSignal } = {},
  ): Promise<FetchedBlob> {
    checkDigest(digest);
    const { offset = 0, origin = false, signal } = options;
    const request: RegistryRequest = {
      method: 'GET',
      path: `${this.#path}/blobs/${digest}`,
      // 416: there is nothing from there on.
      accept: offset > 0 ? [200, 206] : [200],
      ...(offset > 0 ? { headers: { Range: `bytes=${offset}-` } } : {}),
      ...(signal === undefined ? {} : { signal }),
    };
    const ask = async (http: RegistryHttp) => fetchedBlob(await http.send(request), offset, signal);
    return origin ? ask(this.#origin) : this.#each(ask);
  }

  async headBlob(digest: string, signal?: AbortSignal): Promise<number | undefined> {
    checkDigest(digest);
    const answer = await this.#origin.send({
      method: 'HEAD',
      path: `${this.#path}/blobs/${digest}`,
      accept: [200, 404],
      ...(signal === undefined ? {} : { signal }),
    });
    answer.body.resume();
    return answer.status === 404 ? undefined : Number(answer.headers['content-length'] ?? 0);
  }

  tags(signal?: AbortSignal): Promise<string[]> {
    return this.#each((http) => listTags(http, this.#path, signal));
  }

  async mountBlob(digest: string, fromRepository: string, signal?: AbortSignal): Promise<boolean> {
    checkDigest(digest);
    const from = fromRepository.slice(fromRepository.indexOf('/') + 1);
    this.#origin.authorizer.addScope(`repository:${from}:pull`);
    const answer = await this.#origin.send({
      method: 'POST',
      path: `${this.#path}/blobs/uploads/?mount=${digest}&from=${encodeURIComponent(from)}`,
      headers: { 'Content-Length': '0' },
      // 202: it has opened an upload instead. It ends by itself.
      accept: [201, 202],
      ...(signal === undefined ? {} : { signal }),
    });
    answer.body.resume();
    return answer.status === 201;
  }

  uploadBlob(blob: Descriptor, open: () => Readable, options: UploadOptions = {}): Promise<void> {
    checkDigest(blob.digest);
    return uploadBlob(this.#origin, this.#path, blob, open, options);
  }

  putManifest(reference: string, mediaType: string, bytes: Uint8Array, signal?: AbortSignal): Promise<string> {
    return uploadManifest(this.#origin, `${this.#path}/manifests/${reference}`, mediaType, bytes, signal);
  }

  get #origin(): RegistryHttp {
    return this.#endpoints.at(-1) as RegistryHttp;
  }

  /** The first endpoint that can. What the registry itself says is what the user is told. */
  async #each<T>(ask: (http: RegistryHttp) => Promise<T>): Promise<T> {
    for (const http of this.#endpoints.slice(0, -1)) {
      try {
        return await ask(http);
      } catch (error) {
        // A mirror that has it not, is down or refuses: the registry is asked.
        if (!(error instanceof RegistryFailure) && !(error instanceof EngineError)) throw error;
      }
    }
    return ask(this.#origin);
  }
}

function fetchedBlob(answer: HopAnswer, asked: number, signal: AbortSignal | undefined): FetchedBlob {
  const { status, headers, body, url } = answer;
  const refuse = (why: string): never => {
    body.destroy();
    throw RegistryFailure.ofAnswer('GET', url, why);
  };
  const length = headers['content-length'];
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return refuse('its length is no number');
  const bytes = length === undefined ? undefined : Number(length);
  if (signal !== undefined) {
    const abort = (): void => void body.destroy(new Error('cancelled'));
    signal.addEventListener('abort', abort, { once: true });
    body.once('close', () => signal.removeEventListener('abort', abort));
  }
  if (status === 200) return { stream: body, offset: 0, sizeBytes: bytes };
  const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(headers['content-range'] ?? '');
  if (range === null || Number(range[1]) !== asked)
    return refuse(`it sends another range than the one from ${asked} on`);
  const total = range[3] === '*' ? undefined : Number(range[3]);
  return { stream: body, offset: asked, sizeBytes: total };
}

function contentType({ headers }: HopAnswer): string {
  return (headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
}

function checkDigest(digest: string): void {
  if (!isDigest(digest as unknown))
    throw new EngineError('invalid', `invalid digest ${JSON.stringify(digest.slice(0, 100))}`);
}
