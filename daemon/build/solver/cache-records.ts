// What is known of vertices that were run: under which keys, with which layers. All of it is in memory, and written into the database a moment
// later, many at a time; records that a killed daemon did not write are forgotten, with their layers. Knows nothing of graphs.
//
// INVARIANTS
// - A record holds its layers as long as it is there.
// - It has one key of its own and any number of aliases; a key leads to one record at the most.
// - `identity` is what keys of vertices above are made with: it changes when a record is replaced, for then they stand on other files.
import { randomBytes } from 'node:crypto';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { Database, Row } from '../../state/database.ts';
import { holdLayers } from '../steps/layers-result.ts';
import type { LayersResult } from '../steps/step.ts';

export interface CacheRecord {
  readonly key: string;
  readonly identity: string;
  /** The vertex's name: "[build 2/5] RUN make". */
  readonly description: string;
  readonly createdMs: number;
  /** The highest layer of each output; undefined: no files. */
  readonly outputs: readonly (number | undefined)[];
  readonly usedMs: number;
  readonly useCount: number;
  /** A build that goes on has it. */
  readonly isInUse: boolean;
}

export interface NewRecord {
  readonly key: string;
  readonly identity: string;
  readonly aliases: readonly string[];
  /** What its inputs are known as. */
  readonly inputs: readonly string[];
  readonly description: string;
  readonly outputs: readonly LayersResult[];
  /** Where it was made elsewhere: milliseconds since 1970. */
  readonly createdMs?: number | undefined;
}

interface Entry extends CacheRecord {
  usedMs: number;
  useCount: number;
  users: number;
  readonly held: readonly LayersResult[];
  readonly keys: Map<string, readonly string[]>;
}

/** Builds are over in seconds, and the next one finds them in memory. */
const WRITE_AFTER_MS = 2000;

export class CacheRecords {
  readonly #db: Database;
  readonly #layers: Pick<LayerStore, 'hold' | 'writeRows'>;
  readonly #onError: (error: unknown) => void;
  readonly #entries = new Map<string, Entry>();
  /** Own keys and aliases. */
  readonly #byKey = new Map<string, Entry>();
  /** Keys that are made with an identity. */
  readonly #uses = new Map<string, Set<string>>();
  readonly #changed = new Map<string, 'new' | 'used'>();
  readonly #removed = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  /** Holds the layers of all records that are whole: before anybody collects layers. */
  constructor(db: Database, layers: Pick<LayerStore, 'hold' | 'has' | 'writeRows'>, onError: (error: unknown) => void) {
    this.#db = db;
    this.#layers = layers;
    this.#onError = onError;
    this.#read(layers);
  }

  lookup(key: string): CacheRecord | undefined {
    return this.#byKey.get(key);
  }

  /** Holds on its layers, for who uses it now. */
  use(record: CacheRecord): LayersResult[] {
    const entry = this.#entries.get(record.key);
    if (entry !== undefined) {
      entry.usedMs = Date.now();
      entry.useCount++;
      this.#note(entry, 'used');
    }
    return record.outputs.map((top) => holdLayers(this.#layers, top));
  }

  /** It is in use until this is disposed. */
  pin({ key }: Pick<CacheRecord, 'key'>): Disposable {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.users++;
    return {
      [Symbol.dispose]: () => {
        if (entry !== undefined) entry.users--;
      },
    };
  }

  /** Whether a record could be found with an input that is known as this. */
  hasUses(identity: string): boolean {
    return this.#uses.has(identity);
  }

  /** Takes the place of the one that has the key. */
  add({ key, identity, aliases, inputs, description, outputs, createdMs }: NewRecord): CacheRecord {
    const before = this.#entries.get(key);
    const held = outputs.map((output) => output.again());
    const now = Date.now();
    const tops = held.map(({ top }) => top);
    const used = { createdMs: createdMs ?? now, usedMs: now, useCount: 1 };
    const entry = newEntry({ key, identity, description, outputs: tops, held, ...used });
    if (before !== undefined) this.remove(before);
    // What stands on other files cannot be found any more.
    if (before !== undefined && before.identity !== identity) this.#forgetUses(before.identity);
    this.#entries.set(key, entry);
    for (const each of new Set([key, ...aliases])) this.#name(entry, each, inputs);
    this.#note(entry, 'new');
    return entry;
  }

  /** Another key that leads to a record. */
  alias(record: CacheRecord, key: string, inputs: readonly string[]): void {
    const entry = this.#entries.get(record.key);
    if (entry === undefined || entry.keys.has(key)) return;
    this.#name(entry, key, inputs);
    this.#note(entry, 'new');
  }

  /** Whether it was there: another one under its key stays. */
  remove(record: CacheRecord): boolean {
    const { key } = record;
    const entry = this.#entries.get(key);
    if (entry === undefined || entry !== record) return false;
    for (const each of [...entry.keys.keys()]) this.#unname(entry, each);
    this.#entries.delete(key);
    for (const held of entry.held) held[Symbol.dispose]();
    this.#changed.delete(key);
    this.#removed.add(key);
    this.#writeSoon();
    return true;
  }

  all(): IterableIterator<CacheRecord> {
    return this.#entries.values();
  }

  /** Writes what is to be written: what changed since the last time. */
  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#changed.size === 0 && this.#removed.size === 0) return;
    try {
      // Records refer to them.
      this.#layers.writeRows();
      this.#db.transaction(() => this.#writeAll());
      this.#changed.clear();
      this.#removed.clear();
    } catch (error) {
      // A full disk, say: they are in memory, and tried again with the next change.
      this.#onError(error);
    }
  }

  /** Writes, and lets go of all layers. */
  close(): void {
    this.write();
    for (const { held } of this.#entries.values()) for (const each of held) each[Symbol.dispose]();
    this.#entries.clear();
    this.#byKey.clear();
  }

  #forgetUses(identity: string): void {
    for (const waiting = [identity]; waiting.length > 0; ) {
      for (const key of [...(this.#uses.get(waiting.pop() ?? '') ?? [])]) {
        const entry = this.#byKey.get(key);
        if (entry === undefined) continue;
        this.#unname(entry, key);
        this.#note(entry, 'new');
        if (entry.keys.size > 0) continue;
        this.remove(entry);
        waiting.push(entry.identity);
      }
    }
  }

  #name(entry: Entry, key: string, inputs: readonly string[]): void {
    const other = this.#byKey.get(key);
    if (other !== undefined) {
      this.#unname(other, key);
      this.#note(other, 'new');
    }
    this.#byKey.set(key, entry);
    entry.keys.set(key, inputs);
    for (const input of inputs) this.#uses.set(input, (this.#uses.get(input) ?? new Set()).add(key));
  }

  #unname(entry: Entry, key: string): void {
    this.#byKey.delete(key);
    for (const input of entry.keys.get(key) ?? []) {
      const uses = this.#uses.get(input);
      uses?.delete(key);
      if (uses?.size === 0) this.#uses.delete(input);
    }
    entry.keys.delete(key);
  }

  #note({ key }: Entry, how: 'new' | 'used'): void {
    if (this.#changed.get(key) !== 'new') this.#changed.set(key, how);
    this.#writeSoon();
  }

  #writeSoon(): void {
    this.#timer ??= setTimeout(() => this.write(), WRITE_AFTER_MS).unref();
  }

