// File operations as a whole: several actions, archives, checksums, merges; and that nothing is left of those that fail.
import { execFileSync } from 'node:child_process';
import fs, {
  chmodSync,
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { FileAction } from '../../../../daemon/build/graph/operation.ts';
import { chainId } from '../../../../daemon/snapshots/layer-keys.ts';
import { setxattr } from '../../../../native-bindings/xattrs.ts';
import { defaultCopy, FilesFixture } from './files-fixture.ts';

const fixture = new FilesFixture();
afterAll(() => fixture.close());
afterEach(() => expect(fixture.left()).toEqual([]));

const platform = { os: 'linux', architecture: 'amd64' };
const put = (directory: string, path: string, text = '') => {
  mkdirSync(join(directory, path, '..'), { recursive: true });
  writeFileSync(join(directory, path), text);
};
const make = (path: string, input: number, output: number): FileAction => ({
  action: 'make-file',
  path,
  data: Buffer.from(path).toString('base64'),
  mode: 0o640,
  input,
  output,
});
const layersOf = () => [...fixture.storage.layers.all()].length;

describe('actions', () => {
  it('make files, directories and links, and remove them', async () => {
    using base = fixture.layers((root) => {
      put(root, 'etc/passwd', 'app:x:5:6::/:\n');
      put(root, 'old/file');
      symlinkSync('old', join(root, 'to-old'));
    });
    using made = await fixture.file(
      [
        make('/to-old/new', 0, -1),
        {
          action: 'make-directory',
          path: '/a/b',
          mode: 0o750,
          makesParents: true,
          owner: { user: 'app', group: '' },
          input: 1,
          output: -1,
        },
        { action: 'symlink', path: '/a/l', target: '../x', timestamp: 9, input: 2, output: -1 },
        { action: 'remove', path: '/old/file', allowsMissing: false, hasWildcards: false, input: 3, output: -1 },
        { action: 'remove', path: '/none/x', allowsMissing: true, hasWildcards: true, input: 4, output: 0 },
      ],
      [base],
    );
    expect(fixture.layer(made)).toEqual([
      'd750 5:6 /a',
      'd750 5:6 /a/b',
      'l777 0:0 /a/l -> ../x',
      'd755 0:0 /old',
      'c0 0:0 /old/file',
      'f640 0:0 /old/new',
    ]);
    expect(fixture.tree(made).map((line) => line.split(' ')[2])).toEqual([
      '/a',
      '/a/b',
      '/a/l',
      '/etc',
      '/etc/passwd',
      '/old',
      '/old/new',
      '/to-old',
    ]);
  });

  it('replace a directory that was removed before with one that hides it', async () => {
    using base = fixture.layers((root) => put(root, 'd/old'));
    using made = await fixture.file(
      [
        { action: 'remove', path: '/d', allowsMissing: false, hasWildcards: false, input: 0, output: -1 },
        { action: 'make-directory', path: '/d', mode: 0o755, makesParents: false, input: 1, output: 0 },
      ],
      [base],
    );
    expect(fixture.tree(made)).toEqual(['d755 0:0 /d']);
    await fixture.storage.files.digest(made.top ?? 0);
    expect(fixture.tree(made)).toEqual(['d755 0:0 /d']);
  });

  it('take what matches a pattern away', async () => {
    using base = fixture.layers((root) => {
      for (const path of ['x/a.o', 'x/b.o', 'x/c', 'y/d.o']) put(root, path);
    });
    using made = await fixture.file(
      [
        make('/x/new.o', 0, -1),
        { action: 'remove', path: '/?/*.o', allowsMissing: true, hasWildcards: true, input: 1, output: 0 },
      ],
      [base],
    );
    expect(fixture.tree(made).map((line) => line.split(' ')[2])).toEqual(['/x', '/x/c', '/y']);
  });

  it('have results of their own where that is asked for', async () => {
    using base = fixture.layers((root) => put(root, 'base'));
    const actions = [make('/one', 0, 0), make('/two', 1, 1), { ...defaultCopy, input: -1, from: 1, output: 2 }];
    const results = await fixture.steps.file(fixture.run({ kind: 'file', actions, platform }), [base]);
    const trees = results.map((result) => fixture.tree(result).map((line) => line.split(' ')[2]));
    expect(trees).toEqual([
      ['/base', '/one'],
      ['/base', '/one', '/two'],
      ['/base', '/one'],
    ]);
    for (const result of results) result[Symbol.dispose]();
  });

  it('that change nothing make a layer all the same, always the same one', async () => {
    using base = fixture.layers((root) => put(root, 'd/f'));
    const workdir: FileAction = {
      action: 'make-directory',
      path: '/d',
      mode: 0o755,
      makesParents: true,
      input: 0,
      output: 0,
    };
    using one = await fixture.file([workdir], [base]);
    using two = await fixture.copy(
      base,
      fixture.context(() => undefined),
      {},
    );
    const [a, b] = [one, two].map(({ top }) => fixture.storage.files.digest(top ?? 0));
    expect((await a)?.diffId).toBe((await b)?.diffId);
    expect(fixture.layer(one)).toEqual([]);
  });

  it('with a timestamp make the same layer at any time', async () => {
    const digests = new Set<string>();
    for (let n = 0; n < 2; n++) {
      const context = fixture.context((directory) => {
        put(directory, 'a/b/c', 'c');
        utimesSync(join(directory, 'a'), n + 5, n + 5);
        put(directory, 'in.txt', '1');
        execFileSync('tar', ['-C', directory, '--mtime=@3', '-cf', join(directory, 'arch.tar'), 'a']);
      });
      using base = fixture.layers((root) => {
        mkdirSync(join(root, 'opt/sub'), { recursive: true });
        for (const path of ['opt', 'opt/sub', '']) utimesSync(join(root, path), 1, 1);
      });
      const timestamp = 1000;
      const steps: FileAction[] = [
        { ...defaultCopy, sources: ['/a'], destination: '/opt/sub/', timestamp, output: -1 },
        { ...defaultCopy, sources: ['/in.txt'], destination: '/opt/x/y', timestamp, input: 2, output: -1 },
        { ...defaultCopy, sources: ['/arch.tar'], destination: '/opt', unpacks: true, timestamp, input: 3, output: 0 },
      ];
      using made = await fixture.file(steps, [base, context]);
      digests.add((await fixture.storage.files.digest(made.top ?? 0)).diffId);
      await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    expect(digests.size).toBe(1);
  });

  it('that fail leave nothing', async () => {
    using base = fixture.layers((root) => put(root, 'a'));
    const before = layersOf();
    const context = fixture.context((directory) => put(directory, 'x'));
    const failing: FileAction[][] = [
      [make('/a/b', 0, 0)],
      [make('/none/b', 0, 0)],
      [{ action: 'make-directory', path: '/n/m', mode: 0o755, makesParents: false, input: 0, output: 0 }],
      [{ action: 'remove', path: '/none', allowsMissing: false, hasWildcards: false, input: 0, output: 0 }],
      [make('/fine', 0, 0), { ...defaultCopy, sources: ['/none'], input: 2 }],
      [{ ...defaultCopy, from: 7 }],
      [{ ...defaultCopy, input: 9 }],
      [make('/fine', 0, 1)],
    ];
    for (const actions of failing)
      await expect(fixture.file(actions, [base, context]), JSON.stringify(actions)).rejects.toMatchObject({
        code: expect.stringMatching(/invalid|not-found/),
      });
    fixture.storage.layers.collect([]);
    expect(layersOf()).toBeLessThanOrEqual(before);
  });

  it('end when they are not wanted any more', async () => {
    const context = fixture.context((directory) => {
      for (let n = 0; n < 3000; n++) writeFileSync(join(directory, `f${n}`), 'x');
    });
    const stop = new AbortController();
    const copying = fixture.file([{ ...defaultCopy, input: -1, from: 0 }], [context], stop.signal);
    setTimeout(() => stop.abort(new Error('not wanted')), 20);
    await expect(copying).rejects.toThrow('not wanted');
  });
});

describe('ADD', () => {
  const context = fixture.context((directory) => {
    put(directory, 'tree/sub/file', 'in');
    chmodSync(join(directory, 'tree/sub/file'), 0o751);
    const tar = ['-C', join(directory, 'tree'), '--owner=7', '--group=8'];
    execFileSync('tar', [...tar, '-cf', join(directory, 'plain.tar'), '.']);
    for (const [flag, name] of [
      ['z', 'tgz'],
      ['j', 'tbz'],
      ['J', 'txz'],
    ] as const)
      execFileSync('tar', [...tar, `-c${flag}f`, join(directory, `packed.${name}`), '.']);
    execFileSync('zstd', ['-q', join(directory, 'plain.tar'), '-o', join(directory, 'packed.tzst')]);
    writeFileSync(join(directory, 'text.tar'), 'no archive');
    writeFileSync(join(directory, 'empty.tar'), '');
    execFileSync('gzip', ['-k', join(directory, 'text.tar')]);
    symlinkSync('plain.tar', join(directory, 'link.tar'));
  });
  const unpacked = ['d755 7:8 /o', 'd755 7:8 /o/sub', 'f751 7:8 /o/sub/file'];

  it.each(['plain.tar', 'packed.tgz', 'packed.tbz', 'packed.txz', 'packed.tzst', 'link.tar'])(
    'unpacks %s, with its owners',
    async (name) => {
      using made = await fixture.copy(fixture.nothing, context, {
        sources: [`/${name}`],
        destination: '/o',
        unpacks: true,
      });
      expect(fixture.layer(made)).toEqual(unpacked);
    },
  );

  it.each(['text.tar', 'empty.tar', 'text.tar.gz', 'tree'])('copies %s', async (name) => {
    using made = await fixture.copy(fixture.nothing, context, {
      sources: [`/${name}`],
      destination: '/o/',
      unpacks: true,
    });
    expect(fixture.layer(made)[1]).toMatch(name === 'tree' ? / \/o\/sub$/ : new RegExp(` /o/${name}$`));
  });

  it('gives all the owner that is asked for, and goes where links lead', async () => {
    using base = fixture.layers((root) => {
      mkdirSync(join(root, 'real/sub'), { recursive: true });
      symlinkSync('/real', join(root, 'o'));
      put(root, 'real/sub/old');
    });
    const owner = { user: '3', group: '4' };
    const sources = ['/plain.tar', '/text.tar'];
    using made = await fixture.copy(base, context, { sources, destination: '/o/', unpacks: true, owner });
    expect(fixture.tree(made)).toEqual([
      'l777 0:0 /o -> /real',
      'd755 3:4 /real',
      'd755 3:4 /real/sub',
      'f751 3:4 /real/sub/file',
      'f644 0:0 /real/sub/old',
      'f644 3:4 /real/text.tar',
    ]);
  });

  it('of many files that are no archives makes no stream of them, and few descriptors', async () => {
    const many = fixture.context((directory) => {
      for (let n = 0; n < 600; n++) put(directory, `many/${n}`, n % 2 === 0 ? 'x'.repeat(600) : 'x');
    });
    const run = vi.spyOn(fixture.storage.jail, 'run');
    const { createReadStream } = fs;
    fs.createReadStream = () => {
      throw new Error('a stream was made');
    };
    syncBuiltinESMExports();
    try {
      const sources = ['/many/*'];
      using made = await fixture.copy(fixture.nothing, many, { sources, destination: '/o/', unpacks: true });
      expect(fixture.layer(made)).toHaveLength(601);
    } finally {
      fs.createReadStream = createReadStream;
      syncBuiltinESMExports();
    }
    const jobs = run.mock.calls.flatMap(([job]) => (job.do === 'change-files' ? [job.changes] : []));
    run.mockRestore();
    expect(jobs.flat()).toHaveLength(600);
    for (const changes of jobs) {
      expect(changes.length).toBeLessThanOrEqual(500);
      expect(new Set(changes.map((change) => 'fromFd' in change && change.fromFd)).size).toBe(1);
    }
  });

  it('of files whose names have no end is told', async () => {
    const long = fixture.context((directory) => {
      const path = join(directory, 'd', ...Array.from({ length: 15 }, () => 'd'.repeat(250)));
      mkdirSync(path, { recursive: true });
      for (let n = 0; n < 2300; n++) writeFileSync(join(path, `${n}`), '');
    });
    const sources = [`/d/${Array.from({ length: 15 }, () => '*').join('/')}/*`];
    await expect(fixture.copy(fixture.nothing, long, { sources, destination: '/o/', unpacks: true })).rejects.toThrow(
      /whose paths have more than/,
    );
  });

  it('ends when it is not wanted any more, however long what an archive begins with may be', async () => {
    const endless = fixture.context((directory) => {
      const fd = openSync(join(directory, 'a.zst'), 'w');
      // Frames to be skipped, of holes (RFC 8878, 3.1.2).
      const head = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff]);
      for (let n = 0; n < 64; n++) writeSync(fd, head, 0, head.length, n * (head.length + 0xffffffff));
      ftruncateSync(fd, 64 * (head.length + 0xffffffff));
      closeSync(fd);
    });
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(new Error('stopped')), 100);
    const action = { ...defaultCopy, sources: ['/a.zst'], destination: '/o/', unpacks: true };
    await expect(fixture.file([action], [fixture.nothing, endless], cancel.signal)).rejects.toThrow('stopped');
  });

  it('keeps hostile archives inside', async () => {
    const bad = fixture.context((directory) => {
      mkdirSync(join(directory, 'w'));
      symlinkSync('../../../../../../tmp', join(directory, 'w/up'));
      execFileSync('tar', ['-C', join(directory, 'w'), '-cf', join(directory, 'a.tar'), 'up']);
      rmSync(join(directory, 'w/up'));
      put(directory, 'w/up/escaped', 'x');
      execFileSync('tar', ['-C', join(directory, 'w'), '-rf', join(directory, 'a.tar'), 'up/escaped']);
      execFileSync('tar', [
        '-C',
        join(directory, 'w'),
        '-P',
        '--transform=s,^up,../../..,',
        '-rf',
        join(directory, 'a.tar'),
        'up/escaped',
      ]);
    });
    using made = await fixture.copy(fixture.nothing, bad, { sources: ['/a.tar'], destination: '/o', unpacks: true });
    expect(fixture.tree(made).filter((line) => line.includes('escaped')).length).toBeGreaterThan(0);
    expect(readdirSync('/tmp')).not.toContain('escaped');
    expect(readdirSync('/')).not.toContain('escaped');
  });
});

