import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TarEntry } from '../../../../daemon/protocols/tar/tar-entry.ts';
import { encodeEntry, endOfArchive, paddingOf } from '../../../../daemon/protocols/tar/tar-header.ts';
import { defaultTarLimits, TarReader } from '../../../../daemon/protocols/tar/tar-reader.ts';
import { file, paxData, type RawEntry, rawTar } from '../../jail/raw-tar.ts';

interface Read {
  entry: TarEntry;
  content: Buffer;
}

/** Reads an archive in chunks of a size; holes are zeros. */
function read(bytes: Buffer, chunkBytes = bytes.length, limits = defaultTarLimits): Read[] {
  const found: Read[] = [];
  const reader = new TarReader(
    {
      entry: (entry) => found.push({ entry, content: Buffer.alloc(Math.min(entry.sizeBytes, 10_000_000)) }),
      data: (data, offset) => data.copy(found.at(-1)?.content as Buffer, offset),
      end: () => undefined,
    },
    limits,
  );
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    // As a transferred buffer: its memory is gone after the call.
    const chunk = Buffer.from(bytes.subarray(at, at + chunkBytes));
    reader.write(chunk);
    chunk.fill(0xee);
  }
  reader.end();
  return found;
}

function manyRecords(count: number, prefix: string): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, 'v']));
}

const everyKind: RawEntry[] = [
  { name: 'dir/', type: '5', mode: 0o1777, uid: 7, gid: 8, mtime: 1234 },
  file('dir/a', 'hello'),
  { name: 'link', type: '2', link: 'dir/a' },
  { name: 'hard', type: '1', link: 'dir/a' },
  { name: 'null', type: '3', major: 1, minor: 3 },
  { name: 'disk', type: '4', major: 259, minor: 300 },
  { name: 'pipe', type: '6' },
  {
    ...file('short', 'x'.repeat(2000)),
    pax: {
      path: `${'long/'.repeat(40)}name`,
      mtime: '12.5',
      uid: '3000000',
      'SCHILY.xattr.user.a': Buffer.from([0, 10, 255]),
    },
  },
  { name: '././@LongLink', type: 'L', data: `${'gnu/'.repeat(50)}x\0` },
  file('truncated', 'y'),
];

