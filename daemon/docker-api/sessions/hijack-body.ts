// The body of a request whose connection was handed over behind its headers: as long as Content-Length says, or in chunks. What follows it is
// the session's input.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import { parseJson } from '../http/read-body.ts';

const bodyLimit = 64 * 1024;
/** Chunks of one byte each have five more for their size and line ends. */
const chunkedLimit = 6 * bodyLimit;
const bodyTimeoutMs = 20_000;

export interface HijackBody {
  /** undefined when there is none, or none is wanted. */
  body: unknown;
  leftover: Buffer;
}

/** `head`: what arrived behind the headers. Throws 'invalid' and 'too-large'. */
export async function readHijackBody(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  isWanted: boolean,
): Promise<HijackBody> {
  const { headers } = request;
  const split = bodySplitter(headers);
  let found = split(head);
  if (found === undefined) {
    if (headers.expect?.toLowerCase() === '100-continue') socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    found = await readMore(socket, head, split);
  }
  const { body, leftover } = found;
  return { body: body.length === 0 || !isWanted ? undefined : parseJson(body, headers['content-type']), leftover };
}

type Split = (bytes: Buffer) => { body: Buffer; leftover: Buffer } | undefined;

/** The returned function gives undefined while bytes are missing. */
function bodySplitter(headers: IncomingMessage['headers']): Split {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked') {
      throw new EngineError('invalid', `unsupported Transfer-Encoding "${coding}": chunked is taken`);
    }
    return splitChunked;
  }
  const length = Number(headers['content-length'] ?? 0);
  if (!(length <= bodyLimit)) throw tooLarge();
  return (bytes) => {
    if (bytes.length < length) return undefined;
    return { body: bytes.subarray(0, length), leftover: bytes.subarray(length) };
  };
}

function splitChunked(bytes: Buffer): { body: Buffer; leftover: Buffer } | undefined {
  const chunks: Buffer[] = [];
  let total = 0;
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) {
      if (bytes.length - at > 1024) throw malformed();
      return undefined;
    }
    const digits = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(bytes.toString('latin1', at, lineEnd))?.[1];
    if (digits === undefined) throw malformed();
    const size = Number.parseInt(digits, 16);
    total += size;
    if (total > bodyLimit) throw tooLarge();
    const start = lineEnd + 2;
    if (size === 0) {
      const end = endOfTrailers(bytes, start);
      return end === undefined ? undefined : { body: Buffer.concat(chunks), leftover: bytes.subarray(end) };
    }
    if (bytes.length < start + size + 2) return undefined;
    if (bytes.toString('latin1', start + size, start + size + 2) !== '\r\n') throw malformed();
    chunks.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}

/** Fields may follow the last chunk, up to an empty line. */
function endOfTrailers(bytes: Buffer, start: number): number | undefined {
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    if (lineEnd === at) return lineEnd + 2;
    at = lineEnd + 2;
  }
}

function readMore(socket: Duplex, head: Buffer, split: Split): Promise<{ body: Buffer; leftover: Buffer }> {
  return new Promise((resolve, reject) => {
    let bytes = head;
    const timer = setTimeout(() => fail(cutOff('did not arrive in time')), bodyTimeoutMs);
    const stop = () => {
      clearTimeout(timer);
      socket.pause();
      socket.off('data', take).off('end', cut).off('close', cut);
    };
    const fail = (error: Error) => {
      stop();
      reject(error);
    };
    const cut = () => fail(cutOff('was cut off'));
    const take = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      try {
        if (bytes.length > chunkedLimit) throw tooLarge();
        const found = split(bytes);
        if (found === undefined) return;
        stop();
        resolve(found);
      } catch (error) {
        fail(error as Error);
      }
    };
    socket.on('data', take).on('end', cut).on('close', cut);
    // Its end may have come together with the headers.
    if (socket.readableEnded || socket.destroyed) cut();
  });
}

function cutOff(how: string): EngineError {
  return new EngineError('invalid', `request body ${how}`);
}

function malformed(): EngineError {
  return new EngineError('invalid', 'request body: malformed chunked encoding');
}

function tooLarge(): EngineError {
  return new EngineError('too-large', `request body is larger than ${bodyLimit} bytes`);
}
