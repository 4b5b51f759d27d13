// Brings the database and the copies of its rows together, at the start: what the database lost is put back, what was altered in it becomes what
// it was, and what has no copy gets one. Nothing of it is silent.
import { allColumns, type CopiedTable, copiedTables } from './copied-tables.ts';
import type { Database } from './database.ts';
import type { CopiedRow, CopiedValue, RowCopies, RowCopy } from './row-copies.ts';

export type Tell = (fields: object, message: string) => void;

/** Of each kind so many are told one by one. */
const toldOneByOne = 20;

export interface Reconciled {
  /** Rows that were put back or corrected. */
  readonly restored: number;
  /** Copies whose rows the database does not take: they stay. */
  readonly left: readonly RowCopy[];
}

/** `found` and `damaged`: what `copies` has read. */
export function reconcileRows(
  database: Database,
  copies: RowCopies,
  { copies: found, damaged }: { copies: readonly RowCopy[]; damaged: number },
  tell: Tell,
): Reconciled {
  if (damaged > 0) tell({ copies: damaged }, 'copies of rows were damaged: they are written again from the database');
  const told = new Teller(tell);
  const left: RowCopy[] = [];
  database.transaction(() => {
    for (const table of copiedTables) {
      const rows = rowsOf(database, table);
      const ofTable = found.filter((copy) => copy.table === table);
      // A layer refers to one below it, which is older.
      if (table.name === 'layers') ofTable.sort((a, b) => Number(a.row.number) - Number(b.row.number));
      const uncopied = [...rows.values()].filter((row) => !copies.has(table, row));
      for (const copy of ofTable) {
        const row = rows.get(keyOf(table, copy.row));
        if (row !== undefined && (copy.level !== database.level || isSame(table, row, copy.row))) continue;
        const altered = row === undefined ? uncopied.find((one) => isAltered(copy, one)) : undefined;
        if (altered !== undefined) remove(database, table, altered);
        const isBack = attempt(() => (row === undefined ? insert(database, copy) : update(database, copy)), told, copy);
        if (!isBack) left.push(copy);
        else if (row === undefined && altered === undefined) told.say(copy, 'a row that the database lost is put back');
        else told.say(copy, 'a row was altered: it is as it was again');
      }
    }
  });
  told.sum();
  writeMissing(database, copies, tell);
  return { restored: told.count, left };
}

export function* allRows(database: Database): Generator<RowCopy> {
  const { level } = database;
  for (const table of copiedTables) {
    for (const row of rowsOf(database, table).values()) yield { table, row, level };
  }
}

function writeMissing(database: Database, copies: RowCopies, tell: Tell): void {
  try {
    for (const copy of allRows(database)) if (!copies.has(copy.table, copy.row)) copies.write(copy);
  } catch (error) {
    tell({ err: error }, 'cannot copy the rows of the database: tried again at the next start');
  }
}

function rowsOf(database: Database, table: CopiedTable): Map<string, CopiedRow> {
  const rows = database.all(`SELECT ${allColumns(table).join(', ')} FROM ${table.name}`) as CopiedRow[];
  return new Map(rows.map((row) => [keyOf(table, row), { ...row }]));
}

function keyOf({ key }: CopiedTable, row: CopiedRow): string {
  return JSON.stringify(key.map((column) => row[column]));
}

function isSame({ columns }: CopiedTable, row: CopiedRow, copy: CopiedRow): boolean {
  return columns.every((column) => row[column] === copy[column]);
}

/** The row of a copy, but for a bit of its key; `row` has no copy. */
function isAltered({ table, row: copy }: RowCopy, row: CopiedRow): boolean {
  const isNear = table.key.every((column) => {
    const [a, b] = [row[column], copy[column]];
    if (typeof a !== 'string' || typeof b !== 'string') return true;
    return a.length === b.length && [...a].filter((char, i) => char !== b[i]).length <= 1;
  });
  return isNear && isSame(table, row, copy);
}

/** A key that is no text any more, but other bytes, is not found by what was read of it: so its bytes are looked for. */
function remove(database: Database, { name, key }: CopiedTable, row: CopiedRow): void {
  const bytes = key.map((column) => `hex(CAST(${column} AS BLOB))`);
  for (const found of database.all(`SELECT ${bytes.map((hex, i) => `${hex} AS k${i}`).join(', ')} FROM ${name}`)) {
    const hexes = key.map((_, i) => String(found[`k${i}`]));
    if (!key.every((column, i) => Buffer.from(hexes[i] ?? '', 'hex').toString() === String(row[column]))) continue;
    database.run(`DELETE FROM ${name} WHERE ${bytes.map((hex) => `${hex} = ?`).join(' AND ')}`, ...hexes);
  }
}

function insert(database: Database, { table, row }: RowCopy): void {
  const columns = allColumns(table).filter((column) => row[column] !== undefined);
  database.run(
    `INSERT INTO ${table.name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
    ...columns.map((column) => row[column] as CopiedValue),
  );
}

function update(database: Database, { table, row }: RowCopy): void {
  const columns = table.columns.filter((column) => row[column] !== undefined);
  database.run(
    `UPDATE ${table.name} SET ${columns.map((column) => `${column} = ?`).join(', ')}
       WHERE ${table.key.map((column) => `${column} = ?`).join(' AND ')}`,
    ...[...columns, ...table.key].map((column) => row[column] as CopiedValue),
  );
}

/** A constraint may be against it: a name that another row has by now, a layer that is gone. The statement alone fails. */
function attempt(work: () => void, told: Teller, copy: RowCopy): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes('constraint failed')) throw error;
    told.refuse(copy, error);
    return false;
  }
}

class Teller {
  readonly #tell: Tell;
  count = 0;

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  say({ table, row }: RowCopy, what: string): void {
    if (this.count++ < toldOneByOne) this.#tell({ table: table.name, ...shortKey(table, row) }, what);
  }

  refuse({ table, row }: RowCopy, error: Error): void {
    this.#tell(
      { table: table.name, ...shortKey(table, row), err: error },
      'cannot put back a row that the database lost: it stays in rows.log',
    );
  }

  sum(): void {
    if (this.count > 0)
      this.#tell({ rows: this.count }, 'the database had lost rows, or they were altered: they are as they were');
  }
}

function shortKey({ key }: CopiedTable, row: CopiedRow): { row: string } {
  return { row: key.map((column) => String(row[column])).join(' ') };
}
