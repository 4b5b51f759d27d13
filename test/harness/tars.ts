// Tar archives written header by header, so that a test can say what no tar program would.

export interface TarEntry {
  name: string;
  /** Default: a file when there is data, else by the trailing slash. */
  type?: 'file' | 'directory' | 'symlink' | 'link' | 'char' | 'block' | 'fifo' | string;
  data?: string | Uint8Array;
  linkname?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  major?: number;
  minor?: number;
  /** Seconds. */
  mtime?: number;
  /** The header's size field, when it is to lie. */
  size?: number;
  /** PAX records put before the entry. */
  pax?: Record<string, string>;
}

const flags: Record<string, string> = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}

function header(entry: Required<Pick<TarEntry, 'name'>> & TarEntry, flag: string, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(entry.name.slice(0, 100), 0);
  block.write(octal(entry.mode ?? (flag === '5' ? 0o755 : 0o644), 8), 100);
  block.write(octal(entry.uid ?? 0, 8), 108);
  block.write(octal(entry.gid ?? 0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(entry.mtime ?? 1_700_000_000, 12), 136);
  block.write('        ', 148);
  block.write(flag, 156);
  block.write((entry.linkname ?? '').slice(0, 100), 157);
  block.write('ustar\0', 257);
  block.write('00', 263);
  block.write(octal(entry.major ?? 0, 8), 329);
  block.write(octal(entry.minor ?? 0, 8), 337);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

function paxData(records: Record<string, string>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest) + 1;
    while (String(length).length + Buffer.byteLength(rest) !== length)
      length = String(length).length + Buffer.byteLength(rest);
    return `${length}${rest}`;
  });
  return Buffer.from(lines.join(''));
}

export function tarOf(entries: readonly TarEntry[], options: { end?: boolean } = {}): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    const data = Buffer.from(entry.data ?? '');
    const kind = entry.type ?? (entry.name.endsWith('/') ? 'directory' : 'file');
    const flag = flags[kind] ?? kind;
    if (entry.pax !== undefined) {
      const pax = paxData(entry.pax);
      parts.push(header({ name: 'pax' }, 'x', pax.length), padded(pax));
    }
    parts.push(header(entry, flag, entry.size ?? data.length), padded(data));
  }
  if (options.end !== false) parts.push(Buffer.alloc(1024));
  return Buffer.concat(parts);
}

export interface ReadEntry {
  name: string;
  flag: string;
  mode: number;
  uid: number;
  gid: number;
  /** Seconds. */
  mtime: number;
  size: number;
  linkname: string;
  data: Buffer;
  /** Its PAX records, a byte of the value a character. */
  pax: Record<string, string>;
}

function text(block: Buffer, from: number, length: number): string {
  const end = block.indexOf(0, from);
  return block.subarray(from, end < 0 || end > from + length ? from + length : end).toString();
}

/** Values may hold any byte, line feeds too: each record says its length. */
function readPax(data: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  let at = 0;
  while (at < data.length) {
    const length = Number.parseInt(data.toString('latin1', at, at + 20), 10);
    if (!(length > 0)) break;
    const [, key = '', value = ''] = /^\d+ ([^=]+)=([\s\S]*)\n$/.exec(data.toString('latin1', at, at + length)) ?? [];
    records[key] = value;
    at += length;
  }
  return records;
}

/** Reads ustar with PAX and GNU long names: enough for what the engine writes. */
export function readTar(bytes: Buffer): ReadEntry[] {
  const found: ReadEntry[] = [];
  let at = 0;
  let pax: Record<string, string> = {};
  let longName: string | undefined;
  while (at + 512 <= bytes.length) {
    const block = bytes.subarray(at, at + 512);
    if (block.every((byte) => byte === 0)) break;
    const number = (from: number, width: number) => Number.parseInt(text(block, from, width).trim() || '0', 8);
    const prefix = text(block, 345, 155);
    const plain = text(block, 0, 100);
    const flag = text(block, 156, 1) || '0';
    const size = pax.size === undefined ? number(124, 12) : Number(pax.size);
    const data = bytes.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
    if (flag === 'x') {
      pax = readPax(data);
      continue;
    }
    if (flag === 'L') {
      longName = data.toString().replace(/\0$/, '');
      continue;
    }
    if (flag === 'g') continue;
    const utf8 = (value: string | undefined) => value && Buffer.from(value, 'latin1').toString();
    const name = utf8(pax.path) ?? longName ?? (prefix === '' ? plain : `${prefix}/${plain}`);
    found.push({
      name,
      flag,
      mode: number(100, 8),
      uid: Number(pax.uid ?? number(108, 8)),
      gid: Number(pax.gid ?? number(116, 8)),
      mtime: Number(pax.mtime ?? number(136, 12)),
      size,
      linkname: utf8(pax.linkpath) ?? text(block, 157, 100),
      data,
      pax,
    });
    pax = {};
    longName = undefined;
  }
  return found;
}
