// COPY on the real kernel: what goes where, and what becomes of it, as BuildKit has it.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { getxattr, setxattr } from '../../../../native-bindings/xattrs.ts';
import { defaultCopy, FilesFixture } from './files-fixture.ts';

const fixture = new FilesFixture();
afterAll(() => fixture.close());
afterEach(() => expect(fixture.left()).toEqual([]));

const files = (tree: Record<string, string>) => (directory: string) => {
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
};
const read = (path: string) => (root: string) => readFileSync(join(root, path), 'utf8');

describe('a destination', () => {
  const context = fixture.context(files({ a: 'A', b: 'B', 'd/one': '1', 'd/sub/two': '2' }));

  it.each([
    ['a file becomes what is named', ['/a'], '/new/x', ['d755 0:0 /new', 'f644 0:0 /new/x']],
    ['a file goes into what ends in a slash', ['/a'], '/new/', ['d755 0:0 /new', 'f644 0:0 /new/a']],
    ['a file goes into a directory that is there', ['/a'], '/opt', ['d755 0:0 /opt', 'f644 0:0 /opt/a']],
    ['several go into it', ['/a', '/b'], '/new/', ['d755 0:0 /new', 'f644 0:0 /new/a', 'f644 0:0 /new/b']],
    [
      'a directory gives what is in it',
      ['/d'],
      '/new',
      ['d755 0:0 /new', 'f644 0:0 /new/one', 'd755 0:0 /new/sub', 'f644 0:0 /new/sub/two'],
    ],
    ['parents are made', ['/a'], '/p/q/r', ['d755 0:0 /p', 'd755 0:0 /p/q', 'f644 0:0 /p/q/r']],
    ['a link that is there is followed', ['/a'], '/link/x', ['d755 0:0 /opt', 'f644 0:0 /opt/x']],
    ['a link to nothing too', ['/a'], '/dangling', ['d755 0:0 /opt', 'f644 0:0 /opt/nowhere']],
    ['".." ends at the root', ['/a'], '/out/x', ['f644 0:0 /x']],
  ])('%s', async (_, sources, destination, layer) => {
    using base = fixture.layers((root) => {
      mkdirSync(join(root, 'opt'));
      symlinkSync('opt', join(root, 'link'));
      symlinkSync('opt/nowhere', join(root, 'dangling'));
      symlinkSync('../../../..', join(root, 'out'));
    });
    using made = await fixture.copy(base, context, { sources, destination });
    expect(fixture.layer(made)).toEqual(layer);
  });

  it('may be nothing at all before', async () => {
    using made = await fixture.file(
      [{ ...defaultCopy, input: -1, from: 0, sources: ['/a'], destination: '/x' }],
      [context],
    );
    expect(fixture.layer(made)).toEqual(['f644 0:0 /x']);
  });

  it('that is there keeps what it is, but those below get what their sources are', async () => {
    const from = fixture.context((directory) => {
      mkdirSync(join(directory, 'sub'));
      chmodSync(join(directory, 'sub'), 0o700);
      chownSync(join(directory, 'sub'), 5, 6);
      writeFileSync(join(directory, 'sub/new'), 'n');
    });
    using base = fixture.layers((root) => {
      files({ 'app/sub/old': 'o' })(root);
      chmodSync(join(root, 'app'), 0o750);
      chownSync(join(root, 'app'), 7, 8);
      setxattr(join(root, 'app'), 'user.kept', Buffer.from('1'));
    });
    using made = await fixture.copy(base, from, { destination: '/app' });
    expect(fixture.tree(made)).toEqual([
      'd750 7:8 /app',
      'd700 5:6 /app/sub',
      'f644 0:0 /app/sub/new',
      'f644 0:0 /app/sub/old',
    ]);
    fixture.within(made, (root) => expect(getxattr(join(root, 'app'), 'user.kept')?.toString()).toBe('1'));
  });

  it('is refused where a file would be a directory, or a directory a file', async () => {
    using base = fixture.layers(files({ 'x/in': '', y: '' }));
    const onFile = fixture.copy(base, context, { sources: ['/d'], destination: '/y' });
    await expect(onFile).rejects.toMatchObject({ code: 'invalid', message: 'cannot copy to non-directory: /y' });
    const below = fixture.copy(base, context, { sources: ['/a'], destination: '/y/z' });
    await expect(below).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('not a directory') });
    const onto = fixture.context(files({ x: 'file' }));
    const onDirectory = fixture.copy(base, onto, { destination: '/' });
    await expect(onDirectory).rejects.toMatchObject({
      code: 'invalid',
      message: 'cannot replace to directory /x with file',
    });
  });

  it('gets what replaces a file or a link that is there', async () => {
    using base = fixture.layers((root) => {
      files({ a: 'old', target: 't' })(root);
      symlinkSync('target', join(root, 'b'));
    });
    using made = await fixture.copy(base, context, { sources: ['/'], destination: '/' });
    fixture.within(made, (root) => {
      expect([read('a')(root), read('b')(root), read('target')(root)]).toEqual(['A', 'B', 't']);
      expect(lstatSync(join(root, 'b')).isFile()).toBe(true);
    });
  });

  it('sees what lower layers have hidden as not there', async () => {
    using base = fixture.layers(files({ 'gone/file': '1', 'turned/file': '1', file: '1' }), (root) => {
      execFileSync('rm', ['-r', join(root, 'gone'), join(root, 'turned'), join(root, 'file')]);
      mkdirSync(join(root, 'turned'));
    });
    const from = fixture.context(files({ 'gone/new': 'n', 'turned/new': 'n', 'file/new': 'n' }));
    using made = await fixture.copy(base, from, {});
    expect(fixture.tree(made).map((line) => line.split(' ')[2])).toEqual([
      '/file',
      '/file/new',
      '/gone',
      '/gone/new',
      '/turned',
      '/turned/new',
    ]);
  });
});

