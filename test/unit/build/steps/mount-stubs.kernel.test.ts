// Places to mount on in roots that a hostile step has made: how far links may lead, and what becomes of a place that was filled.
import fs, { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findMountStubs, removeMountStubs } from '../../../../daemon/build/steps/exec/mount-stubs.ts';
import { setxattr } from '../../../../native-bindings/xattrs.ts';

let root: string;
let fd: number;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tsd-stubs-'));
  fd = openSync(root, 'r');
});
afterEach(() => {
  closeSync(fd);
  rmSync(root, { recursive: true, force: true });
});

describe('places are refused', () => {
  const refused = { code: 'invalid' };

  it('whose links lead to long paths, or to many names', () => {
    const part = 'missing/'.repeat(500);
    // Each leads to the next, below names that it adds.
    for (let n = 0; n < 30; n++) symlinkSync(`/l${n + 1}/${part}`.slice(0, 4000), join(root, `l${n}`));
    symlinkSync(`/${'n/'.repeat(200)}`, join(root, 'deep'));
    symlinkSync(`/${Array.from({ length: 20 }, () => 'x'.repeat(200)).join('/')}`, join(root, 'long'));
    symlinkSync(`long/${'y'.repeat(200)}`, join(root, 'longer'));
    symlinkSync('a'.repeat(300), join(root, 'name'));
    for (const place of ['/l0', '/deep', '/longer', '/name'])
      expect(() => findMountStubs(fd, [place]), place).toThrow(expect.objectContaining(refused));
    expect(findMountStubs(fd, ['/long'])?.missing).toHaveLength(20);
  });

  it('below directories that go too deep', () => {
    const path = join(root, 'd/'.repeat(130));
    mkdirSync(path, { recursive: true });
    symlinkSync('d/'.repeat(100), join(root, 'far'));
    symlinkSync('d/'.repeat(29), join(path, '../'.repeat(30), 'on'));
    expect(() => findMountStubs(fd, ['/far/on/missing'])).toThrow(expect.objectContaining(refused));
    expect(findMountStubs(fd, ['/far/missing'])?.above.size).toBe(100);
  });
});

it('of a directory above little is kept, whatever its attributes are', () => {
  mkdirSync(join(root, 'a/b'), { recursive: true });
  setxattr(join(root, 'a'), 'user.large', Buffer.alloc(1500, 'x'));
  for (let n = 0; n < 70; n++) setxattr(join(root, 'a/b'), `user.n${n}`, Buffer.from('x'));
  const above = findMountStubs(fd, ['/a/b/c'])?.above;
  expect(above?.get('/a')?.attributes).toHaveLength(64);
  expect(above?.get('/a/b')).toMatchObject({ attributes: undefined });
});

it('nobody lists what a step has put into a place', () => {
  const stubs = findMountStubs(fd, ['/empty/in', '/full/in', '/linked']);
  if (stubs === undefined) throw new Error('all places are there');
  for (const path of ['empty/in', 'full/in']) mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, 'full/in/file'), '');
  symlinkSync('/nowhere', join(root, 'linked'));
  const { readdirSync } = fs;
  const refuse: typeof readdirSync = () => {
    throw new Error('it was listed');
  };
  fs.readdirSync = refuse;
  syncBuiltinESMExports();
  try {
    removeMountStubs(root, stubs);
  } finally {
    fs.readdirSync = readdirSync;
    syncBuiltinESMExports();
  }
  expect(readdirSync(root, { recursive: true }).sort()).toEqual(['full', 'full/in', 'full/in/file', 'linked']);
});