describe('hostile trees', () => {
  it('cannot lead a copy out of what it is made of, whatever is renamed meanwhile', async () => {
    const context = fixture.context((directory) => {
      for (let n = 0; n < 300; n++) put(directory, `d/${n}/file`, 'inside');
      symlinkSync('/etc', join(directory, 'evil'));
    });
    const swap = setInterval(() => {
      for (let n = 0; n < 300; n += 7) {
        try {
          renameSync(join(context.path, `d/${n}`), join(context.path, `aside-${n}`));
          symlinkSync('/etc', join(context.path, `d/${n}`));
        } catch {
          // It was swapped already.
        }
      }
    }, 1);
    try {
      using made = await fixture.copy(fixture.nothing, context, { sources: ['/d'], destination: '/o' });
      const files = fixture.tree(made).filter((line) => line.startsWith('f'));
      expect(files.every((line) => /^f644 0:0 \/o\/\d+\/file$/.test(line))).toBe(true);
    } finally {
      clearInterval(swap);
    }
  });

  it('that are too deep are told', async () => {
    const context = fixture.context((directory) => {
      // Longer than a path may be, made from the inside.
      execFileSync('sh', ['-c', 'for i in $(seq 1100); do mkdir d && cd -P d || exit 1; done'], { cwd: directory });
    });
    await expect(fixture.copy(fixture.nothing, context, {})).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('too deep'),
    });
    await expect(fixture.checksum(context, {})).rejects.toMatchObject({ code: 'invalid' });
    execFileSync('rm', ['-r', join(context.path, 'd')]);
  });

  it('of many names are copied and summed up', async () => {
    const context = fixture.context((directory) => {
      for (let n = 0; n < 12_000; n++) writeFileSync(join(directory, `a-rather-long-name-of-a-file-${n}`), '');
    });
    using made = await fixture.copy(fixture.nothing, context, { destination: '/o' });
    expect(fixture.layer(made).length).toBe(12_001);
    expect(await fixture.checksum(context, {})).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

describe('a checksum', () => {
  const fill = (change: (directory: string) => void = () => undefined) =>
    fixture.context((directory) => {
      put(directory, 'd/a', 'a');
      put(directory, 'd/sub/b', 'b');
      put(directory, 'other', 'o');
      symlinkSync('a', join(directory, 'd/l'));
      change(directory);
    });

  it('is of names, kinds, modes, owners, targets, attributes and data, not of times or of what is not chosen', async () => {
    const selection = { sources: ['/d'] };
    const plain = await fixture.checksum(fill(), selection);
    const same = [
      (directory: string) => utimesSync(join(directory, 'd/a'), 5, 5),
      (directory: string) => writeFileSync(join(directory, 'other'), 'changed'),
      (directory: string) => put(directory, 'more'),
    ];
    for (const change of same) expect(await fixture.checksum(fill(change), selection)).toBe(plain);
    const others = [
      (directory: string) => writeFileSync(join(directory, 'd/a'), 'b'),
      (directory: string) => chmodSync(join(directory, 'd/a'), 0o600),
      (directory: string) => execFileSync('chown', ['1', join(directory, 'd/a')]),
      (directory: string) => renameSync(join(directory, 'd/a'), join(directory, 'd/c')),
      (directory: string) => chmodSync(join(directory, 'd/sub'), 0o700),
      (directory: string) => mkdirSync(join(directory, 'd/empty')),
      (directory: string) => setxattr(join(directory, 'd/a'), 'user.x', Buffer.from('1')),
      (directory: string) => execFileSync('ln', ['-sfn', 'sub', join(directory, 'd/l')]),
      (directory: string) => execFileSync('mkfifo', [join(directory, 'd/p')]),
      (directory: string) => rmSync(join(directory, 'd/sub/b')),
    ];
    const found = new Set([plain]);
    for (const change of others) found.add(await fixture.checksum(fill(change), selection));
    expect(found.size).toBe(others.length + 1);
  });

  it('is the same of a context and of layers with the same files', async () => {
    const context = fill();
    using copied = await fixture.copy(fixture.nothing, context, {});
    for (const sources of [['/d'], ['/other'], ['/d/*', '/oth*']])
      expect(await fixture.checksum(copied, { sources })).toBe(await fixture.checksum(context, { sources }));
  });

  it('of layers keeps their files from giving way to others meanwhile', async () => {
    using copied = await fixture.copy(fixture.nothing, fill(), {});
    const { layers } = fixture.storage;
    const summed = fixture.checksum(copied, {});
    expect(layers.isRead(layers.get(copied.top ?? 0))).toBe(true);
    await summed;
    expect(layers.isRead(layers.get(copied.top ?? 0))).toBe(false);
  });

  it('chooses as a copy does', async () => {
    const context = fill();
    const all = await fixture.checksum(context, { sources: ['/d'] });
    expect(await fixture.checksum(context, { sources: ['/d'], exclude: ['sub/b'] })).not.toBe(all);
    expect(await fixture.checksum(context, { sources: ['/d/./sub/b'], keepsParents: true })).not.toBe(
      await fixture.checksum(context, { sources: ['/d/sub/b'], keepsParents: true }),
    );
    await expect(fixture.checksum(context, { sources: ['/none'] })).rejects.toMatchObject({
      code: 'not-found',
      message: '"/none": not found',
    });
    await expect(fixture.checksum(fixture.nothing, { sources: ['/x'] })).rejects.toMatchObject({ code: 'not-found' });
  });

  it('of a context reads only what is new in it', async () => {
    const context = fill((directory) => {
      for (let n = 0; n < 200; n++) put(directory, `many/${n}`, `${n}`);
    });
    const sum = (identity: string) => fixture.checksum({ ...context, identity }, {});
    const inPlace = join(context.path, 'many/7');
    utimesSync(inPlace, 1, 1);
    const before = await sum('first');
    writeFileSync(inPlace, '8');
    utimesSync(inPlace, 1, 1);
    expect(await sum('second'), 'against the rule: this file was not read again').toBe(before);
    for (const text of ['9', '7']) {
      rmSync(inPlace);
      writeFileSync(inPlace, text);
      utimesSync(inPlace, 1, 1);
      expect((await sum(`with ${text}`)) === before).toBe(text === '7');
    }
    execFileSync('chmod', ['600', inPlace]);
    expect(await sum('other mode')).not.toBe(before);
  });

  it('is remembered by what a directory says that it is', async () => {
    const context = fill();
    const before = await fixture.checksum(context, {});
    writeFileSync(join(context.path, 'other'), 'changed, against the rule');
    expect(await fixture.checksum(context, {})).toBe(before);
    expect(await fixture.checksum({ ...context, identity: 'another' }, {})).not.toBe(before);
  });
});

describe('layers', () => {
  const merge = (...inputs: Parameters<typeof fixture.steps.merge>[1][number][]) =>
    fixture.steps.merge(fixture.run({ kind: 'merge' }), inputs);
  const diff = (...inputs: Parameters<typeof fixture.steps.merge>[1][number][]) =>
    fixture.steps.diff(fixture.run({ kind: 'diff' }), inputs);

  it('are merged without a copy, with the digests that they would have there', async () => {
    using base = fixture.layers((root) => {
      put(root, 'etc/base');
      symlinkSync('etc', join(root, 'link'));
    });
    const context = fixture.context((directory) => put(directory, 'f', 'new'));
    using copied = await fixture.copy(fixture.nothing, context, {
      sources: ['/f'],
      destination: '/link/f',
      replacesLinks: true,
    });
    using merged = await merge(base, copied);
    const { layers, files } = fixture.storage;
    expect(layers.dirOf(merged.top ?? 0)).toBe(layers.dirOf(copied.top ?? 0));
    fixture.within(merged, (root) => {
      expect(lstatSync(join(root, 'link')).isDirectory(), 'the link is replaced').toBe(true);
      expect(readFileSync(join(root, 'link/f'), 'utf8')).toBe('new');
      expect(readdirSync(join(root, 'etc'))).toEqual(['base']);
    });
    const lower = await files.digest(base.top ?? 0);
    const upper = await files.digest(merged.top ?? 0);
    expect(upper.key).toBe(chainId(lower.key, upper.diffId));
    using again = await merge(base, copied);
    expect(again.top).toBe(merged.top);
  });

  it('may be directories, and nothing', async () => {
    const context = fixture.context((directory) => put(directory, 'f'));
    using merged = await merge(fixture.nothing, context, fixture.nothing);
    expect(fixture.tree(merged)).toEqual(['f644 0:0 /f']);
    using nothing = await merge(fixture.nothing, fixture.nothing);
    expect(nothing.top).toBeUndefined();
  });

  it('tell what one has changed of another', async () => {
    using whole = fixture.layers(
      (root) => {
        put(root, 'a');
        put(root, 'gone');
      },
      (root) => {
        put(root, 'b');
        rmSync(join(root, 'gone'));
      },
    );
    const { layers } = fixture.storage;
    using base = {
      kind: 'layers' as const,
      top: layers.get(whole.top ?? 0).parent,
      again: () => base,
      [Symbol.dispose]: () => undefined,
    };
    using changed = await diff(base, whole);
    expect(layers.chain(changed.top).length).toBe(1);
    expect(fixture.layer(changed)).toEqual(['f644 0:0 /b', 'c0 0:0 /gone']);
    using onOther = await merge(
      fixture.layers((root) => put(root, 'gone')),
      changed,
    );
    expect(fixture.tree(onOther)).toEqual(['f644 0:0 /b']);
    using same = await diff(whole, whole);
    expect(same.top).toBeUndefined();
    using all = await diff(fixture.nothing, whole);
    expect(fixture.tree(all).map((line) => line.split(' ')[2])).toEqual(['/a', '/b']);
    expect(statSync(layers.dirOf(all.top ?? 0)).isDirectory()).toBe(true);
  });
});
