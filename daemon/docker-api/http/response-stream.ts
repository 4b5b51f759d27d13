// An answer that is sent while it comes about: events, logs, stats, wait, progress. The status line and headers leave at once, because
// clients wait for them before they do the next thing (docker run starts the container only after `wait` has answered).
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { commonHeaders } from '../api-version.ts';
import { whenClientLeaves } from './client-leaves.ts';

export class ResponseStream {
  readonly raw: ServerResponse;

  /** From now on nothing else answers this request. */
  constructor(reply: Pick<FastifyReply, 'hijack' | 'raw'>, contentType: string, headers?: Record<string, string>) {
    reply.hijack();
    this.raw = reply.raw;
    this.raw.on('error', () => undefined);
    this.raw.writeHead(200, { ...commonHeaders, 'Content-Type': contentType, ...headers });
    this.raw.flushHeaders();
  }

  get isClosed(): boolean {
    return this.raw.destroyed;
  }

  /** Runs once: when the client has gone or has only ended its side, or after the end. */
  onLeave(callback: () => void): void {
    whenClientLeaves(this.raw, callback);
  }

  /** Runs once: when the client has gone, or after the end. */
  onClose(callback: () => void): void {
    if (this.raw.destroyed) callback();
    else this.raw.once('close', callback);
  }

  /** Resolves when there is room for more, or the client has gone. */
  async write(bytes: string | Buffer): Promise<void> {
    const { raw } = this;
    if (raw.destroyed || raw.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        raw.off('drain', done).off('close', done);
        resolve();
      };
      raw.on('drain', done).on('close', done);
    });
  }

  end(bytes?: string): void {
    if (!this.raw.destroyed && !this.raw.writableEnded) this.raw.end(bytes);
  }

  /** Something broke in the middle: the client must not take what it got for the whole. */
  abort(): void {
    this.raw.destroy();
  }
}
