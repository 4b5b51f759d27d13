// The engine's one SQLite database: opening, migrating, transactions, prepared statements. Knows nothing of what the tables mean.
// WAL with synchronous=FULL: a commit that returned survives a power cut. What to do about one that is lost or damaged: open-state.ts.
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { EngineError } from '../errors/engine-error.ts';
import { type Migration, migrations } from './migrations.ts';
import type { RowCopies, RowCopy } from './row-copies.ts';
import { RowWatch } from './row-watch.ts';

export type SqlValue = SQLInputValue;
export type Row = Record<string, unknown>;

const pageBytes = 4096;
/** Pages after which the write-ahead log is copied into the database and begun again: one megabyte. */
const checkpointPages = 256;

/** Results of SQLite. */
const sqlite = {
  io: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
  unique: 2067,
  primaryKey: 1555,
} as const;

/** The file is not what it was: neither a full disk nor anything else that passes. */
export class DamagedDatabase extends EngineError {}

export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;
  #watch: RowWatch | undefined;
  /** How many migrations it has. */
  readonly level: number;
  /** There was nothing in it before. */
  readonly isNew: boolean;
  /** The disk is full: what is written may fail. */
  isFull = false;

  private constructor(db: DatabaseSync, path: string, list: readonly Migration[]) {
    this.#db = db;
    this.level = list.length;
    this.isNew = this.get('SELECT 1 FROM sqlite_schema LIMIT 1') === undefined;
    this.#migrate(path, list);
    this.#reserveSpace(path);
  }

  /**
   * Opens `path` (":memory:" in tests), making and migrating it as needed. The caller holds the lock of the data root. Throws
   * DamagedDatabase when it is no database, or not a whole one.
   */
  static open(path: string, list: readonly Migration[] = migrations): Database {
    try {
      return Database.#openFile(path, list, 'NORMAL');
    } catch (error) {
      // Without room for the file that processes share (-shm) one that is alone can do.
      if (!hasResult(error, sqlite.full, sqlite.io, sqlite.cannotOpen)) throw openError(path, error);
    }
    try {
      return Database.#openFile(path, list, 'EXCLUSIVE');
    } catch (error) {
      throw openError(path, error);
    }
  }

  static #openFile(path: string, list: readonly Migration[], locking: 'NORMAL' | 'EXCLUSIVE'): Database {
    const db = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true });
    try {
      db.exec(`PRAGMA locking_mode = ${locking}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`);
      db.exec('PRAGMA trusted_schema = OFF');
      const [found] = db.prepare('PRAGMA integrity_check(1)').all();
      const verdict = String(found?.integrity_check);
      if (verdict !== 'ok') throw new DamagedDatabase('system', `open ${path}: ${verdict}`);
      return new Database(db, path, list);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** From here on every row that changes has its copy brought in step. */
  copyRows(copies: RowCopies, allRows: () => Iterable<RowCopy>, onError: (error: unknown) => void): void {
    this.#watch = new RowWatch({ db: this.#db, copies, level: this.level, allRows, onError });
  }

  /** Runs a statement that changes something; returns how many rows it changed. */
  run(sql: string, ...params: SqlValue[]): number {
    const change = () => Number(this.#prepare(sql).run(...params).changes);
    // A copy goes before the commit: so there has to be one.
    return this.#watch === undefined || this.#depth > 0 ? this.#telling(change) : this.transaction(change);
  }

  get(sql: string, ...params: SqlValue[]): Row | undefined {
    return this.#prepare(sql).get(...params);
  }

  all(sql: string, ...params: SqlValue[]): Row[] {
    return this.#prepare(sql).all(...params);
  }

  get isInTransaction(): boolean {
    return this.#depth > 0;
  }

  /** Runs `work` in one transaction (synchronous: nothing may await inside). Inner transactions become part of the outer. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    return this.#telling(() => this.#runTransaction(work));
  }

  #runTransaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    this.#depth++;
    let isCommitted = false;
    try {
      const result = work();
      this.#watch?.beforeCommit();
      this.#db.exec('COMMIT');
      isCommitted = true;
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    } finally {
      this.#depth--;
      this.#watch?.settled(isCommitted);
    }
  }

  close(): void {
    this.#watch?.flush();
    this.#statements.clear();
    this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** A full disk in words that name it. */
  #telling<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!hasResult(error, sqlite.full) || this.#depth > 0) throw error;
      throw new EngineError('system', 'write the state database: no space left on device', { cause: error });
    }
  }

  /**
   * On a full disk stop and rm have to work: what they write must find its place. So the log is brought to the size at which it is
   * used again from its beginning, and the database gets free pages; both keep their blocks.
   */
  #reserveSpace(path: string): void {
    this.#db.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages}`);
    const free = Number(this.get('PRAGMA freelist_count')?.freelist_count ?? 0);
    // Rows that came since have taken some of the free pages: enough is left, and the file need not grow for the rest.
    const pages = free >= checkpointPages + 16 ? Math.min(free - 2, checkpointPages + 64) : checkpointPages + 64;
    try {
      // What is in the log and cannot be brought into the file would keep the log from being used again.
      if (pages > free && !hasRoom(path, (pages - free) * pageBytes)) {
        this.isFull = true;
        this.#db.exec('PRAGMA wal_checkpoint(RESTART)');
        return;
      }
      this.#db.exec(`
        CREATE TABLE IF NOT EXISTS reserve (bytes BLOB) STRICT;
        INSERT INTO reserve VALUES (zeroblob(${pages * (pageBytes - 4)}));
        DELETE FROM reserve;
        PRAGMA wal_checkpoint(RESTART);
      `);
    } catch (error) {
      // What is there can be read all the same, and what fits in what is left can be written.
      if (!hasResult(error, sqlite.full, sqlite.io)) throw error;
      this.isFull = true;
    }
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #migrate(path: string, list: readonly Migration[]): void {
    this.#db.exec(
      'CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT, WITHOUT ROWID',
    );
    const done = new Set(this.all('SELECT name FROM migrations').map((row) => String(row.name)));
    for (const name of done) {
      if (!list.some((migration) => migration.name === name)) {
        throw new EngineError(
          'system',
          `open ${path}: it was written by a newer tsdocker (it has "${name}"): use that version`,
        );
      }
    }
    for (const migration of list) {
      if (done.has(migration.name)) continue;
      this.transaction(() => {
        this.#db.exec(migration.sql);
        this.run('INSERT INTO migrations (name, at) VALUES (?, ?)', migration.name, new Date().toISOString());
      });
    }
  }
}

/** The result's lowest byte is its kind. */
function hasResult(error: unknown, ...kinds: readonly number[]): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  return kinds.includes(Number(error.errcode) & 0xff);
}

function openError(path: string, error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const why = error instanceof Error ? error.message : String(error);
  if (hasResult(error, sqlite.corrupt, sqlite.notADatabase))
    return new DamagedDatabase('system', `open ${path}: ${why}`, { cause: error });
  if (hasResult(error, sqlite.full))
    return new EngineError('system', `open ${path}: no space left on device`, { cause: error });
  return new EngineError('system', `open ${path}: ${why}`, { cause: error });
}

/** True for the error of a UNIQUE or PRIMARY KEY constraint. */
export function isUniqueViolation(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  return error.errcode === sqlite.unique || error.errcode === sqlite.primaryKey;
}

function hasRoom(path: string, bytes: number): boolean {
  if (path === ':memory:') return true;
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize >= bytes;
}
