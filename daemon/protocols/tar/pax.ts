// PAX extended header records, "<length> <key>=<value>\n" (pax(1), POSIX.1-2017). Values are bytes: extended attributes are binary.
import { FormatError } from '../format-error.ts';

/** Keys and values as byte strings (latin1). */
export type PaxRecords = Map<string, string>;

export const XATTR_PREFIX = 'SCHILY.xattr.';

/** Of those that mean something here: a file has a few. */
const MAX_RECORDS = 1000;
const knownKeys: ReadonlySet<string> = new Set(['path', 'linkpath', 'size', 'uid', 'gid', 'mtime']);

/**
 * Adds the records of a header to those that wait for the same entry: a later one of a key replaces an earlier one, an empty value removes it.
 * Keys that nobody asks for are left out: anybody may invent as many of them as fit. Throws FormatError on any malformed record.
 */
export function readPax(bytes: Buffer, records: PaxRecords): void {
  const text = bytes.toString('latin1');
  let at = 0;
  while (at < text.length) {
    // Some writers pad the last block inside the announced size.
    if (text.charCodeAt(at) === 0) break;
    const space = text.indexOf(' ', at);
    if (space < 0 || space - at > 10) throw malformed();
    const digits = text.slice(at, space);
    const length = Number(digits);
    const end = at + length;
    if (!/^[0-9]+$/.test(digits) || end > text.length || end <= space + 1 || text[end - 1] !== '\n') throw malformed();
    const equals = text.indexOf('=', space + 1);
    if (equals < 0 || equals >= end) throw malformed();
    const key = text.slice(space + 1, equals);
    const value = text.slice(equals + 1, end - 1);
    if (key === '' || key.includes('\0')) throw malformed();
    if (value.includes('\0') && !key.startsWith(XATTR_PREFIX)) throw malformed();
    // Sparse format 0.0 repeats two keys for each part of the file: joined they are format 0.1's map.
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      const map = records.get('GNU.sparse.map');
      records.set('GNU.sparse.map', map === undefined ? value : `${map},${value}`);
    } else if (value === '' && !key.startsWith(XATTR_PREFIX)) records.delete(key);
    else if (isKnown(key)) records.set(key, value);
    if (records.size > MAX_RECORDS)
      throw new FormatError(`read tar: extended headers of one entry have more than ${MAX_RECORDS} records`);
    at = end;
  }
}

function isKnown(key: string): boolean {
  return knownKeys.has(key) || key.startsWith(XATTR_PREFIX) || key.startsWith('GNU.sparse.');
}

/** Encodes records in the order of their keys, so that the same records always make the same bytes. */
export function encodePax(records: PaxRecords): Buffer {
  const keys = [...records.keys()].sort();
  return Buffer.concat(keys.map((key) => encodeRecord(key, records.get(key) as string)));
}

/** A decimal number of a record: digits, perhaps a fraction. */
export function paxNumber(records: PaxRecords, key: string): number | undefined {
  const value = records.get(key);
  if (value === undefined) return undefined;
  if (!/^-?[0-9]{1,20}(\.[0-9]{0,30})?$/.test(value)) throw malformed();
  return Number(value);
}

function encodeRecord(key: string, value: string): Buffer {
  const body = ` ${key}=${value}\n`;
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.from(`${length}${body}`, 'latin1');
}

function malformed(): FormatError {
  return new FormatError('read tar: malformed extended header');
}
