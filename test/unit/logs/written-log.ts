// A log on the disk as a monitor writes it, and the monitor as readers know it.
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogHold, LogPosition, LogWriter } from '../../../daemon/logs/reader/log-writer.ts';

export class WrittenLog implements LogWriter, Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'tsd-log-'));
  hasEnded = false;
  holds = 0;
  heldSeq = Number.POSITIVE_INFINITY;
  readonly #listeners = new Set<(position: LogPosition) => void>();
  readonly #endListeners = new Set<() => void>();
  #seq = 0;
  #size = 0;

  /** Subscriptions and holds that nobody has ended. */
  get users(): number {
    return this.#listeners.size + this.#endListeners.size + this.holds;
  }

  write(text: string, { stream = 1, timeNs = 1n }: { stream?: 1 | 2; timeNs?: bigint } = {}): void {
    const data = Buffer.from(text);
    const header = Buffer.alloc(16);
    header[0] = stream;
    header.writeUInt32BE(data.length, 4);
    header.writeBigUInt64BE(timeNs, 8);
    appendFileSync(join(this.directory, `log.${this.#seq}`), Buffer.concat([header, data]));
    this.#size += header.length + data.length;
    this.#tell();
  }

  /** Begins the next file. */
  rotate(): void {
    this.#seq++;
    this.#size = 0;
    appendFileSync(join(this.directory, `log.${this.#seq}`), '');
    this.#tell();
  }

  end(): void {
    this.hasEnded = true;
    for (const tell of this.#endListeners) tell();
  }

  onLog(callback: (position: LogPosition) => void): () => void {
    this.#listeners.add(callback);
    queueMicrotask(() => callback({ seq: this.#seq, size: this.#size }));
    return () => this.#listeners.delete(callback);
  }

  onEnd(callback: () => void): () => void {
    this.#endListeners.add(callback);
    return () => this.#endListeners.delete(callback);
  }

  holdLog(): LogHold {
    this.holds++;
    let isHeld = true;
    return {
      moveTo() {},
      release: () => {
        if (isHeld) this.holds--;
        isHeld = false;
      },
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #tell(): void {
    for (const tell of this.#listeners) tell({ seq: this.#seq, size: this.#size });
  }
}
