// security.capability of files through the command line's archives, on the real kernel.
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ExtractOptions, extract } from '../../../../cli/copy/extract.ts';
import { loadFileCapabilities } from '../../../../cli/copy/file-capabilities.ts';
import { packTree } from '../../../../cli/copy/pack-tree.ts';
import { readEntries } from '../../../../daemon/protocols/tar/read-entries.ts';
import type { TarEntry } from '../../../../daemon/protocols/tar/tar-entry.ts';
import { encodeEntry } from '../../../../daemon/protocols/tar/tar-header.ts';
import { lgetxattr, lsetxattr } from '../../../../native-bindings/xattrs.ts';

const name = 'security.capability';
/** cap_net_raw, permitted: a newline and other bytes that a text would not survive. */
const capability = Buffer.from([1, 0, 0, 2, 0, 0x20, 10, 0xff, 0, 0, 0, 0, 61, 0, 0, 0, 0, 0, 0, 0]);

let root = '';
beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'tsdocker-cli-capabilities-'));
});
afterEach(() => fs.rmSync(root, { recursive: true }));

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function entriesOf(bytes: Buffer): Promise<Map<string, TarEntry>> {
  const entries = new Map<string, TarEntry>();
  for await (const entry of readEntries(once(bytes))) entries.set(entry.path, entry);
  return entries;
}

function unpack(bytes: Buffer, more: Partial<ExtractOptions> = {}) {
  const plan = { directory: root, rename: undefined };
  return extract(readEntries(once(bytes)), { plan, keepOwners: false, ...more });
}

function archive(value: Buffer): Buffer {
  const entry: TarEntry = {
    ...{ path: 'f', type: 'file', mode: 0o755, uid: 12, gid: 34, sizeBytes: 3, mtimeSeconds: 1e9, linkPath: '' },
    ...{ devMajor: 0, devMinor: 0, xattrs: new Map([[name, value]]) },
  };
  return Buffer.concat([encodeEntry(entry), Buffer.from('abc'.padEnd(512, '\0')), Buffer.alloc(1024)]);
}

test('a header says a capability in bytes, in the record that docker reads, and it is read back', async () => {
  const bytes = archive(capability);
  const start = Buffer.from(`${' SCHILY.xattr.security.capability='.length + 2 + 20 + 1} SCHILY.xattr.${name}=`);
  expect(bytes.toString('latin1', 156, 157)).toBe('x');
  expect(bytes.subarray(512, 512 + start.length + 21)).toEqual(Buffer.concat([start, capability, Buffer.from('\n')]));
  expect((await entriesOf(bytes)).get('f')?.xattrs.get(name)).toEqual(capability);
});

test('an archive has those of files, not of what a link leads to, nor any other attribute', async () => {
  fs.mkdirSync(join(root, 't'));
  for (const file of ['outside', 't/file', 't/plain']) fs.writeFileSync(join(root, file), file);
  lsetxattr(join(root, 'outside'), name, capability);
  lsetxattr(join(root, 't/file'), name, capability);
  lsetxattr(join(root, 't/file'), 'trusted.other', Buffer.from('value'));
  fs.symlinkSync('../outside', join(root, 't/link'));
  const bytes = await collect(packTree(join(root, 't'), 't'));
  const entries = await entriesOf(bytes);
  expect([...entries].filter(([, entry]) => entry.xattrs.size > 0).map(([path]) => path)).toEqual(['t/file']);
  expect(entries.get('t/file')?.xattrs.get(name)).toEqual(capability);
  expect(bytes.includes('trusted.other')).toBe(false);
});

test("the root user of a namespace is left out of one, as docker's client does", async () => {
  fs.writeFileSync(join(root, 'f'), '');
  const ofUser1000 = Buffer.concat([capability, Buffer.from([0xe8, 3, 0, 0])]);
  ofUser1000[3] = 3;
  lsetxattr(join(root, 'f'), name, ofUser1000);
  const entries = await entriesOf(await collect(packTree(join(root, 'f'), 'f')));
  expect(entries.get('f')?.xattrs.get(name)).toEqual(capability);
});

test.each([false, true])('a file has it after it is written and (%s) given to its owner', async (keepOwners) => {
  expect(await unpack(archive(capability), { keepOwners })).toEqual([]);
  const path = join(root, 'f');
  expect(lgetxattr(path, name)).toEqual(capability);
  expect(fs.readFileSync(path, 'utf8')).toBe('abc');
  expect(fs.statSync(path)).toMatchObject({
    ...{ mode: 0o100755, mtimeMs: 1e12, uid: keepOwners ? 12 : 0, gid: keepOwners ? 34 : 0 },
  });
});

test('without the FFI archives are made and unpacked as ever, and what is known to be lost is named', async () => {
  const load = async () => undefined;
  fs.writeFileSync(join(root, 'g'), '');
  lsetxattr(join(root, 'g'), name, capability);
  expect((await entriesOf(await collect(packTree(join(root, 'g'), 'g', load)))).get('g')).toMatchObject({
    sizeBytes: 0,
  });
  const lost = await unpack(archive(capability), { loadCapabilities: load });
  expect(lost).toEqual([{ path: join(root, 'f'), reason: expect.stringContaining('not installed') }]);
  expect(fs.readFileSync(join(root, 'f'), 'utf8')).toBe('abc');
  expect(lgetxattr(join(root, 'f'), name)).toBeUndefined();
});

test('a value that is none is refused, and leaves no file', async () => {
  await expect(unpack(archive(Buffer.from('none')))).rejects.toThrow(`${join(root, 'f')}: fsetxattr ${name}`);
  expect(fs.readdirSync(root)).toEqual([]);
});

test('nothing is loaded for an archive without any', async () => {
  fs.writeFileSync(join(root, 'plain'), 'x');
  const bytes = await collect(packTree(join(root, 'plain'), 'copy', loadFileCapabilities));
  const loadCapabilities = () => Promise.reject(new Error('loaded'));
  expect(await unpack(bytes, { loadCapabilities })).toEqual([]);
  await expect(unpack(archive(capability), { loadCapabilities })).rejects.toThrow('loaded');
});
