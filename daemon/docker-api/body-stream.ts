// A request's body as a stream of its own. A service that gives up on a body destroys it: were it the request itself, the connection
// would go with it, and the client would never see why.
import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { EngineError } from '../errors/engine-error.ts';

export function bodyStream(request: IncomingMessage): Readable {
  const body = new PassThrough({ highWaterMark: 256 * 1024 });
  const cut = () => {
    if (!request.readableEnded) body.destroy(new EngineError('invalid', 'request body was cut off'));
  };
  request.on('error', cut).on('close', cut);
  // Nobody reads on: what the client still sends is thrown away until it has the answer.
  body.on('close', () => request.unpipe(body).resume());
  body.on('error', () => {});
  return request.pipe(body);
}

const drainIdleMs = 100;
const drainLimitBytes = 1024 * 1024 * 1024;

/**
 * Resolves when the client has sent all of its body, enough of it, or pauses. An answer that comes while it sends loses a race: the connection
 * is closed, the client's write fails, and it never reads why.
 */
export function drained(request: IncomingMessage): Promise<void> {
  if (request.complete !== false || request.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    let left = drainLimitBytes;
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, drainIdleMs);
    request.unpipe();
    request.on('end', end).on('close', end).on('error', end);
    request.on('data', (chunk: Buffer) => {
      timer.refresh();
      left -= chunk.length;
      if (left < 0) end();
    });
    request.resume();
  });
}