describe('reading', () => {
  test.each([1, 7, 100, 511, 512, 513, 4096, 1 << 20])(
    'gives the same whatever the chunks are (%i bytes)',
    (chunkBytes) => {
      const entries = read(rawTar(everyKind), chunkBytes);
      expect(entries.map(({ entry }) => entry.type)).toEqual([
        'directory',
        'file',
        'symlink',
        'link',
        'char',
        'block',
        'fifo',
        'file',
        'file',
      ]);
      expect(entries[0]?.entry).toMatchObject({ path: 'dir/', mode: 0o1777, uid: 7, gid: 8, mtimeSeconds: 1234 });
      expect(entries[1]?.content.toString()).toBe('hello');
      expect(entries[5]?.entry).toMatchObject({ devMajor: 259, devMinor: 300 });
      expect(entries[7]?.entry).toMatchObject({
        path: `${'long/'.repeat(40)}name`,
        mtimeSeconds: 12.5,
        uid: 3_000_000,
      });
      expect(entries[7]?.entry.xattrs.get('user.a')).toEqual(Buffer.from([0, 10, 255]));
      expect(entries[7]?.content.toString()).toBe('x'.repeat(2000));
      expect(entries[8]?.entry.path).toBe(`${'gnu/'.repeat(50)}x`);
      expect(entries[8]?.entry.uid).toBe(0);
    },
  );

  test('devices of GNU archives are read', () => {
    const [first] = read(rawTar([{ name: 'null', type: '3', major: 1, minor: 3, magic: 'ustar  \0' }]));
    expect(first?.entry).toMatchObject({ devMajor: 1, devMinor: 3 });
  });

  test('names are bytes', () => {
    const [first] = read(rawTar([file('caf\xe9\xff', '')]));
    expect(first?.entry.path).toBe('caf\xe9\xff');
  });

  test('an old file whose name ends in a slash is a directory', () => {
    expect(read(rawTar([{ name: 'old/', type: '\0' }]))[0]?.entry.type).toBe('directory');
  });

  test('an archive without its two zero blocks, and an empty one, are whole', () => {
    expect(read(rawTar([file('a', 'b')], false))).toHaveLength(1);
    expect(read(Buffer.alloc(0))).toHaveLength(0);
  });

  test('extended headers add up until their entry comes, with a global one in between or at the end', () => {
    const header = (type: string, records: Record<string, string>): RawEntry => ({
      name: 'pax',
      type,
      data: paxData(records),
    });
    const archive = [
      header('g', { comment: 'of git' }),
      header('x', { path: 'renamed', uid: '7' }),
      header('g', { path: 'of nobody' }),
      header('x', { gid: '8', uid: '9' }),
      file('a', 'b'),
      file('c', 'd'),
      header('g', { comment: 'the last' }),
    ];
    expect(read(rawTar(archive)).map(({ entry: { path, uid, gid } }) => [path, uid, gid])).toEqual([
      ['renamed', 9, 8],
      ['c', 0, 0],
    ]);
  });

  test('records that mean nothing here are passed over, however many', () => {
    const [first] = read(rawTar([{ ...file('a', 'b'), pax: { ...manyRecords(50_000, 'KEY'), path: 'renamed' } }]));
    expect(first?.entry).toMatchObject({ path: 'renamed', xattrs: new Map() });
  });

  test('what follows the end is ignored', () => {
    expect(read(Buffer.concat([rawTar([file('a', 'b')]), rawTar([file('c', 'd')]), Buffer.from('junk')]))).toHaveLength(
      1,
    );
  });

  test.each(['--posix', '--format=gnu', '--format=ustar'])(
    'what GNU tar writes with %s is read, sparse files too',
    (format) => {
      const path = mkdtempSync(join(tmpdir(), 'tsdocker-tar-'));
      try {
        execFileSync(
          'sh',
          [
            '-c',
            'truncate -s 300k sparse; printf A | dd of=sparse bs=1 seek=100000 conv=notrunc status=none; printf B >>sparse; printf x >"plain"',
          ],
          { cwd: path },
        );
        const flags = format === '--format=ustar' ? [format] : [format, '-S'];
        const bytes = execFileSync('tar', [...flags, '-cf', '-', 'sparse', 'plain'], { cwd: path });
        const expected = execFileSync('cat', ['sparse'], { cwd: path });
        const [sparse, plain] = read(bytes, 1000);
        expect(sparse?.entry).toMatchObject({ path: 'sparse', sizeBytes: 300 * 1024 + 1 });
        expect(sparse?.content.equals(expected)).toBe(true);
        expect(plain?.content.toString()).toBe('x');
      } finally {
        rmSync(path, { recursive: true });
      }
    },
  );

  test.each(['0.0', '0.1', '1.0'])('sparse format %s is read', (version) => {
    const path = mkdtempSync(join(tmpdir(), 'tsdocker-tar-'));
    try {
      execFileSync('sh', ['-c', 'truncate -s 300k s; printf A | dd of=s bs=1 seek=200000 conv=notrunc status=none'], {
        cwd: path,
      });
      const bytes = execFileSync('tar', ['--posix', `--sparse-version=${version}`, '-S', '-cf', '-', 's'], {
        cwd: path,
      });
      expect(read(bytes)[0]?.content.equals(execFileSync('cat', ['s'], { cwd: path }))).toBe(true);
    } finally {
      rmSync(path, { recursive: true });
    }
  });
});

