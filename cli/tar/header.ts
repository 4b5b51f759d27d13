// Tar headers: POSIX ustar with pax records, reading GNU's long names too. Source: POSIX pax, GNU tar's manual.
import { CliError } from '../errors.ts';
import { fsPath } from './byte-names.ts';

export type EntryType = 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

export interface TarEntry {
  /** Relative, with forward slashes; a directory's may end with one. Bytes: see byte-names.ts. */
  name: string;
  type: EntryType;
  /** Permission bits with set-id and sticky. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Seconds since 1970, with a fraction. */
  mtime: number;
  /** Bytes, as the name. */
  linkName: string;
  deviceMajor: number;
  deviceMinor: number;
  /** The attribute security.capability, as the kernel takes it (capabilities(7)). */
  capability?: Buffer | undefined;
}

export const blockBytes = 512;
/** The record of an extended attribute that star, GNU tar and docker share; its value is bytes. */
const capabilityRecord = 'SCHILY.xattr.security.capability';

const typeFlags: Record<EntryType, string> = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};
const typesByFlag = new Map(Object.entries(typeFlags).map(([type, flag]) => [flag, type as EntryType]));

export function roundUp(size: number): number {
  return Math.ceil(size / blockBytes) * blockBytes;
}

/** Header blocks of an entry, a pax header before it where ustar cannot say it all. */
export function encodeHeader(entry: TarEntry): Buffer {
  const name = fsPath(entry.name);
  const link = fsPath(entry.linkName);
  const records: [string, string][] = [];
  if (name.length > 100) records.push(['path', entry.name]);
  if (link.length > 100) records.push(['linkpath', entry.linkName]);
  if (entry.size > 0o77777777777) records.push(['size', String(entry.size)]);
  if (entry.mtime < 0) records.push(['mtime', String(Math.floor(entry.mtime))]);
  if (entry.uid > 0o7777777) records.push(['uid', String(entry.uid)]);
  if (entry.gid > 0o7777777) records.push(['gid', String(entry.gid)]);
  if (entry.capability) records.push([capabilityRecord, entry.capability.toString('latin1')]);
  const header = ustar(entry, name.subarray(0, 100), link.subarray(0, 100), typeFlags[entry.type]);
  if (records.length === 0) return header;
  const body = Buffer.from(records.map(([key, value]) => paxRecord(key, value)).join(''), 'latin1');
  const paxEntry: TarEntry = { ...entry, type: 'file', mode: 0o644, size: body.length, linkName: '' };
  const paxHeader = ustar(paxEntry, Buffer.from('PaxHeaders/entry'), Buffer.alloc(0), 'x');
  return Buffer.concat([paxHeader, body, Buffer.alloc(roundUp(body.length) - body.length), header]);
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`.length;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function ustar(entry: TarEntry, name: Buffer, link: Buffer, flag: string): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, offset: number, width: number) => {
    const limit = 8 ** (width - 1) - 1;
    block.write(
      Math.min(Math.max(0, Math.trunc(value)), limit)
        .toString(8)
        .padStart(width - 1, '0'),
      offset,
      'latin1',
    );
  };
  name.copy(block, 0);
  octal(entry.mode & 0o7777, 100, 8);
  octal(entry.uid, 108, 8);
  octal(entry.gid, 116, 8);
  octal(entry.size, 124, 12);
  octal(entry.mtime, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(flag, 156, 'latin1');
  link.copy(block, 157);
  block.write('ustar\x0000', 257, 'latin1');
  octal(entry.deviceMajor, 329, 8);
  octal(entry.deviceMinor, 337, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

export type RawHeader = { flag: string; entry: TarEntry };

/** Undefined for a block of zeros, which ends the archive. */
export function decodeHeader(block: Buffer): RawHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  const stored = octalField(block, 148, 8);
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
  if (stored !== sum) throw new CliError('tar: invalid header checksum');
  const flag = block.toString('latin1', 156, 157);
  const isUstar = block.toString('latin1', 257, 262) === 'ustar';
  const prefix = isUstar && block.toString('latin1', 262, 263) === '\0' ? textField(block, 345, 155) : '';
  const name = textField(block, 0, 100);
  const fullName = prefix === '' ? name : `${prefix}/${name}`;
  const isOldDirectory = (flag === '\0' || flag === '0') && fullName.endsWith('/');
  return {
    flag,
    entry: {
      name: fullName,
      type: isOldDirectory ? 'directory' : (typesByFlag.get(flag) ?? 'file'),
      mode: octalField(block, 100, 8) & 0o7777,
      uid: octalField(block, 108, 8),
      gid: octalField(block, 116, 8),
      size: octalField(block, 124, 12),
      mtime: octalField(block, 136, 12),
      linkName: textField(block, 157, 100),
      deviceMajor: isUstar ? octalField(block, 329, 8) : 0,
      deviceMinor: isUstar ? octalField(block, 337, 8) : 0,
    },
  };
}

function textField(block: Buffer, offset: number, width: number): string {
  const field = block.subarray(offset, offset + width);
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? width : end);
}

function octalField(block: Buffer, offset: number, width: number): number {
  const first = block[offset] ?? 0;
  if (first & 0x80) {
    // GNU's base-256 numbers; negative ones (first byte 0xff) stand for times before 1970.
    let value = first === 0xff ? -1n : BigInt(first & 0x7f);
    for (let i = offset + 1; i < offset + width; i++) value = value * 256n + BigInt(block[i] ?? 0);
    return Number(value);
  }
  const text = block
    .toString('latin1', offset, offset + width)
    .replace(/[\0 ]+$/, '')
    .trim();
  if (!/^[0-7]*$/.test(text)) throw new CliError('tar: invalid number in header');
  return text === '' ? 0 : Number.parseInt(text, 8);
}

/** What the records of a pax header change in the entry behind it. */
export function applyPaxRecords(entry: TarEntry, body: Buffer): void {
  for (let offset = 0; offset < body.length; ) {
    const blank = body.indexOf(32, offset);
    const length = Number(body.toString('latin1', offset, blank));
    if (blank < 0 || !Number.isInteger(length) || length <= 0 || offset + length > body.length) {
      throw new CliError('tar: invalid pax record');
    }
    const record = body.toString('latin1', blank + 1, offset + length - 1);
    const equals = record.indexOf('=');
    applyRecord(entry, record.slice(0, equals), record.slice(equals + 1));
    offset += length;
  }
}

function applyRecord(entry: TarEntry, key: string, value: string): void {
  if (key === 'path') entry.name = value;
  else if (key === 'linkpath') entry.linkName = value;
  else if (key === capabilityRecord) entry.capability = Buffer.from(value, 'latin1');
  else if (key === 'size' || key === 'uid' || key === 'gid' || key === 'mtime') {
    const number = Number(value);
    if (!Number.isFinite(number) || (key !== 'mtime' && number < 0)) throw new CliError(`tar: invalid pax ${key}`);
    entry[key] = number;
  }
}