  #writeAll(): void {
    for (const key of this.#removed) this.#db.run('DELETE FROM build_results WHERE key = ?', key);
    for (const [key, how] of this.#changed) {
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      if (how === 'used') {
        const { usedMs, useCount } = entry;
        this.#db.run('UPDATE build_results SET used_ms = ?, uses = ? WHERE key = ?', usedMs, useCount, key);
      } else this.#writeNew(entry);
    }
  }

  #writeNew({ key, identity, description, createdMs, usedMs, useCount, outputs, keys }: Entry): void {
    this.#db.run('DELETE FROM build_results WHERE key = ?', key);
    this.#db.run(
      'INSERT INTO build_results (key, identity, description, created_ms, used_ms, uses, outputs) VALUES (?, ?, ?, ?, ?, ?, ?)',
      ...[key, identity, description, createdMs, usedMs, useCount, outputs.length],
    );
    outputs.forEach((top, output) => {
      this.#db.run('INSERT INTO build_layers (key, output, layer) VALUES (?, ?, ?)', key, output, top ?? null);
    });
    for (const [each, inputs] of keys) {
      this.#db.run(
        'INSERT OR REPLACE INTO build_keys (name, key, inputs) VALUES (?, ?, ?)',
        each,
        key,
        JSON.stringify(inputs),
      );
    }
  }

  /** Without those that a layer is missing of. */
  #read(layers: Pick<LayerStore, 'has'>): void {
    const outputs = new Map<string, (number | undefined)[]>();
    for (const { key, layer } of this.#db.all('SELECT key, layer FROM build_layers ORDER BY key, output')) {
      const of = outputs.get(String(key)) ?? [];
      outputs.set(String(key), of);
      of.push(layer === null ? undefined : Number(layer));
    }
    for (const row of this.#db.all('SELECT * FROM build_results')) {
      const key = String(row.key);
      const tops = outputs.get(key) ?? [];
      const isWhole = tops.length === row.outputs && tops.every((top) => top === undefined || layers.has(top));
      if (isWhole) this.#entries.set(key, this.#entryOf(row, tops));
      else this.#removed.add(key);
    }
    for (const { name, key, inputs } of this.#db.all('SELECT name, key, inputs FROM build_keys')) {
      const entry = this.#entries.get(String(key));
      if (entry !== undefined) this.#name(entry, String(name), JSON.parse(String(inputs)) as string[]);
    }
    if (this.#removed.size > 0) this.#writeSoon();
  }

  #entryOf(row: Row, outputs: readonly (number | undefined)[]): Entry {
    return newEntry({
      key: String(row.key),
      identity: String(row.identity),
      description: String(row.description),
      createdMs: Number(row.created_ms),
      usedMs: Number(row.used_ms),
      useCount: Number(row.uses),
      outputs,
      held: outputs.map((top) => holdLayers(this.#layers, top)),
    });
  }
}

function newEntry(parts: Omit<Entry, 'keys' | 'users' | 'isInUse'>): Entry {
  return {
    ...parts,
    users: 0,
    keys: new Map(),
    get isInUse() {
      return this.users > 0;
    },
  };
}

/** What a vertex is known as whose record takes the place of another, or would if there were one: of the form of a key. */
export function newIdentity(): string {
  return randomBytes(32).toString('hex');
}
