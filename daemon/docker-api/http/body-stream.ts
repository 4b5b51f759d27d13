// A request's body as a stream of its own. A service that gives up on a body destroys it: were it the request itself, the connection
// would go with it, and the client would never see why.
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';

/** What is there of a body that waits for its turn: about one piece as a socket gives it. There may be many. */
const AHEAD_BYTES = 64 * 1024;

export function bodyStream(request: IncomingMessage): Readable {
  const body = new Readable({ highWaterMark: AHEAD_BYTES, read: () => void request.resume() });
  const take = (chunk: Buffer) => {
    if (!body.push(chunk)) request.pause();
  };
  const cut = () => {
    if (!request.readableEnded) body.destroy(new EngineError('invalid', 'request body was cut off'));
  };
  // Else it would flow as soon as somebody listens.
  request.pause();
  const end = () => {
    // Without `take` the rest was thrown away: that is no end.
    if (request.listeners('data').includes(take)) body.push(null);
    else body.destroy(new EngineError('invalid', 'request body was cut off'));
  };
  request.on('data', take).on('end', end).on('error', cut).on('close', cut);
  // Nobody reads on: what the client still sends is thrown away until it has the answer.
  body.on('close', () => request.off('data', take).resume());
  body.on('error', () => {});
  return body;
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
    // Whoever was given the body reads no more of it.
    request.removeAllListeners('data');
    request.on('end', end).on('close', end).on('error', end);
    request.on('data', (chunk: Buffer) => {
      timer.refresh();
      left -= chunk.length;
      if (left < 0) end();
    });
    request.resume();
  });
}
