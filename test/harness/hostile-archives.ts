// Archives that are little on the wire and much to whoever keeps what they say.
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { type TarEntry, tarOf } from './tars.ts';

const MEGABYTE = 1 << 20;

const pax = (type: string, records: string): TarEntry => ({ name: 'pax', type, data: records });

function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

/** Extended headers of 40,000 invented keys each, global ones in between, and never a file: 40 MB. */
export function keysWithoutEnd(): Buffer {
  const keys = (run: number) => Array.from({ length: 40_000 }, (_, i) => record(`${run}.${i}`, 'v')).join('');
  const entries = Array.from({ length: 60 }, (_, i) =>
    pax(i % 2 === 0 ? 'x' : 'g', i % 2 === 0 ? keys(i) : record('a', 'b')),
  );
  return gzipSync(tarOf(entries), { level: 1 });
}

/** Files of nothing, each with 900 KB said about it: 180 MB. */
export function longValues(count = 200): Buffer {
  const value = record('comment', 'v'.repeat(900_000));
  const one = (i: number) => tarOf([pax('x', value), { name: `f${i}`, data: '' }], { end: false });
  return gzipSync(Buffer.concat([...Array.from({ length: count }, (_, i) => one(i)), Buffer.alloc(1024)]), {
    level: 1,
  });
}

export function manyDirectories(count: number): Buffer {
  const entries = Array.from({ length: count }, (_, i) => ({ name: `${i % 100}/directory-${i}/`, mtime: i }));
  return gzipSync(tarOf(entries), { level: 1 });
}

/** Small files with long names, for what keeps an index. */
export function manyNames(count: number): Buffer {
  const entries = Array.from({ length: count }, (_, i) => ({ name: `${'n'.repeat(80)}${i}`, data: '{}' }));
  return gzipSync(tarOf(entries), { level: 1 });
}

/** Zeros, packed with a window of 128 MB: whoever unpacks it needs that much. */
export function largeWindow(): Buffer {
  const bytes = 160 * MEGABYTE;
  const tar = Buffer.concat([
    tarOf([{ name: 'zeros', data: '', size: bytes }], { end: false }),
    Buffer.alloc(bytes + 1024),
  ]);
  return zstdCompressSync(tar, {
    params: { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_compressionLevel]: 1 },
  });
}
