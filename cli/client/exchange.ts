// One request and its response on one connection.
import type { Socket } from 'node:net';
import { CliError } from '../errors.ts';
import { Body } from './body.ts';
import { type ResponseHead, ResponseParser } from './response-parser.ts';

export type RequestBody = string | AsyncIterable<Uint8Array>;

export interface WireRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  target: string;
  headers: Record<string, string>;
  body?: RequestBody | undefined;
}

export interface WireResponse extends ResponseHead {
  body: Body;
  socket: Socket;
  /** Bytes of the stream that came together with the head of a 101. */
  takeRest(): Buffer;
}

/** Resolves with the head; `onReusable` is called once the connection may carry another request. */
export function exchange(socket: Socket, request: WireRequest, onReusable: () => void): Promise<WireResponse> {
  return new Promise((resolve, reject) => {
    const body = new Body(socket);
    let requestSent = false;
    let isHijacked = false;
    let wantsClose = false;

    const detach = () => {
      socket.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    };
    const fail = (error: unknown) => {
      detach();
      socket.destroy();
      reject(error);
      body.fail(error);
    };
    const parser = new ResponseParser(
      {
        head(head) {
          isHijacked = head.status === 101;
          wantsClose = /\bclose\b/i.test(head.headers.get('connection') ?? '');
          if (isHijacked) {
            detach();
            socket.pause();
          }
          resolve({ ...head, body, socket, takeRest: () => parser.takeRest() });
        },
        data: (chunk) => body.push(chunk),
        end() {
          body.end();
          if (isHijacked) return;
          detach();
          if (wantsClose || !requestSent || socket.destroyed) socket.destroy();
          else onReusable();
        },
      },
      request.method !== 'HEAD',
    );
    const guard = (step: () => void) => {
      try {
        step();
      } catch (error) {
        fail(error);
      }
    };
    const onData = (chunk: Buffer) => guard(() => parser.push(chunk));
    const onEnd = () => guard(() => parser.finish());
    const onError = (error: Error) => fail(error);
    const onClose = () => {
      if (!parser.isDone) guard(() => parser.finish());
    };
    socket.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
    socket.resume();
    send(socket, request).then(
      () => {
        requestSent = true;
      },
      // A daemon that answers before it has read everything (a 4xx) closes the pipe: its answer says why.
      (error: unknown) => {
        if (!socket.destroyed && !isPipeError(error)) fail(error);
      },
    );
  });
}

function isPipeError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET');
}

async function send(socket: Socket, request: WireRequest): Promise<void> {
  const { body } = request;
  const headers = { Host: 'tsdocker', ...request.headers };
  const fields = Object.entries(headers).map(([name, value]) => {
    if (/[\r\n\0]/.test(value)) throw new CliError(`invalid ${name} header`);
    return `${name}: ${value}\r\n`;
  });
  const start = `${request.method} ${request.target} HTTP/1.1\r\n${fields.join('')}`;
  if (body === undefined || typeof body === 'string') {
    const length = body !== undefined || request.method === 'POST' || request.method === 'PUT';
    const text = body ?? '';
    socket.write(`${start}${length ? `Content-Length: ${Buffer.byteLength(text)}\r\n` : ''}\r\n${text}`);
    return;
  }
  socket.write(`${start}Transfer-Encoding: chunked\r\n\r\n`);
  for await (const chunk of body) {
    if (chunk.length === 0) continue;
    socket.write(`${chunk.length.toString(16)}\r\n`);
    socket.write(chunk);
    if (!socket.write('\r\n')) await drained(socket);
  }
  socket.write('0\r\n\r\n');
}

/** Resolves when the socket takes more, rejects when it is gone. */
export function drained(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      socket.off('drain', done).off('close', gone);
      resolve();
    };
    const gone = () => {
      socket.off('drain', done);
      reject(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    };
    if (socket.destroyed) gone();
    else socket.once('drain', done).once('close', gone);
  });
}
