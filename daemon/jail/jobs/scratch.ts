// Room on the disk for what a job cannot keep in memory: a file without a name, which grows and shrinks at its end. It belongs to one worker, which
// uses it again for each job.
import { ftruncateSync, readSync, writeSync } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';

export class Scratch {
  readonly #fd: number | undefined;
  #end = 0;
  #largest = 0;

  /** Without a file only what needs none can be done. */
  constructor(fd: number | undefined) {
    this.#fd = fd;
  }

  /** Where the next bytes go. */
  get end(): number {
    return this.#end;
  }

  append(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#opened(), bytes, done, bytes.length - done, this.#end + done);
    }
    this.#end += bytes.length;
    this.#largest = Math.max(this.#largest, this.#end);
  }

  /** How many bytes there were at the position, up to `end`. */
  read(into: Buffer, length: number, position: number, end = this.#end): number {
    const wanted = Math.min(length, end - position);
    let done = 0;
    while (done < wanted) {
      const count = readSync(this.#opened(), into, done, wanted - done, position + done);
      if (count === 0) throw new EngineError('system', 'read scratch file: it is too short');
      done += count;
    }
    return done;
  }

  /** Forgets what was appended since. */
  shrinkTo(end: number): void {
    this.#end = end;
  }

  /** Forgets everything, and gives the disk back. */
  clear(): void {
    this.#end = 0;
    if (this.#fd !== undefined && this.#largest > 0) ftruncateSync(this.#fd, 0);
    this.#largest = 0;
  }

  #opened(): number {
    if (this.#fd === undefined) throw new EngineError('system', 'open scratch file: there was no room for one');
    return this.#fd;
  }
}

/** Of one job. */
export interface Scratches {
  /** Sorted names of directories. */
  readonly names: Scratch;
  /** Files with several names; times of directories. */
  readonly notes: Scratch;
}
