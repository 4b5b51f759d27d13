// Reads a JSON body: bounded in size and time, and only when it is declared as JSON, because a web page can make a browser post anything
// else without asking.
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { EngineError } from '../../errors/engine-error.ts';

export const jsonBodyLimit = 4 * 1024 * 1024;
const bodyTimeoutMs = 60_000;
const largeBody = 128 * 1024;

function isMediaType(contentType: string | undefined): contentType is string {
  return contentType !== undefined && /^\s*[\w!#$%&'*+.^`|~-]+(?:\/[\w!#$%&'*+.^`|~-]+)?\s*(?:;|$)/.test(contentType);
}

/** As the client sent it. */
export function contentTypeOf({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): string | undefined {
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'content-type');
  return at < 0 ? undefined : rawHeaders[at + 1];
}

/** undefined when there is no body. */
export async function readJsonBody(payload: Readable, contentType: string | undefined): Promise<unknown> {
  const bytes = await readAll(payload);
  if (bytes.length === 0) return undefined;
  if (bytes.length < largeBody) return parseJson(bytes, contentType);
  // What takes milliseconds each is done in turns, with others' requests in between.
  await setImmediate();
  const parsed = parseJson(bytes, contentType);
  await setImmediate();
  return parsed;
}

export function parseJson(bytes: Buffer, contentType: string | undefined): unknown {
  if (!isMediaType(contentType)) {
    throw new EngineError('invalid', `malformed Content-Type header (${contentType ?? ''}): mime: no media type`);
  }
  if (!/^application\/json\s*(?:;|$)/i.test(contentType)) {
    throw new EngineError('invalid', `unsupported Content-Type header (${contentType}): must be 'application/json'`);
  }
  try {
    return JSON.parse(bytes.toString());
  } catch (error) {
    throw new EngineError('invalid', `invalid JSON: ${(error as Error).message}`);
  }
}

function readAll(payload: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(
      () => finish(new EngineError('invalid', 'request body did not arrive in time')),
      bodyTimeoutMs,
    );
    const finish = (error?: Error) => {
      clearTimeout(timer);
      payload.off('data', take).off('end', end).off('error', cut).off('close', cut);
      if (error === undefined) resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
      else reject(error);
    };
    const cut = () => finish(new EngineError('invalid', 'request body was cut off'));
    const take = (chunk: Buffer) => {
      length += chunk.length;
      if (length > jsonBodyLimit) {
        finish(new EngineError('too-large', `request body is larger than ${jsonBodyLimit} bytes`));
      } else chunks.push(chunk);
    };
    const end = finish as () => void;
    payload.on('data', take).on('end', end).on('error', cut).on('close', cut);
  });
}
