import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planCopy, renameEntry, splitPath } from '../../../../cli/copy/copy-plan.ts';
import { extract } from '../../../../cli/copy/extract.ts';
import { packTree } from '../../../../cli/copy/pack-tree.ts';
import { readEntries } from '../../../../daemon/protocols/tar/read-entries.ts';
import type { TarEntry } from '../../../../daemon/protocols/tar/tar-entry.ts';
import { encodeEntry } from '../../../../daemon/protocols/tar/tar-header.ts';

let root = '';
beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'tsdocker-cli-tar-'));
});
afterEach(() => fs.rmSync(root, { recursive: true }));

async function* pieces(bytes: Buffer, size = 700): AsyncGenerator<Buffer> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

const entry = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({
  path: name,
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtimeSeconds: 1e9,
  linkPath: '',
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map(),
  ...more,
});
const file = (name: string, text: string) =>
  Buffer.concat([encodeEntry(entry(name, { sizeBytes: text.length })), Buffer.from(text.padEnd(512, '\0'))]);
const archive = (...parts: Buffer[]) => Buffer.concat([...parts, Buffer.alloc(1024)]);
const unpack = (bytes: Buffer) =>
  extract(readEntries(pieces(bytes)), { plan: { directory: root, rename: undefined }, keepOwners: false });

describe('tar archives', () => {
  it('keep names that are no text, links to them, and times before 1970, whichever way they go', async () => {
    const bytes = (name: string) => Buffer.from(name, 'latin1');
    const source = `${root}/s\xc3\xa9`;
    const names = ['a\xff', 'a\xfe', 'plain', 'd\x80/in\xff'];
    fs.mkdirSync(bytes(`${source}/d\x80`), { recursive: true });
    for (const name of names) fs.writeFileSync(bytes(`${source}/${name}`), `content of ${name}`);
    fs.symlinkSync(bytes('a\xff'), bytes(`${source}/to\xff`));
    fs.linkSync(bytes(`${source}/a\xff`), bytes(`${source}/second\xff`));
    const old = new Date('1960-05-06T07:08:09Z');
    fs.utimesSync(bytes(`${source}/plain`), old, old);
    fs.mkdirSync(join(root, 'out'));
    const target = { path: join(root, 'out', 'ü'), exists: false, isDirectory: false };
    const plan = planCopy({ path: join(root, 'sé'), isDirectory: true, rebaseName: '' }, target);
    const ours = await collect(packTree(join(root, 'sé'), 'sé'));
    await extract(readEntries(pieces(ours, 333)), { plan, keepOwners: false });
    for (const name of names) {
      expect(fs.readFileSync(bytes(`${root}/out/\xc3\xbc/${name}`), 'utf8')).toBe(`content of ${name}`);
    }
    const out = bytes(`${root}/out/\xc3\xbc`);
    expect(fs.readdirSync(out, 'latin1').sort()).toEqual(fs.readdirSync(bytes(source), 'latin1').sort());
    expect(fs.readlinkSync(bytes(`${root}/out/\xc3\xbc/to\xff`), 'latin1')).toBe('a\xff');
    expect(fs.statSync(bytes(`${root}/out/\xc3\xbc/second\xff`)).nlink).toBe(2);
    expect(fs.statSync(bytes(`${root}/out/\xc3\xbc/plain`)).mtime).toEqual(old);
    execFileSync('tar', ['-xf', '-', '-C', root, '--one-top-level=gnu'], { input: ours });
    expect(execFileSync('diff', ['-r', `${root}/sé`, `${root}/gnu/sé`]).toString()).toBe('');
  });

  it("are read by GNU tar, and GNU tar's are read here", async () => {
    const source = join(root, 'source');
    const long = 'n'.repeat(120);
    fs.mkdirSync(join(source, 'sub', long), { recursive: true });
    fs.writeFileSync(join(source, 'a'), 'A'.repeat(1000), { mode: 0o640 });
    fs.linkSync(join(source, 'a'), join(source, 'hard'));
    fs.symlinkSync('a', join(source, 'link'));
    fs.writeFileSync(join(source, 'sub', long, 'é'), 'deep');
    const ours = await collect(packTree(source, 'top'));
    fs.mkdirSync(join(root, 'gnu'));
    execFileSync('tar', ['-xf', '-', '-C', join(root, 'gnu')], { input: ours });
    expect(execFileSync('diff', ['-r', source, join(root, 'gnu', 'top')]).toString()).toBe('');
    expect(fs.statSync(join(root, 'gnu', 'top', 'hard')).nlink).toBe(2);

    for (const format of ['gnu', 'pax', 'ustar']) {
      const out = join(root, format);
      fs.mkdirSync(out, { recursive: true });
      const directory = format === 'ustar' ? join(source, 'sub', '..') : source;
      const names = format === 'ustar' ? ['a', 'hard', 'link'] : ['.'];
      const theirs = execFileSync('tar', ['-c', `--format=${format}`, '-C', directory, ...names]);
      await extract(readEntries(pieces(theirs, 333)), {
        plan: { directory: out, rename: undefined },
        keepOwners: false,
      });
      expect(fs.readFileSync(join(out, 'hard'), 'utf8')).toBe('A'.repeat(1000));
      expect(fs.readlinkSync(join(out, 'link'))).toBe('a');
      expect(fs.statSync(join(out, 'a')).mode & 0o777).toBe(0o640);
    }
  });

  it('never leave their destination', async () => {
    const outside = join(root, '..', 'tsdocker-escaped');
    await expect(unpack(archive(file('../tsdocker-escaped', 'x')))).rejects.toThrow('invalid name in archive');
    await expect(unpack(archive(file('a/../../tsdocker-escaped', 'x')))).rejects.toThrow('invalid name in archive');
    const link = encodeEntry(entry('dir', { type: 'symlink', linkPath: '/tmp' }));
    await expect(unpack(archive(link, file('dir/tsdocker-escaped', 'x')))).rejects.toThrow('not a directory');
    const hard = encodeEntry(entry('h', { type: 'link', linkPath: '../../etc/passwd' }));
    await expect(unpack(archive(hard))).rejects.toThrow('invalid name in archive');
    expect(fs.existsSync(outside)).toBe(false);
    // An absolute name is one below the destination.
    await unpack(archive(file('/inside', 'x')));
    expect(fs.readFileSync(join(root, 'inside'), 'utf8')).toBe('x');
  });

  it('replace files but neither directories by files nor the other way round', async () => {
    fs.mkdirSync(join(root, 'd'));
    fs.writeFileSync(join(root, 'f'), 'old');
    fs.symlinkSync('/etc/passwd', join(root, 'l'));
    await unpack(archive(file('f', 'new'), file('l', 'own')));
    expect(fs.readFileSync(join(root, 'f'), 'utf8')).toBe('new');
    expect(fs.lstatSync(join(root, 'l')).isFile()).toBe(true);
    await expect(unpack(archive(file('d', 'x')))).rejects.toThrow('cannot overwrite directory');
    const directory = encodeEntry(entry('f/', { type: 'directory', mode: 0o755 }));
    await expect(unpack(archive(directory))).rejects.toThrow('cannot overwrite non-directory');
  });

  it('are refused when damaged', async () => {
    const good = archive(file('f', 'text'));
    const bad = Buffer.from(good);
    bad[0] = 1;
    await expect(unpack(bad)).rejects.toThrow('the checksum is wrong');
    await expect(unpack(good.subarray(0, 600))).rejects.toThrow('unexpected EOF');
    await expect(unpack(good.subarray(0, 100))).rejects.toThrow('unexpected EOF');
    await expect(unpack(Buffer.concat([encodeEntry(entry('x'.repeat(200))).subarray(0, 512)]))).rejects.toThrow();
  });
});

