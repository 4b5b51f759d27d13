// The rows of layers. Those that were added or changed wait until they are written, all in one transaction: a commit costs as much as a small step
// of a build.
import { readFileSync } from 'node:fs';
import type { Database, Row } from '../state/database.ts';
import type { Layer } from './layer.ts';

/** Rows are written together, a little later; whoever refers to one writes them at once. */
const DELAY_MS = 500;

const COLUMNS = 'number, kind, key, parent, diff_id, size_bytes, tar_bytes, directory, boot';

export class LayerRows {
  readonly #db: Database;
  /** Not written yet, or not as they are now. */
  readonly #waiting = new Map<number, Layer>();
  #timer: NodeJS.Timeout | undefined;
  /** Which boot of the host this is (random(4), boot_id). */
  readonly boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

  constructor(db: Database) {
    this.#db = db;
  }

  /** In order. Those that were not on the disk when the host went down are deleted, with what stands on them. */
  all(): Layer[] {
    const layers = this.#db.all(`SELECT ${COLUMNS} FROM layers ORDER BY number`).map(layerOf);
    const lost = new Set<number>();
    for (const { number, parent, boot } of layers) {
      const isLost = (boot !== undefined && boot !== this.boot) || (parent !== undefined && lost.has(parent));
      if (isLost) lost.add(number);
    }
    if (lost.size === 0) return layers;
    try {
      this.remove([...lost].reverse());
    } catch (error) {
      // Something refers to one of them, against the rule: it had better be looked at than be in the way of a start.
      if (!(error instanceof Error) || !error.message.includes('constraint failed')) throw error;
      return layers;
    }
    return layers.filter(({ number }) => !lost.has(number));
  }

  /** A new one, or one as it is now. */
  set(layer: Layer): void {
    this.#waiting.set(layer.number, layer);
    this.#timer ??= setTimeout(() => {
      try {
        this.write();
      } catch {
        // A full disk, say. They wait still: whoever needs them is told.
      }
    }, DELAY_MS).unref();
  }

  /** One that was never written. */
  forget(number: number): void {
    this.#waiting.delete(number);
  }

  /** `numbers`: what stands on a layer before it. */
  remove(numbers: readonly number[]): void {
    const written = numbers.filter((number) => this.#isWritten(number));
    if (written.length > 0) {
      this.#transaction(() => {
        for (const number of written) this.#db.run('DELETE FROM layers WHERE number = ?', number);
      });
    }
    for (const number of numbers) this.#waiting.delete(number);
  }

  /** Throws what the disk says; then they wait still. */
  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    this.#transaction(() => {
      for (const layer of [...this.#waiting.values()].sort((a, b) => a.number - b.number)) this.#writeOne(layer);
    });
    this.#waiting.clear();
  }

  /** In one of its own: were an outer one rolled back, what is in memory would be more than there is. */
  #transaction(work: () => void): void {
    if (this.#db.isInTransaction)
      throw new TypeError('write rows of layers: a transaction is open, write them before it');
    this.#db.transaction(work);
  }

  #writeOne(layer: Layer): void {
    const values = [
      layer.kind,
      layer.key,
      layer.parent ?? null,
      layer.diffId,
      layer.sizeBytes,
      layer.tarBytes ?? null,
      layer.directory === layer.number ? null : layer.directory,
      layer.boot ?? null,
    ];
    if (this.#isWritten(layer.number)) {
      this.#db.run(
        'UPDATE layers SET kind = ?, key = ?, parent = ?, diff_id = ?, size_bytes = ?, tar_bytes = ?, directory = ?, boot = ? WHERE number = ?',
        ...values,
        layer.number,
      );
    } else this.#db.run(`INSERT INTO layers (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, layer.number, ...values);
  }

  #isWritten(number: number): boolean {
    return this.#db.get('SELECT 1 FROM layers WHERE number = ?', number) !== undefined;
  }

  usageOf(number: number): number | undefined {
    const bytes = this.#db.get('SELECT disk_bytes FROM layers WHERE number = ?', number)?.disk_bytes;
    return typeof bytes === 'number' ? bytes : undefined;
  }

  setUsage(number: number, bytes: number): void {
    this.#db.run('UPDATE layers SET disk_bytes = ? WHERE number = ?', bytes, number);
  }
}

function layerOf(row: Row): Layer {
  const number = Number(row.number);
  return {
    number,
    kind: row.kind === 'init' ? 'init' : 'image',
    key: String(row.key),
    parent: row.parent === null ? undefined : Number(row.parent),
    diffId: String(row.diff_id),
    sizeBytes: Number(row.size_bytes),
    tarBytes: row.tar_bytes === null ? undefined : Number(row.tar_bytes),
    directory: row.directory === null ? number : Number(row.directory),
    boot: row.boot === null ? undefined : String(row.boot),
  };
}
