// A copy of each row that matters, as a line of one file: a database that is lost or damaged is made again from them, and a row that was altered
// is known by them. The invariant: a copy never says more than the database did. A copy goes, durably, before the transaction that changes or
// deletes its row, and is written after it; so a copy without its row is a row that was lost.
// A line begins with "+", or "-" once it does not count: that is written in place, which takes no room on a full disk. Then a CRC of the rest.
import {
  closeSync,
  constants,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { type CopiedTable, copiedTables } from './copied-tables.ts';

export type CopiedValue = string | number | null;
export type CopiedRow = Record<string, CopiedValue>;

export interface RowCopy {
  readonly table: CopiedTable;
  readonly row: CopiedRow;
  /** How many migrations the database had: rows of another level may look different. */
  readonly level: number;
}

interface Line {
  offset: number;
  bytes: number;
}

/** Where the lines of one row are. */
interface Place {
  copy: Line;
  soft?: Line;
}

const version = 1;
/** Lines that do not count are left out, in a new file, when they are more than those that count, and more than this. */
const slackBytes = 4 * 1024 * 1024;
const dead = Buffer.from('-');

export class RowCopies {
  readonly #path: string;
  #fd: number;
  #end = 0;
  #liveBytes = 0;
  #rewriteFrom = 0;
  readonly #places = new Map<string, Place>();

  /** Opens or makes the file. Its lines are not known before `readAll`. */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  }

  has(table: CopiedTable, row: CopiedRow): boolean {
    return this.#places.has(keyOf(table, row));
  }

  /** All that are whole, and how many lines are not. */
  readAll(): { copies: RowCopy[]; damaged: number } {
    const found = new Map<string, RowCopy>();
    const bytes = readFileSync(this.#path);
    let damaged = 0;
    for (let offset = 0; offset < bytes.length; ) {
      const newline = bytes.indexOf(10, offset);
      const end = newline < 0 ? bytes.length : newline + 1;
      const line = { offset, bytes: end - offset };
      const text = bytes.toString('utf8', offset, end);
      offset = end;
      if (text.startsWith('-')) continue;
      const read = decode(text);
      if (read === undefined) damaged++;
      else this.#take(found, read, line);
    }
    this.#end = bytes.length;
    // The next line begins on a line of its own, whatever a power cut left of the last.
    if (bytes.length > 0 && bytes.at(-1) !== 10) this.#append('\n');
    return { copies: [...found.values()], damaged };
  }

  /** After the row was written. Throws what the disk says. */
  write({ table, row, level }: RowCopy): void {
    const key = keyOf(table, row);
    const before = this.#places.get(key);
    const copy = this.#append(encode({ table: table.name, level, row }));
    this.#places.set(key, { copy });
    if (before !== undefined) this.#bury(before);
  }

  /** The soft columns alone: of a row that has a copy. */
  writeSoft({ table, row, level }: RowCopy): void {
    const key = keyOf(table, row);
    const place = this.#places.get(key);
    if (place === undefined) {
      this.write({ table, row, level });
      return;
    }
    const columns = [...table.key, ...table.soft].map((column) => [column, row[column] ?? null]);
    const soft = this.#append(encode({ table: table.name, level, soft: Object.fromEntries(columns) as CopiedRow }));
    if (place.soft !== undefined) this.#kill(place.soft);
    place.soft = soft;
  }

  /** Takes the copy of a row away; of `row` only the key counts. False when there is none. It is durable after `sync`. */
  drop(table: CopiedTable, row: CopiedRow): boolean {
    const key = keyOf(table, row);
    const place = this.#places.get(key);
    if (place === undefined) return false;
    this.#bury(place);
    this.#places.delete(key);
    return true;
  }

  sync(): void {
    fdatasyncSync(this.#fd);
  }

  /** Whether `rewrite` is worth it. */
  get isWasteful(): boolean {
    return this.#end > this.#rewriteFrom && this.#end - this.#liveBytes > Math.max(slackBytes, this.#liveBytes);
  }

  /** A file of these alone takes the place of this one. */
  rewrite(copies: Iterable<RowCopy>): void {
    const aside = `${this.#path}.new`;
    rmSync(aside, { force: true });
    const next = new RowCopies(aside);
    try {
      for (const copy of copies) next.write(copy);
      next.sync();
      renameSync(aside, this.#path);
    } catch (error) {
      next.close();
      rmSync(aside, { force: true });
      // A full disk: not at every change.
      this.#rewriteFrom = this.#end + slackBytes;
      throw error;
    }
    // With the old file a power cut would bring back what is dropped from now on.
    syncDirectory(dirname(this.#path));
    closeSync(this.#fd);
    this.#fd = next.#fd;
    this.#end = next.#end;
    this.#liveBytes = next.#liveBytes;
    this.#places.clear();
    for (const [key, place] of next.#places) this.#places.set(key, place);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #take(found: Map<string, RowCopy>, { table, level, row, soft }: Decoded, line: Line): void {
    const key = keyOf(table, row ?? soft ?? {});
    const known = found.get(key);
    const place = this.#places.get(key);
    if (row !== undefined) {
      // Killed between a line and the end of the one before it: the later one counts.
      if (place !== undefined) this.#bury(place);
      found.set(key, { table, row, level });
      this.#places.set(key, { copy: line });
      this.#liveBytes += line.bytes;
    } else if (known !== undefined && place !== undefined) {
      found.set(key, { table, row: { ...known.row, ...soft }, level: known.level });
      if (place.soft !== undefined) this.#kill(place.soft);
      place.soft = line;
      this.#liveBytes += line.bytes;
    } else this.#kill(line);
  }

  #append(text: string): Line {
    const bytes = Buffer.from(text);
    const line = { offset: this.#end, bytes: bytes.length };
    try {
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#end + done);
    } catch (error) {
      // A full disk has room for half a line.
      ftruncateSync(this.#fd, this.#end);
      throw error;
    }
    this.#end += bytes.length;
    this.#liveBytes += bytes.length;
    return line;
  }

  #bury({ copy, soft }: Place): void {
    this.#kill(copy);
    if (soft !== undefined) this.#kill(soft);
  }

  #kill({ offset, bytes }: Line): void {
    writeSync(this.#fd, dead, 0, 1, offset);
    this.#liveBytes -= bytes;
  }
}

interface Content {
  readonly table: string;
  readonly level: number;
  readonly row?: CopiedRow;
  readonly soft?: CopiedRow;
}

type Decoded = Omit<Content, 'table'> & { readonly table: CopiedTable };

function keyOf({ name, key }: CopiedTable, row: CopiedRow): string {
  return JSON.stringify([name, ...key.map((column) => row[column])]);
}

function encode(content: Content): string {
  const text = JSON.stringify({ version, ...content });
  return `+${sumOf(text)} ${text}\n`;
}

function decode(line: string): Decoded | undefined {
  const [, sum, text] = /^\+([0-9a-f]{8}) (.*)\n$/s.exec(line) ?? [];
  if (text === undefined || sum !== sumOf(text)) return undefined;
  const content = JSON.parse(text) as Content & { version: number };
  const table = copiedTables.find(({ name }) => name === content.table);
  return table === undefined || content.version !== version ? undefined : { ...content, table };
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function sumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