describe('where a copy lands', () => {
  const source = (path: string, isDirectory: boolean) => ({ path, isDirectory, rebaseName: '' });
  const target = (path: string, exists: boolean, isDirectory: boolean) => ({ path, exists, isDirectory });

  it.each([
    ['file into directory', source('/s/f', false), target('/d', true, true), '/d', undefined],
    ['file over file', source('/s/f', false), target('/d/g', true, false), '/d', { from: 'f', to: 'g' }],
    ['file to a new name', source('/s/f', false), target('/d/g', false, false), '/d', { from: 'f', to: 'g' }],
    ['directory into directory', source('/s/d', true), target('/t', true, true), '/t', undefined],
    ['directory to a new name', source('/s/d', true), target('/t/n', false, false), '/t', { from: 'd', to: 'n' }],
    ['contents to a new name', source('/s/d/.', true), target('/t/n', false, false), '/t', { from: '.', to: 'n' }],
  ])('%s', (_, from, to, directory, rename) => expect(planCopy(from, to)).toEqual({ directory, rename }));

  it('refuses what cannot be', () => {
    expect(() => planCopy(source('/d', true), target('/f', true, false))).toThrow('cannot copy directory');
    expect(() => planCopy(source('/f', false), target('/new/', false, false))).toThrow('no such directory');
  });

  it('renames the first component only', () => {
    expect(renameEntry('a/a/b', { from: 'a', to: 'z' })).toBe('z/a/b');
    expect(renameEntry('ab/c', { from: 'a', to: 'z' })).toBe('ab/c');
    expect(renameEntry('./x', { from: '.', to: 'n' })).toBe('n/x');
    expect(renameEntry('x', { from: '.', to: 'n' })).toBe('n/x');
    expect(splitPath('/a/b/.')).toEqual({ directory: '/a/b', base: '.' });
    expect(splitPath('/a/b/')).toEqual({ directory: '/a', base: 'b' });
  });
});
