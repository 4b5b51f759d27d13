// Archives with whatever an attacker may write: raw ustar headers, PAX records, GNU long names. Nothing is cleaned or checked here.
import { Readable } from 'node:stream';

export interface RawEntry {
  name: string;
  /** '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5' directory, '6' fifo, 'x' PAX, 'L' GNU long name … */
  type?: string;
  data?: string | Buffer;
  link?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  major?: number;
  minor?: number;
  /** Instead of the data's length. */
  size?: number;
  pax?: Record<string, string | Buffer>;
  magic?: string;
}

export function rawTar(entries: readonly RawEntry[], end = true): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    if (entry.pax !== undefined) parts.push(...record({ name: 'pax', type: 'x', data: paxData(entry.pax) }));
    parts.push(...record(entry));
  }
  if (end) parts.push(Buffer.alloc(1024));
  return Buffer.concat(parts);
}

export function rawTarStream(entries: readonly RawEntry[]): Readable {
  return Readable.from([rawTar(entries)]);
}

export const dir = (name: string, mode = 0o755): RawEntry => ({ name, type: '5', mode });
export const file = (name: string, data: string | Buffer = '', mode = 0o644): RawEntry => ({
  name,
  type: '0',
  data,
  mode,
});
export const symlink = (link: string, name: string): RawEntry => ({ name, type: '2', link, mode: 0o777 });
export const hardlink = (link: string, name: string): RawEntry => ({ name, type: '1', link });

function record(entry: RawEntry): Buffer[] {
  const data = Buffer.from(entry.data ?? '');
  const header = Buffer.alloc(512);
  Buffer.from(entry.name, 'latin1').copy(header, 0, 0, 100);
  octal(header, 100, 8, entry.mode ?? 0o644);
  octal(header, 108, 8, entry.uid ?? 0);
  octal(header, 116, 8, entry.gid ?? 0);
  octal(header, 124, 12, entry.size ?? data.length);
  octal(header, 136, 12, entry.mtime ?? 1_700_000_000);
  header.write(entry.type ?? '0', 156, 'latin1');
  Buffer.from(entry.link ?? '', 'latin1').copy(header, 157, 0, 100);
  header.write(entry.magic ?? 'ustar\x0000', 257, 'latin1');
  octal(header, 329, 8, entry.major ?? 0);
  octal(header, 337, 8, entry.minor ?? 0);
  header.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
}

/** Negative and too large numbers go in base 256. */
function octal(header: Buffer, at: number, width: number, value: number): void {
  if (value >= 0 && value < 8 ** (width - 1)) {
    header.write(value.toString(8).padStart(width - 1, '0'), at, 'latin1');
    return;
  }
  const big = BigInt.asUintN(64, BigInt(value));
  header.fill(value < 0 ? 0xff : 0, at, at + width);
  header.writeBigUInt64BE(big, at + width - 8);
  header[at] = value < 0 ? 0xff : 0x80;
}

export function paxData(records: Record<string, string | Buffer>): Buffer {
  const parts = Object.entries(records).map(([key, value]) => {
    const body = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
    let length = body.length + 1;
    while (String(length).length + body.length !== length) length = String(length).length + body.length;
    return Buffer.concat([Buffer.from(String(length)), body]);
  });
  return Buffer.concat(parts);
}
