// One HTTP request and its answer's head, with a limit for everything that comes from the other side. No redirects, no credentials of its
// own, no retries: those are registry-http.ts.
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { pipeline, type Readable } from 'node:stream';
import type { Connections } from './connections.ts';
import { RegistryFailure } from './registry-failure.ts';

export interface HopRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: URL;
  headers: Record<string, string>;
  body?: Uint8Array | Readable;
  /** Nothing comes and nothing goes for so long: it is given up. */
  idleMs?: number;
  signal?: AbortSignal;
}

export interface HopAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Has to be read or destroyed. An idle connection destroys it with an error. */
  readonly body: Readable;
  readonly url: URL;
}

const IDLE_MS = 30_000;
/** An answer's head may take so many times that long. A body that is sent as a stream takes as long as it takes. */
const HEAD_TIMES = 4;
const MAX_HEADER_BYTES = 64 * 1024;

/** Throws RegistryFailure for what the network did; the abort signal's reason when it was aborted. */
export function hop(connections: Connections, request: HopRequest): Promise<HopAnswer> {
  const { method, url, headers, body, signal, idleMs = IDLE_MS } = request;
  signal?.throwIfAborted();
  const isTls = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      reject(signal?.aborted ? reasonOf(signal) : RegistryFailure.ofNetwork(method, url, error));
    };
    const options = {
      method,
      agent: connections.agentFor(url),
      headers: { 'User-Agent': 'tsdocker', 'Accept-Encoding': 'identity', ...headers },
      maxHeaderSize: MAX_HEADER_BYTES,
      timeout: idleMs,
      // The body has its own listener below: a signal given here would also end what somebody reads on.
    };
    const out = isTls ? https.request(url, options) : http.request(url, options);
    const abort = (): void => void out.destroy(new Error('cancelled'));
    signal?.addEventListener('abort', abort, { once: true });
    const forget = (): void => signal?.removeEventListener('abort', abort);
    out.once('close', forget);
    // Idle is who sends nothing: a head that comes byte by byte, or never after a thousand interim ones, is none either.
    const headMs = HEAD_TIMES * idleMs;
    const isStreamed = body !== undefined && !(body instanceof Uint8Array);
    const head = isStreamed
      ? undefined
      : setTimeout(() => out.destroy(new Error(`no answer in ${headMs / 1000} s`)), headMs);
    out.once('close', () => clearTimeout(head));
    out.once('timeout', () => out.destroy(new Error(`no data for ${idleMs / 1000} s`)));
    out.on('error', fail);
    out.once('response', (answer) => {
      clearTimeout(head);
      answer.on('error', () => undefined);
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer, url });
    });
    if (body === undefined) out.end();
    else if (body instanceof Uint8Array) out.end(body);
    else
      pipeline(body, out, (error) => {
        if (error !== null && error !== undefined) out.destroy(error);
      });
  });
}

/** All of an answer, or the failure that says it is larger than `maxBytes`, slower than `deadlineMs` or broken. */
export function readWhole(answer: HopAnswer, maxBytes: number, deadlineMs = 60_000): Promise<Buffer> {
  const { body, url } = answer;
  const announced = Number(answer.headers['content-length'] ?? 0);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      body.off('data', take).off('end', end).off('close', cut).off('error', finish);
      if (error === undefined) resolve(Buffer.concat(chunks));
      else {
        body.destroy();
        reject(error instanceof RegistryFailure ? error : RegistryFailure.ofNetwork('GET', url, error));
      }
    };
    const timer = setTimeout(
      () => finish(RegistryFailure.ofAnswer('GET', url, `it took longer than ${deadlineMs / 1000} s`)),
      deadlineMs,
    );
    const tooLarge = () => finish(RegistryFailure.ofAnswer('GET', url, `it is larger than ${maxBytes} bytes`));
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > maxBytes) tooLarge();
      else chunks.push(chunk);
    };
    const end = (): void => finish();
    const cut = (): void => finish(body.errored ?? new Error('the connection was closed in the middle'));
    if (announced > maxBytes) tooLarge();
    else if (body.destroyed && !body.readableEnded) cut();
    else body.on('data', take).once('end', end).once('close', cut).once('error', finish);
  });
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('cancelled');
}
