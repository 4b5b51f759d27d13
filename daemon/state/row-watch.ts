// Sees which rows a transaction changes, and keeps their copies in step: see row-copies.ts for the order. SQLite's triggers tell.
import type { DatabaseSync } from 'node:sqlite';
import { allColumns, type CopiedTable, copiedTables } from './copied-tables.ts';
import type { CopiedRow, CopiedValue, RowCopies, RowCopy } from './row-copies.ts';

/** Changes of soft columns are written together. */
const softDelayMs = 200;

interface Touched {
  readonly table: CopiedTable;
  /** The columns of its key. */
  readonly key: CopiedRow;
}

export interface RowWatchParts {
  readonly db: DatabaseSync;
  readonly copies: RowCopies;
  readonly level: number;
  /** Copies of all rows, made now. */
  readonly allRows: () => Iterable<RowCopy>;
  /** A copy could not be written or deleted: told once until it works again. */
  readonly onError: (error: unknown) => void;
}

export class RowWatch {
  readonly #parts: RowWatchParts;
  #changed = new Map<string, Touched>();
  #later = new Map<string, Touched>();
  #hasDropped = false;
  #isFailing = false;
  #timer: NodeJS.Timeout | undefined;

  /** From here on the changes of this connection are seen. */
  constructor(parts: RowWatchParts) {
    this.#parts = parts;
    parts.db.function('row_changed', { varargs: true }, (table, isSoft, ...key) => {
      this.#note(String(table), isSoft === 1, key as CopiedValue[]);
      return null;
    });
    // Rows that REPLACE takes away are told as well.
    parts.db.exec('PRAGMA recursive_triggers = ON');
    for (const table of copiedTables) parts.db.exec(triggersOf(table));
  }

  /** Everything is written, nothing committed. */
  beforeCommit(): void {
    const { copies } = this.#parts;
    this.#attempt(() => {
      for (const { table, key } of this.#changed.values()) if (copies.drop(table, key)) this.#hasDropped = true;
      if (this.#hasDropped) copies.sync();
    });
  }

  /** The rows are as they stay: the transaction is committed, or rolled back. */
  settled(isCommitted: boolean): void {
    const changed = this.#changed;
    this.#changed = new Map();
    if (isCommitted || this.#hasDropped) for (const one of changed.values()) this.#write(one, false);
    this.#hasDropped = false;
    if (this.#parts.copies.isWasteful) this.#attempt(() => this.#parts.copies.rewrite(this.#parts.allRows()));
    if (this.#later.size > 0) this.#timer ??= setTimeout(() => this.flush(), softDelayMs).unref();
  }

  /** Writes what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const later = this.#later;
    this.#later = new Map();
    for (const one of later.values()) this.#write(one, true);
  }

  #note(name: string, isSoft: boolean, values: CopiedValue[]): void {
    const table = copiedTables.find((one) => one.name === name) as CopiedTable;
    const key = Object.fromEntries(table.key.map((column, i) => [column, values[i] ?? null]));
    const list = isSoft ? this.#later : this.#changed;
    list.set(`${name} ${JSON.stringify(values)}`, { table, key });
  }

  #write({ table, key }: Touched, isSoft: boolean): void {
    const { db, copies, level } = this.#parts;
    this.#attempt(() => {
      const where = table.key.map((column) => `${column} = ?`).join(' AND ');
      const row = db
        .prepare(`SELECT ${allColumns(table).join(', ')} FROM ${table.name} WHERE ${where}`)
        .get(...table.key.map((column) => key[column] as CopiedValue));
      if (row === undefined) return;
      const copy = { table, row: { ...row } as CopiedRow, level };
      if (isSoft) copies.writeSoft(copy);
      else copies.write(copy);
    });
  }

  #attempt(work: () => void): void {
    try {
      work();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#parts.onError(error);
      this.#isFailing = true;
    }
  }
}

function triggersOf({ name, key, columns, soft }: CopiedTable): string {
  const tell = (row: 'new' | 'old', isSoft: 0 | 1) =>
    `SELECT row_changed('${name}', ${isSoft}, ${key.map((column) => `${row}.${column}`).join(', ')});`;
  const hard = [...key, ...columns].join(', ');
  return `
    CREATE TEMP TRIGGER ${name}_inserted AFTER INSERT ON main.${name} BEGIN ${tell('new', 0)} END;
    CREATE TEMP TRIGGER ${name}_deleted AFTER DELETE ON main.${name} BEGIN ${tell('old', 0)} END;
    CREATE TEMP TRIGGER ${name}_updated AFTER UPDATE OF ${hard} ON main.${name} BEGIN ${tell('old', 0)} ${tell('new', 0)} END;
    ${soft.length === 0 ? '' : `CREATE TEMP TRIGGER ${name}_soft AFTER UPDATE OF ${soft.join(', ')} ON main.${name} BEGIN ${tell('new', 1)} END;`}`;
}
