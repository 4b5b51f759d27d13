// One 512-byte header block, decoded and encoded. The tar package decodes numbers, type and checksum; names, sizes and devices are taken from
// the bytes here, since it turns names into text and reads no devices of GNU archives. Encoding is fixed for ever: layer digests hang on it.
import { Header } from 'tar/header';
import { FormatError } from '../format-error.ts';
import { withoutTrailing } from '../without-trailing.ts';
import { encodePax, type PaxRecords, XATTR_PREFIX } from './pax.ts';
import { BLOCK_BYTES, type EntryType, fromBytes, type TarEntry } from './tar-entry.ts';

export interface RawHeader {
  /** The type flag, with the old NUL flag told as "0". */
  readonly typeFlag: string;
  readonly path: string;
  readonly linkPath: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly devMajor: number;
  readonly devMinor: number;
}

const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;

/** Decodes a block. Throws FormatError when the checksum or a number is wrong. */
export function decodeHeader(block: Buffer): RawHeader {
  let header: Header;
  try {
    header = new Header(block, 0);
  } catch (error) {
    throw new FormatError('read tar: a number in a header is out of range', { cause: error });
  }
  if (!header.cksumValid) throw new FormatError('read tar: invalid tar header: the checksum is wrong');
  const flag = text(block, 156, 1);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  const hasDevices = block.toString('latin1', 257, 262) === 'ustar';
  // Not the package's: it takes a name that was cut off behind a slash for a directory's, and then says 0.
  const size = number(block, 124, 12);
  if (!Number.isSafeInteger(size)) throw new FormatError('read tar: invalid tar header: the size is no number');
  return {
    typeFlag: flag === '' ? '0' : flag,
    path: prefix === '' ? name : `${prefix}/${name}`,
    linkPath: text(block, 157, 100),
    mode: header.mode ?? 0,
    uid: header.uid ?? 0,
    gid: header.gid ?? 0,
    sizeBytes: size,
    mtimeSeconds: header.mtime === undefined ? 0 : header.mtime.getTime() / 1000,
    devMajor: hasDevices ? number(block, 329, 8) : 0,
    devMinor: hasDevices ? number(block, 337, 8) : 0,
  };
}

const typeFlags: Readonly<Record<EntryType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** The blocks that stand before an entry's content: a header, and an extended header before it where that is needed. */
export function encodeEntry(entry: TarEntry): Buffer {
  const records: PaxRecords = new Map();
  const isPlain = (name: string): boolean => name.length <= 100 && /^[\x01-\x7f]*$/.test(name);
  if (!isPlain(entry.path)) records.set('path', entry.path);
  if (!isPlain(entry.linkPath)) records.set('linkpath', entry.linkPath);
  const mtime = Math.floor(entry.mtimeSeconds);
  if (mtime < 0 || mtime > MAX_OCTAL_11) records.set('mtime', String(mtime));
  if (entry.sizeBytes > MAX_OCTAL_11) records.set('size', String(entry.sizeBytes));
  if (entry.uid > MAX_OCTAL_7) records.set('uid', String(entry.uid));
  if (entry.gid > MAX_OCTAL_7) records.set('gid', String(entry.gid));
  for (const [name, value] of entry.xattrs) records.set(XATTR_PREFIX + name, value.toString('latin1'));
  const main = encodeBlock({ ...entry, mtimeSeconds: mtime }, typeFlags[entry.type]);
  if (records.size === 0) return main;
  const body = encodePax(records);
  const pax = encodeBlock(
    {
      path: `PaxHeaders.0/${(withoutTrailing(entry.path, '/').split('/').pop() ?? '').slice(0, 80)}`,
      linkPath: '',
      mode: 0o644,
      uid: 0,
      gid: 0,
      sizeBytes: body.length,
      mtimeSeconds: 0,
      devMajor: 0,
      devMinor: 0,
    },
    'x',
  );
  return Buffer.concat([pax, body, Buffer.alloc(paddingOf(body.length)), main]);
}

/** How many zero bytes follow content of this length. */
export function paddingOf(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** The two zero blocks that end an archive. */
export function endOfArchive(): Buffer {
  return Buffer.alloc(2 * BLOCK_BYTES);
}

type BlockFields = Omit<RawHeader, 'typeFlag'>;

function encodeBlock(fields: BlockFields, typeFlag: string): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  fromBytes(fields.path).copy(block, 0, 0, 100);
  octal(block, 100, 8, fields.mode & 0o7777);
  octal(block, 108, 8, fields.uid <= MAX_OCTAL_7 ? fields.uid : 0);
  octal(block, 116, 8, fields.gid <= MAX_OCTAL_7 ? fields.gid : 0);
  octal(block, 124, 12, fields.sizeBytes <= MAX_OCTAL_11 ? fields.sizeBytes : 0);
  octal(block, 136, 12, fields.mtimeSeconds >= 0 && fields.mtimeSeconds <= MAX_OCTAL_11 ? fields.mtimeSeconds : 0);
  block.fill(0x20, 148, 156);
  block.write(typeFlag, 156, 'latin1');
  fromBytes(fields.linkPath).copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257, 'latin1');
  octal(block, 329, 8, fields.devMajor);
  octal(block, 337, 8, fields.devMinor);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function octal(block: Buffer, at: number, width: number, value: number): void {
  block.write(value.toString(8).padStart(width - 1, '0'), at, width - 1, 'latin1');
}

function text(block: Buffer, at: number, width: number): string {
  const raw = block.toString('latin1', at, at + width);
  const end = raw.indexOf('\0');
  return end < 0 ? raw : raw.slice(0, end);
}

/** A number field: octal text or base 256. NaN when it is neither, or negative, or not exact. */
function number(block: Buffer, at: number, width: 8 | 12): number {
  const first = block[at] as number;
  if (first === 0x80) {
    const high = width === 12 ? block.readUInt32BE(at) & 0x7fffffff : 0;
    const low = block.readBigUInt64BE(at + width - 8);
    const value = Number(width === 12 ? low : low & 0xffffffffffffffn);
    return high === 0 && Number.isSafeInteger(value) ? value : Number.NaN;
  }
  if (first & 0x80) return Number.NaN;
  const digits = text(block, at, width).trim();
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}
