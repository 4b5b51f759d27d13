// The handshake by which an HTTP request becomes a WebSocket (RFC 6455, section 4.2).
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { EngineError } from '../../errors/engine-error.ts';
import { commonHeaders } from '../api-version.ts';

/** RFC 6455, section 1.3. */
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The headers of the answer to a WebSocket's handshake. Throws 'invalid' for a request that is none. */
export function acceptWebSocket(headers: IncomingHttpHeaders): Record<string, string> {
  if (headers.upgrade?.toLowerCase() !== 'websocket') throw new EngineError('invalid', 'not websocket protocol');
  const key = headers['sec-websocket-key'] ?? '';
  if (headers['sec-websocket-version'] !== '13') {
    throw new EngineError('invalid', 'missing or bad WebSocket version: 13 is spoken');
  }
  if (Buffer.from(key, 'base64').length !== 16) throw new EngineError('invalid', 'missing or bad Sec-WebSocket-Key');
  const accept = createHash('sha1').update(`${key}${acceptSuffix}`).digest('base64');
  // A client that names one means that; of several none is known here.
  const protocol = headers['sec-websocket-protocol'] ?? '';
  return {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': accept,
    ...(/^[\w.+-]{1,100}$/.test(protocol) ? { 'Sec-WebSocket-Protocol': protocol } : {}),
    ...commonHeaders,
  };
}
