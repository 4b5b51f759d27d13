// The state at the start of the daemon: the database with the copies of its rows. One that is damaged is set aside, never thrown away, and made
// again from what can be read of it and from the copies; one that is missing is made again from the copies.
import { copyFileSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { EngineError } from '../errors/engine-error.ts';
import { allColumns, copiedTables } from './copied-tables.ts';
import { DamagedDatabase, Database } from './database.ts';
import { allRows, reconcileRows, type Tell } from './reconcile-rows.ts';
import { type CopiedRow, type CopiedValue, RowCopies, type RowCopy } from './row-copies.ts';

export interface State {
  readonly database: Database;
  /**
   * Some of it was lost, so that a file without a row need not be of something that was never finished: nothing is thrown away because its
   * row is missing.
   */
  readonly isDoubtful: boolean;
  /** Copies whose rows could not be put back. */
  readonly left: readonly RowCopy[];
  close(): void;
}

export interface StateOptions {
  /** Where the database is: the data root, unless that cannot be written. */
  readonly directory?: string;
  readonly dataRoot: string;
  /** Directories below the data root which hold things of which the database should know. */
  readonly holdings: readonly string[];
  readonly tell: Tell;
}

const walFiles = ['', '-wal', '-shm'] as const;
/** What a write-ahead log and its index need: see Database. */
const reserveBytes = 1536 * 1024;

/** The caller holds the lock of the data root. */
export function openState({ dataRoot, directory = dataRoot, holdings, tell }: StateOptions): State {
  const path = join(directory, 'state.db');
  const reserve = join(directory, 'state.reserve');
  // Its place is the log's, while there is one.
  rmSync(reserve, { force: true });
  const copies = new RowCopies(join(directory, 'rows.log'));
  const found = copies.readAll();
  const opened = openOrRescue(path, found.copies.length, tell);
  const { database } = opened;
  try {
    const held = holdings.filter((name) => hasEntries(join(dataRoot, name)));
    if (database.isNew && found.copies.length === 0 && held.length > 0) {
      throw new EngineError(
        'system',
        `open ${path}: it is missing, or empty, but there is something in ${held.join(', ')}: put the database back; to begin anew, use another --data-root`,
      );
    }
    if (database.isFull)
      tell({ dataRoot }, 'the disk of the data root is full: what is there is served, and changes may fail');
    const { restored, left } = reconcileRows(database, copies, found, tell);
    database.copyRows(
      copies,
      () => allRows(database),
      (error) => tell({ err: error }, 'cannot copy a row of the database: done again at the next start'),
    );
    const isDoubtful = restored > 0 || left.length > 0 || opened.isRescued;
    return { database, isDoubtful, left, close: () => closeState(database, copies, reserve) };
  } catch (error) {
    database.close();
    copies.close();
    throw error;
  }
}

/** A full disk has no room for a log when it was closed before: so its place is kept. */
function closeState(database: Database, copies: RowCopies, reserve: string): void {
  database.close();
  copies.close();
  try {
    // No holes, and nothing that compresses well.
    writeFileSync(reserve, crypto.getRandomValues(Buffer.alloc(65_536)), { mode: 0o600 });
    for (let bytes = 65_536; bytes < reserveBytes; bytes += 65_536)
      writeFileSync(reserve, crypto.getRandomValues(Buffer.alloc(65_536)), { flag: 'a' });
  } catch {
    // Full already: what there is of it stays.
  }
}

function openOrRescue(path: string, copies: number, tell: Tell): { database: Database; isRescued: boolean } {
  try {
    const database = Database.open(path);
    if (database.isNew && copies > 0)
      tell({ path }, 'the database is missing, or empty: it is made again from the copies of its rows');
    return { database, isRescued: database.isNew && copies > 0 };
  } catch (error) {
    if (!(error instanceof DamagedDatabase)) throw error;
    if (copies === 0) {
      throw new EngineError('system', `${error.message}: it is left as it is: put an intact one in its place`, {
        cause: error,
      });
    }
    const aside = setAside(path);
    tell({ err: error, aside }, 'the database is damaged: it is set aside and made again from the copies of its rows');
    const database = Database.open(path);
    salvage(aside, database, tell);
    return { database, isRescued: true };
  }
}

/** Returns where it is. */
function setAside(path: string): string {
  const aside = `${path}.damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  for (const suffix of walFiles)
    if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${aside}${suffix}`);
  return aside;
}

/** Takes over the rows that can be read: the newest may have no copy yet. Reading may change the file, so it is done in another one. */
function salvage(aside: string, database: Database, tell: Tell): void {
  const work = `${aside}.work`;
  try {
    for (const suffix of ['', '-wal'])
      if (existsSync(`${aside}${suffix}`)) copyFileSync(`${aside}${suffix}`, `${work}${suffix}`);
    const damaged = new DatabaseSync(work);
    try {
      for (const table of copiedTables) takeOver(damaged, database, table.name, allColumns(table));
    } finally {
      damaged.close();
    }
  } catch (error) {
    tell({ err: error }, 'cannot read what is left of the damaged database: the copies of its rows are all there is');
  } finally {
    for (const suffix of walFiles) rmSync(`${work}${suffix}`, { force: true });
  }
}

function takeOver(damaged: DatabaseSync, database: Database, table: string, columns: readonly string[]): void {
  const list = columns.join(', ');
  const into = `INSERT OR IGNORE INTO ${table} (${list}) VALUES (${columns.map(() => '?').join(', ')})`;
  try {
    for (const row of damaged.prepare(`SELECT ${list} FROM ${table}`).iterate() as Iterable<CopiedRow>) {
      try {
        database.run(into, ...columns.map((column) => row[column] as CopiedValue));
      } catch {
        // Of another type, or of something that is lost: a copy knows better.
      }
    }
  } catch {
    // From here on it cannot be read.
  }
}

function hasEntries(directory: string): boolean {
  return existsSync(directory) && readdirSync(directory).length > 0;
}