describe('sources', () => {
  const context = fixture.context((directory) => {
    files({ 'a.txt': '', 'b.txt': '', 'c.md': '', 'x/1.txt': '', 'y/2.txt': '', 'y/z/3.txt': '' })(directory);
    symlinkSync('y', join(directory, 'link'));
    symlinkSync('../../../../../../etc', join(directory, 'outside'));
    symlinkSync('a.txt', join(directory, 'to-a'));
  });
  const names = async (options: object) => {
    using made = await fixture.copy(fixture.nothing, context, { destination: '/o/', ...options });
    return fixture
      .layer(made)
      .map((line) => line.split(' ')[2]?.slice(3))
      .filter(Boolean);
  };

  it.each([
    [['/*.txt'], ['a.txt', 'b.txt']],
    [
      ['/[ab].txt', '/c.*'],
      ['a.txt', 'b.txt', 'c.md'],
    ],
    [['/?/*.txt'], ['1.txt', '2.txt']],
    [['/y'], ['2.txt', 'z', 'z/3.txt']],
    [['/link'], ['2.txt', 'z', 'z/3.txt']],
    [['/link/2.txt'], ['2.txt']],
    [['/to-a'], ['to-a']],
    [['/none*'], []],
  ])('%s', async (sources, expected) => {
    expect(await names({ sources })).toEqual(expected);
  });

  it('that are not there are told, patterns only when that is asked for', async () => {
    for (const [sources, options] of [
      [['/none'], {}],
      [['/none*'], { allowsNoMatch: false }],
      [['/a.txt', '/none/deep'], {}],
      [['/*.txt'], { hasWildcards: false }],
    ] as const) {
      await expect(names({ sources, ...options })).rejects.toMatchObject({
        code: 'not-found',
        message: expect.stringMatching(/^"\/.*": not found$/),
      });
    }
  });

  it('never lead out of their root', async () => {
    await expect(names({ sources: ['/outside/passwd'] })).rejects.toMatchObject({ code: 'not-found' });
    await expect(names({ sources: ['/../../../../../etc/passwd'] })).rejects.toMatchObject({ code: 'not-found' });
    const loop = fixture.context((directory) => symlinkSync('loop', join(directory, 'loop')));
    await expect(fixture.copy(fixture.nothing, loop, { sources: ['/loop'] })).rejects.toMatchObject({
      code: 'invalid',
    });
  });

  it('are left out by exclusions, and brought back', async () => {
    expect(await names({ sources: ['/'], exclude: ['y', '*.txt', 'x/*', 'link', 'outside', 'to-a'] })).toEqual([
      'c.md',
      'x',
    ]);
    expect(await names({ sources: ['/y'], exclude: ['**/*.txt', '!z/3.txt'] })).toEqual(['z', 'z/3.txt']);
    expect(await names({ sources: ['/*.txt'], exclude: ['b*'] }), 'what is named itself is not').toEqual([
      'a.txt',
      'b.txt',
    ]);
  });

  it.each([
    [['/y/z/3.txt'], ['y', 'y/z', 'y/z/3.txt']],
    [['/y/./z/3.txt'], ['z', 'z/3.txt']],
    [['/./y/z'], ['y', 'y/z', 'y/z/3.txt']],
    [['/*/*.txt'], ['x', 'x/1.txt', 'y', 'y/2.txt']],
    [['/**/3.txt'], ['y', 'y/z', 'y/z/3.txt']],
  ])('bring their parents: %s', async (sources, expected) => {
    expect(await names({ sources, keepsParents: true })).toEqual(expected);
  });

  it('with parents have to be there', async () => {
    await expect(names({ sources: ['/y/none'], keepsParents: true })).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('what a file is', () => {
  const context = fixture.context((directory) => {
    files({ plain: 'p', owned: 'o', 'dir/in': 'i' })(directory);
    chmodSync(join(directory, 'plain'), 0o4751);
    chownSync(join(directory, 'owned'), 1000, 1001);
    chmodSync(join(directory, 'dir'), 0o2775);
    linkSync(join(directory, 'owned'), join(directory, 'twin'));
    linkSync(join(directory, 'owned'), join(directory, 'dir/twin'));
    symlinkSync('plain', join(directory, 'link'));
    setxattr(join(directory, 'plain'), 'user.note', Buffer.from('note'));
    setxattr(
      join(directory, 'plain'),
      'security.capability',
      Buffer.from('0100000200040000000000000000000000000000', 'hex'),
    );
    execFileSync('mkfifo', [join(directory, 'fifo')]);
    execFileSync('mknod', [join(directory, 'null'), 'c', '1', '3']);
    writeFileSync(join(directory, 'sparse'), 'begin');
    truncateSync(join(directory, 'sparse'), 64 * 1024 * 1024);
    writeFileSync(join(directory, 'large'), Buffer.alloc(3 * 1024 * 1024, 'xyz'));
    for (const name of ['plain', 'dir']) utimesSync(join(directory, name), 1000, 1000.5);
  });

  it('stays: mode, owner, times, links of both kinds, attributes, devices, holes', async () => {
    using made = await fixture.copy(fixture.nothing, context, { destination: '/t' });
    expect(fixture.layer(made)).toEqual([
      'd755 0:0 /t',
      'd2775 0:0 /t/dir',
      'f644 0:0 /t/dir/in',
      'f644 1000:1001 /t/dir/twin',
      'p644 0:0 /t/fifo',
      'f644 0:0 /t/large',
      'l777 0:0 /t/link -> plain',
      'c644 0:0 /t/null',
      'f644 1000:1001 /t/owned',
      'f4751 0:0 /t/plain',
      'f644 0:0 /t/sparse',
      'f644 1000:1001 /t/twin',
    ]);
    fixture.within(made, (root) => {
      const at = (name: string) => join(root, 't', name);
      expect(statSync(at('plain')).mtimeMs).toBe(1_000_500);
      expect(statSync(at('dir')).mtimeMs).toBe(1_000_500);
      expect(getxattr(at('plain'), 'user.note')?.toString()).toBe('note');
      expect(getxattr(at('plain'), 'security.capability')?.length).toBe(20);
      expect(statSync(at('owned')).nlink).toBe(3);
      expect(statSync(at('twin')).ino).toBe(statSync(at('dir/twin')).ino);
      expect(statSync(at('null')).rdev).toBe(statSync('/dev/null').rdev);
      expect(statSync(at('sparse'))).toMatchObject({ size: 64 * 1024 * 1024 });
      expect(statSync(at('sparse')).blocks).toBeLessThan(100);
      expect(readFileSync(at('sparse')).subarray(0, 6).toString()).toBe('begin\0');
      expect(readFileSync(at('large')).equals(readFileSync(join(context.path, 'large')))).toBe(true);
      expect(statSync(at('plain')).ino).not.toBe(statSync(join(context.path, 'plain')).ino);
    });
  });

  it('is shared with the context where it is large and stays what it is, once', async () => {
    const large = () => fixture.context((root) => writeFileSync(join(root, 'large'), Buffer.alloc(2 * 1024 * 1024)));
    using other = fixture.layers((root) => writeFileSync(join(root, 'large'), Buffer.alloc(2 * 1024 * 1024)));
    const again = large();
    const ways = [
      [again, {}, true],
      [again, {}, false],
      [large(), { owner: { user: '', group: '' } }, true],
      [large(), { owner: { user: '1', group: '' } }, false],
      [large(), { mode: '600' }, false],
      [large(), { timestamp: 5 }, false],
      [other, {}, false],
    ] as const;
    const digests = new Set<string>();
    for (const [from, options, isShared] of ways) {
      using made = await fixture.copy(fixture.nothing, from, { sources: ['/large'], ...options });
      const { nlink } = fixture.within(made, (root) => statSync(join(root, 'large')));
      expect(nlink, JSON.stringify(options)).toBe(isShared ? 2 : 1);
      const layer = await fixture.storage.files.digest(made.top ?? 0);
      expect(await fixture.storage.files.isWhole(layer), 'it counts as a whole').toBe(true);
      if (from === again) digests.add(layer.diffId);
    }
    expect(digests.size, 'shared or not is the same layer').toBe(1);
  });

  it('is never one file under two names that were two', async () => {
    const from = fixture.context((root) => writeFileSync(join(root, 'large'), Buffer.alloc(2 * 1024 * 1024)));
    const one = { ...defaultCopy, sources: ['/large'], destination: '/one', output: -1 };
    const two = { ...defaultCopy, sources: ['/large'], destination: '/two', input: 2 };
    using made = await fixture.file([one, two], [fixture.nothing, from]);
    using more = await fixture.copy(made, from, { destination: '/three' });
    fixture.within(more, (root) => {
      const inodes = ['one', 'two', 'three/large'].map((name) => statSync(join(root, name)).ino);
      expect(new Set(inodes).size).toBe(3);
    });
  });

  it('is made another: owner by number and name, mode, time', async () => {
    using base = fixture.layers(
      files({ 'etc/passwd': 'app:x:12:34::/:/bin/sh\n', 'etc/group': 'crew:x:56:\n', 'opt/there': '' }),
    );
    const owners = [
      [{ user: '7', group: '' }, '7:7'],
      [{ user: '7', group: '8' }, '7:8'],
      [{ user: 'app', group: '' }, '12:34'],
      [{ user: 'app', group: 'crew' }, '12:56'],
      [{ user: '9', group: 'crew' }, '9:56'],
      [{ user: '', group: 'crew' }, '0:56'],
    ] as const;
    for (const [owner, shown] of owners) {
      using made = await fixture.copy(base, context, { sources: ['/dir'], destination: '/new/deep', owner });
      expect(fixture.layer(made), 'the parents too').toEqual([
        `d755 ${shown} /new`,
        `d755 ${shown} /new/deep`,
        `f644 ${shown} /new/deep/in`,
        `f644 ${shown} /new/deep/twin`,
      ]);
    }
    const unknown = fixture.copy(base, context, { owner: { user: 'nobody-here', group: '' } });
    await expect(unknown).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('nobody-here') });
    using timed = await fixture.copy(base, context, {
      sources: ['/plain', '/link'],
      destination: '/opt/',
      timestamp: 77,
    });
    fixture.within(timed, (root) => {
      for (const path of ['opt', 'opt/plain', 'opt/to-a'].slice(0, 2))
        expect(lstatSync(join(root, path)).mtimeMs, path).toBe(77_000);
    });
  });

  it.each([
    ['0600', 'f600', 'd600'],
    ['4755', 'f4755', 'd4755'],
    ['u=rwX,go-w', 'f744', 'd2755'],
    ['a+x', 'f755', 'd2775'],
    ['go=', 'f700', 'd700'],
    ['-w', 'f555', 'd2575'],
    ['g=u,o-x', 'f774', 'd2774'],
    ['+t', 'f1755', 'd3775'],
  ])('has the mode %s', async (mode, file, directory) => {
    const from = fixture.context((path) => {
      files({ 's/f': '' })(path);
      chmodSync(join(path, 's/f'), mode.startsWith('u=') ? 0o764 : mode === 'a+x' ? 0o644 : 0o755);
      if (mode === 'u=rwX,go-w') chmodSync(join(path, 's/f'), 0o764);
      chmodSync(join(path, 's'), 0o2775);
      if (mode === 'g=u,o-x') chmodSync(join(path, 's/f'), 0o755);
    });
    using made = await fixture.copy(fixture.nothing, from, { mode });
    expect(fixture.layer(made).map((line) => line.split(' ')[0])).toEqual([directory, file]);
  });

  it.each([
    ['0640', 'd640'],
    ['u=rwX,go=', 'd755'],
  ])('gives directories on the way the mode %s where it is a number', async (mode, directory) => {
    const from = fixture.context(files({ f: '' }));
    using made = await fixture.copy(fixture.nothing, from, { sources: ['/f'], destination: '/a/b/', mode });
    const modes = fixture.layer(made).map((line) => line.split(' ')[0]);
    expect(modes.slice(0, 2)).toEqual([directory, directory]);
  });

  it('is refused with a mode that is none', async () => {
    for (const mode of ['8', '99999', 'u', 'u=rwy', 'rwx', ''])
      await expect(fixture.copy(fixture.nothing, context, { mode }), mode).rejects.toMatchObject({ code: 'invalid' });
  });
});