describe('refusing', () => {
  const corrupted = rawTar([file('a', 'b')]);
  corrupted[0] = 0x62;
  const refused: [string, Buffer, RegExp][] = [
    ['a wrong checksum', corrupted, /checksum/],
    [
      'a header after one zero block',
      Buffer.concat([Buffer.alloc(512), rawTar([file('a', 'b')])]),
      /after a zero block/,
    ],
    ['an extended header of megabytes', rawTar([{ name: 'x', type: 'x', size: 5_000_000 }]), /too long/],
    [
      'endless extended headers',
      rawTar(Array.from({ length: 3000 }, () => ({ name: 'L', type: 'L', data: 'x'.repeat(500) }))),
      /too long/,
    ],
    [
      'extended headers that add up beside global ones',
      rawTar(
        Array.from({ length: 90 }, (_, i) =>
          i % 2 === 0
            ? { name: 'x', type: 'x', data: paxData(manyRecords(1500, `key${i}.`)) }
            : { name: 'g', type: 'g', data: '12 path=abc\n' },
        ),
      ),
      /too long/,
    ],
    [
      'global headers without an end',
      rawTar(Array.from({ length: 3000 }, () => ({ name: 'g', type: 'g', data: '12 path=abc\n' }))),
      /too long/,
    ],
    [
      'more attributes than a file can have',
      rawTar([{ ...file('a'), pax: manyRecords(1200, 'SCHILY.xattr.user.') }]),
      /more than 1000 records/,
    ],
    ['an extended header before no entry', rawTar([{ name: 'x', type: 'x', data: '12 path=abc\n' }]), /no entry/],
    ['a malformed extended header', rawTar([{ name: 'x', type: 'x', data: '99 path=abc\n' }, file('a')]), /malformed/],
    ['an extended size that is no number', rawTar([{ ...file('a'), pax: { size: '1e9' } }]), /malformed/],
    [
      'a sparse map of overlapping parts',
      rawTar([{ ...file('a', 'xx'), pax: { 'GNU.sparse.map': '5,1,0,1', 'GNU.sparse.size': '10' } }]),
      /sparse/,
    ],
    [
      'a sparse map beyond the file',
      rawTar([{ ...file('a', 'xx'), pax: { 'GNU.sparse.map': '20,2', 'GNU.sparse.size': '10' } }]),
      /sparse/,
    ],
  ];
  test.each(refused)('%s', (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(message);
  });

  test('more entries or bytes than allowed', () => {
    const bytes = rawTar([file('a', '12345'), file('b', '12345')]);
    expect(() => read(bytes, 512, { ...defaultTarLimits, maxEntries: 1 })).toThrow(/too many entries/);
    expect(() => read(bytes, 512, { ...defaultTarLimits, maxContentBytes: 9 })).toThrow(/too large/);
  });
});

describe('writing', () => {
  const entry: TarEntry = {
    type: 'file',
    path: 'a',
    linkPath: '',
    mode: 0o4755,
    uid: 1,
    gid: 2,
    sizeBytes: 3,
    mtimeSeconds: 1_700_000_000,
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  };
  const variants: [string, Partial<TarEntry>][] = [
    ['plain', {}],
    ['a long name', { path: `${'d/'.repeat(80)}f` }],
    ['a name that is not ASCII', { path: 'caf\xc3\xa9' }],
    ['a long link', { type: 'symlink', sizeBytes: 0, linkPath: 'x'.repeat(200) }],
    ['a large owner', { uid: 4_294_967_294, gid: 3_000_000 }],
    [
      'attributes',
      {
        xattrs: new Map([
          ['security.capability', Buffer.from([1, 0, 0, 2, 10, 61])],
          ['user.b', Buffer.from('=\n')],
        ]),
      },
    ],
    ['a device', { type: 'block', sizeBytes: 0, devMajor: 259, devMinor: 1_048_575 }],
  ];
  test.each(variants)('%s is read back as it was', (_, change) => {
    const wanted = { ...entry, ...change };
    const content = Buffer.from('abc'.slice(0, wanted.sizeBytes));
    const bytes = Buffer.concat([
      encodeEntry(wanted),
      content,
      Buffer.alloc(paddingOf(content.length)),
      endOfArchive(),
    ]);
    expect(read(bytes)[0]?.entry).toEqual(wanted);
    expect(encodeEntry(wanted).equals(encodeEntry(wanted))).toBe(true);
  });

  test('GNU tar and Python read it', () => {
    const bytes = Buffer.concat(
      variants.map(([, change], i) => encodeEntry({ ...entry, ...change, sizeBytes: 0, path: change.path ?? `f${i}` })),
    );
    const names = execFileSync('tar', ['-tf', '-'], {
      input: Buffer.concat([bytes, endOfArchive()]),
      env: { LC_ALL: 'C.UTF-8' },
    }).toString();
    expect(names.trim().split('\n')).toHaveLength(variants.length);
    expect(names).toContain(`${'d/'.repeat(80)}f`);
  });
});
