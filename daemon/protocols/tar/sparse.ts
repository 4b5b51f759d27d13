// The maps of sparse files in GNU archives: the old format's header fields, and the PAX formats 0.0, 0.1 and 1.0 (GNU tar manual,
// "Sparse Formats"). Only reading: archives are written without sparse files.
import { FormatError } from '../format-error.ts';
import type { PaxRecords } from './pax.ts';

export class SparseMap {
  extents: [number, number][] = [];
  /** Size of the file when unpacked; undefined keeps the header's. */
  realSizeBytes: number | undefined;
  /** More of the map follows, in blocks before the content. */
  isExtended = false;
  /** Bytes of the content that are map. */
  mapBytes = 0;
  #lines = '';
  #numbers: number[] = [];
  #wantedNumbers = -1;

  /** Takes one block of a 1.0 map; true when the map is complete. */
  readLines(block: Buffer): boolean {
    this.mapBytes += block.length;
    this.#lines += block.toString('latin1');
    for (;;) {
      const end = this.#lines.indexOf('\n');
      if (end < 0) {
        if (this.#lines.length > 2 * block.length) throw malformed();
        return false;
      }
      this.#numbers.push(decimal(this.#lines.slice(0, end)));
      this.#lines = this.#lines.slice(end + 1);
      if (this.#wantedNumbers < 0) {
        const count = this.#numbers.shift() as number;
        if (count > 100_000) throw malformed();
        this.#wantedNumbers = count * 2;
      }
      if (this.#numbers.length === this.#wantedNumbers) {
        this.extents = pairs(this.#numbers);
        return true;
      }
    }
  }
}

/** The extents in an old GNU header (four) or in a block that continues it (twenty-one). */
export function readGnuExtents(block: Buffer, where: 'header' | 'extension'): SparseMap {
  const map = new SparseMap();
  const [start, count, flag] = where === 'header' ? [386, 4, 482] : [0, 21, 504];
  for (let i = 0; i < count; i++) {
    const at = start + i * 24;
    if (block[at] === 0) break;
    map.extents.push([gnuNumber(block, at), gnuNumber(block, at + 12)]);
  }
  map.isExtended = block[flag] !== 0;
  if (where === 'header') map.realSizeBytes = gnuNumber(block, 483);
  return map;
}

export function parsePaxExtents(pax: PaxRecords): SparseMap {
  const map = new SparseMap();
  const size = pax.get('GNU.sparse.realsize') ?? pax.get('GNU.sparse.size');
  if (size === undefined) throw malformed();
  map.realSizeBytes = decimal(size);
  if (pax.get('GNU.sparse.major') === '1' && pax.get('GNU.sparse.minor') === '0') map.isExtended = true;
  else {
    const list = pax.get('GNU.sparse.map');
    if (list === undefined) throw malformed();
    map.extents = pairs(list.split(',').map(decimal));
  }
  return map;
}

function pairs(numbers: readonly number[]): [number, number][] {
  if (numbers.length % 2 !== 0 || numbers.length > 200_000) throw malformed();
  const result: [number, number][] = [];
  for (let i = 0; i < numbers.length; i += 2) result.push([numbers[i] as number, numbers[i + 1] as number]);
  return result;
}

function decimal(text: string): number {
  const value = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw malformed();
  return value;
}

function gnuNumber(block: Buffer, at: number): number {
  if ((block[at] as number) & 0x80) {
    const high = block.readUInt32BE(at) & 0x7fffffff;
    const value = Number(block.readBigUInt64BE(at + 4));
    if (high !== 0 || !Number.isSafeInteger(value)) throw malformed();
    return value;
  }
  const digits = block
    .toString('latin1', at, at + 12)
    .replace(/[\0 ]+$/, '')
    .trim();
  if (!/^[0-7]{1,12}$/.test(digits)) throw malformed();
  return Number.parseInt(digits, 8);
}

function malformed(): FormatError {
  return new FormatError('read tar: the map of a sparse file is wrong');
}
