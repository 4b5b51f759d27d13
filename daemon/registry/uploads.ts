// Sending blobs and manifests: distribution-spec "pushing". Where an upload goes is told by the registry, but it stays on the registry.
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import type { Descriptor } from '../content/digest.ts';
import { isDigest } from '../content/digest.ts';
import { readWhole } from './http-hop.ts';
import { RegistryFailure } from './registry-failure.ts';
import type { RegistryHttp } from './registry-http.ts';
import type { UploadOptions } from './registry-session.ts';

/** The registry reads a blob again before it answers. */
const COMMIT_IDLE_MS = 300_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const ATTEMPTS = 5;

/** POST for a place, then all bytes in one PATCH, then PUT with the digest. What fails half way begins anew. */
export async function uploadBlob(
  http: RegistryHttp,
  repositoryPath: string,
  blob: Descriptor,
  open: () => Readable,
  options: UploadOptions,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await uploadOnce(http, repositoryPath, blob, open, options);
      return;
    } catch (error) {
      const isLast = attempt >= ATTEMPTS || !(error instanceof RegistryFailure) || !error.isTransient;
      if (isLast || options.signal?.aborted) throw error;
      await http.pause(attempt, error.retryAfterS, options.signal);
    }
  }
}

async function uploadOnce(
  http: RegistryHttp,
  repositoryPath: string,
  blob: Descriptor,
  open: () => Readable,
  { onProgress, signal }: UploadOptions,
): Promise<void> {
  const given = signal === undefined ? {} : { signal };
  const begun = await http.send({
    method: 'POST',
    path: `${repositoryPath}/blobs/uploads/`,
    headers: { 'Content-Length': '0' },
    accept: [202],
    ...given,
  });
  begun.body.resume();
  const path = uploadUrl(begun.url, begun.headers.location);
  // What fails before the request takes the body leaves it to us; and a file that cannot be read must not end the daemon.
  const body = open()
    .compose(counting(onProgress))
    .on('error', () => undefined);
  using _body = { [Symbol.dispose]: () => void body.destroy() };
  const sent = await http.send({
    method: 'PATCH',
    path,
    headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': String(blob.size) },
    body,
    accept: [202, 201, 204],
    attempts: 1,
    idleMs: COMMIT_IDLE_MS,
    ...given,
  });
  sent.body.resume();
  const end = uploadUrl(sent.url, sent.headers.location);
  end.searchParams.set('digest', blob.digest);
  const done = await http.send({
    method: 'PUT',
    path: end,
    headers: { 'Content-Length': '0' },
    accept: [201, 204],
    attempts: 1,
    idleMs: COMMIT_IDLE_MS,
    ...given,
  });
  done.body.resume();
}

export async function uploadManifest(
  http: RegistryHttp,
  path: string,
  mediaType: string,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<string> {
  const answer = await http.send({
    method: 'PUT',
    path,
    headers: { 'Content-Type': mediaType, 'Content-Length': String(bytes.byteLength) },
    body: bytes,
    accept: [201, 202, 200],
    idleMs: COMMIT_IDLE_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  await readWhole(answer, MAX_ANSWER_BYTES);
  const digest = answer.headers['docker-content-digest'];
  return isDigest(digest) ? digest : '';
}

function uploadUrl(from: URL, location: string | undefined): URL {
  const url = location === undefined ? null : URL.parse(location, from.href);
  if (url === null) throw RegistryFailure.ofAnswer('POST', from, 'it does not say where to upload');
  if (url.host !== from.host || !/^https?:$/.test(url.protocol)) {
    throw RegistryFailure.ofAnswer('POST', from, `it wants the upload sent to ${url.host}: refused`);
  }
  // Behind a proxy that ends TLS, registries name themselves with http.
  url.protocol = from.protocol;
  return url;
}

function counting(onProgress: ((sentBytes: number) => void) | undefined): Transform {
  let sent = 0;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      sent += chunk.length;
      onProgress?.(sent);
      done(null, chunk);
    },
  });
}
