// Bytes on their way through, whose digest is known: what ends well had it.
import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { EngineError } from '../errors/engine-error.ts';

export class DigestCheck extends Transform {
  readonly #hash = createHash('sha256');
  readonly #digest: string;
  readonly #what: string;

  /** `what`: verb and operand for the message. */
  constructor(digest: string, what: string) {
    super({ highWaterMark: 1024 * 1024 });
    this.#digest = digest;
    this.#what = what;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(chunk);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    const actual = `sha256:${this.#hash.digest('hex')}`;
    if (actual === this.#digest) done();
    else done(new EngineError('system', `${this.#what}: its bytes have the digest ${actual}: it is damaged`));
  }
}
