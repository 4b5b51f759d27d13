// The engine's one SQLite database: opening, migrating, transactions, prepared statements. Knows nothing of what the tables mean.
// WAL with synchronous=FULL: a commit that returned survives a power cut.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { EngineError } from '../errors/engine-error.ts';
import { type Migration, migrations } from './migrations.ts';

export type SqlValue = SQLInputValue;
export type Row = Record<string, unknown>;

const pageBytes = 4096;
/** Pages after which the write-ahead log is copied into the database and begun again: one megabyte. */
const checkpointPages = 256;

export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Opens `path` (":memory:" in tests), making and migrating it as needed. The caller holds the lock of the data root. */
  static open(path: string, list: readonly Migration[] = migrations): Database {
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true });
      return Database.#prepareFile(db, path, list);
    } catch (error) {
      db?.close();
      if (error instanceof EngineError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new EngineError('system', `open ${path}: ${why}: move it away to begin with an empty state`, {
        cause: error,
      });
    }
  }

  static #prepareFile(db: DatabaseSync, path: string, list: readonly Migration[]): Database {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF');
    const database = new Database(db);
    database.#migrate(path, list);
    database.#reserveSpace();
    return database;
  }

  /** Runs a statement that changes something; returns how many rows it changed. */
  run(sql: string, ...params: SqlValue[]): number {
    return this.#telling(() => Number(this.#prepare(sql).run(...params).changes));
  }

  get(sql: string, ...params: SqlValue[]): Row | undefined {
    return this.#prepare(sql).get(...params);
  }

  all(sql: string, ...params: SqlValue[]): Row[] {
    return this.#prepare(sql).all(...params);
  }

  /** Runs `work` in one transaction (synchronous: nothing may await inside). Inner transactions become part of the outer. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    return this.#telling(() => this.#runTransaction(work));
  }

  #runTransaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    this.#depth++;
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    } finally {
      this.#depth--;
    }
  }

  close(): void {
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
      if (!isFull(error) || this.#depth > 0) throw error;
      throw new EngineError('system', 'write the state database: no space left on device', { cause: error });
    }
  }

  /**
   * On a full disk stop and rm have to work: what they write must find its place. So the log is brought to the size at which it is
   * used again from its beginning, and the database gets free pages; both keep their blocks.
   */
  #reserveSpace(): void {
    this.#db.exec(`
      PRAGMA wal_autocheckpoint = ${checkpointPages};
      CREATE TABLE IF NOT EXISTS reserve (bytes BLOB) STRICT;
      INSERT INTO reserve VALUES (zeroblob(${(checkpointPages + 64) * pageBytes}));
      DELETE FROM reserve;
      PRAGMA wal_checkpoint(RESTART);
    `);
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

function isFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 13;
}

/** True for the error of a UNIQUE or PRIMARY KEY constraint. */
export function isUniqueViolation(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  return error.errcode === 2067 || error.errcode === 1555;
}
