// The 34 break-out cases that containerd names in its archive tests, against the jail's unpacker.
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { JailFixture } from './jail-fixture.ts';
import { dir, file, hardlink, type RawEntry, symlink } from './raw-tar.ts';

const fixture = new JailFixture();
const root = fixture.root;
const at = (path: string): string => join(root, path);
const passwd = [dir('etc', 0o770), file('/etc/passwd', 'inside')];

beforeEach(() => fixture.clear());
afterAll(() => fixture.close());

/** What the root holds before. */
const setUp = {
  none: () => undefined,
  passwd: () => {
    mkdirSync(at('etc'));
    writeFileSync(at('etc/passwd'), 'inside');
  },
};

function localetc(make: () => void): () => void {
  return () => {
    setUp.passwd();
    make();
  };
}

const expectContent = (path: string, content: string) => () => expect(readFileSync(at(path), 'utf8')).toBe(content);
const inodeOf = (path: string): number => lstatSync(at(path)).ino;
/** Links are followed as text, below the root. */
const expectSame = (a: string, b: string) => () => expect(inodeOf(a)).toBe(inodeOf(b));

interface Case {
  name: string;
  before?: () => void;
  entries: RawEntry[];
  error?: RegExp;
  check?: () => void;
}

const localetcLink = (target: string) => localetc(() => symlinkSync(target, at('localetc')));
const whiteoutFile = (name: string): RawEntry => file(name, '');

const cases: Case[] = [
  {
    name: 'SymlinkAbsolute',
    entries: [dir('etc'), symlink('/etc', 'localetc'), file('/localetc/unbroken', 'unbroken')],
    check: expectContent('etc/unbroken', 'unbroken'),
  },
  {
    name: 'SymlinkUpAndOut',
    entries: [dir('etc'), dir('dummy'), symlink('/dummy/../etc', 'localetc'), file('/localetc/unbroken', 'unbroken')],
    check: expectContent('etc/unbroken', 'unbroken'),
  },
  {
    name: 'SymlinkMultipleAbsolute',
    entries: [
      dir('etc'),
      dir('dummy'),
      symlink('/etc', '/dummy/etc'),
      symlink('/dummy/etc', 'localetc'),
      file('/dummy/etc/unbroken', 'unbroken'),
    ],
    check: expectContent('etc/unbroken', 'unbroken'),
  },
  {
    name: 'SymlinkMultipleRelative',
    entries: [
      dir('etc'),
      dir('dummy'),
      symlink('/etc', '/dummy/etc'),
      symlink('./dummy/etc', 'localetc'),
      file('/dummy/etc/unbroken', 'unbroken'),
    ],
    check: expectContent('etc/unbroken', 'unbroken'),
  },
  {
    name: 'SymlinkEmptyFile',
    entries: [dir('etc'), file('etc/emptied', 'notempty'), symlink('/etc', 'localetc'), file('/localetc/emptied', '')],
    check: expectContent('etc/emptied', ''),
  },
  {
    name: 'HardlinkRelative',
    entries: [
      ...passwd,
      dir('breakouts'),
      symlink('../../etc', 'breakouts/d1'),
      hardlink('/breakouts/d1/passwd', 'breakouts/mypasswd'),
    ],
    check: expectSame('breakouts/mypasswd', 'etc/passwd'),
  },
  {
    name: 'HardlinkDownAndOut',
    entries: [
      ...passwd,
      dir('breakouts'),
      dir('downandout'),
      symlink('../downandout/../../etc', 'breakouts/d1'),
      hardlink('/breakouts/d1/passwd', 'breakouts/mypasswd'),
    ],
    check: expectSame('breakouts/mypasswd', 'etc/passwd'),
  },
  {
    name: 'HardlinkAbsolute',
    entries: [...passwd, symlink('/etc', 'localetc'), hardlink('/localetc/passwd', 'localpasswd')],
    check: expectSame('localpasswd', 'etc/passwd'),
  },
  {
    name: 'HardlinkRelativeLong',
    entries: [...passwd, symlink('../../../../../../../etc', 'localetc'), hardlink('/localetc/passwd', 'localpasswd')],
    check: expectSame('localpasswd', 'etc/passwd'),
  },
  {
    name: 'HardlinkRelativeUpAndOut',
    entries: [...passwd, symlink('upandout/../../../etc', 'localetc'), hardlink('/localetc/passwd', 'localpasswd')],
    check: expectSame('localpasswd', 'etc/passwd'),
  },
  {
    name: 'HardlinkDirectRelative',
    entries: [...passwd, hardlink('../../../../../etc/passwd', 'localpasswd')],
    check: expectSame('localpasswd', 'etc/passwd'),
  },
  {
    name: 'HardlinkDirectAbsolute',
    entries: [...passwd, hardlink('/etc/passwd', 'localpasswd')],
    check: expectSame('localpasswd', 'etc/passwd'),
  },
  {
    name: 'SymlinkParentDirectory',
    entries: [...passwd, symlink('/etc/', '..'), hardlink('/etc/passwd', 'localpasswd')],
    check: expectSame('localpasswd', 'etc/passwd'),
  },
  {
    name: 'SymlinkEmptyFilename',
    entries: [...passwd, symlink('/etc/', ''), hardlink('/etc/passwd', 'localpasswd')],
    check: expectSame('localpasswd', 'etc/passwd'),
  },
  {
    name: 'SymlinkParentRelative',
    entries: [...passwd, symlink('/etc/', 'localetc/sub/..'), hardlink('/etc/passwd', '/localetc/localpasswd')],
    check: expectSame('etc/localpasswd', 'etc/passwd'),
  },
  {
    name: 'SymlinkSlashEnded',
    entries: [...passwd, dir('localetc/', 0o770), hardlink('/etc/passwd', '/localetc/localpasswd')],
    check: expectSame('localetc/localpasswd', 'etc/passwd'),
  },
  {
    name: 'SymlinkOverrideDirectory',
    before: localetc(() => mkdirSync(at('localetc'))),
    entries: [symlink('/etc', 'localetc'), hardlink('/etc/passwd', '/localetc/localpasswd')],
    check: expectSame('etc/localpasswd', 'etc/passwd'),
  },
  {
    name: 'SymlinkOverrideDirectoryRelative',
    before: localetc(() => mkdirSync(at('localetc'))),
    entries: [symlink('../../etc', 'localetc'), hardlink('/etc/passwd', '/localetc/localpasswd')],
    check: expectSame('etc/localpasswd', 'etc/passwd'),
  },
  {
    name: 'DirectoryOverrideSymlink',
    before: localetcLink('/etc'),
    entries: [dir('/localetc/'), hardlink('/etc/passwd', '/localetc/localpasswd')],
    check: () => {
      expect(lstatSync(at('localetc')).isDirectory()).toBe(true);
      expectSame('localetc/localpasswd', 'etc/passwd')();
    },
  },
  {
    name: 'DirectoryOverrideSymlinkAndHardlink',
    before: localetc(() => {
      symlinkSync('etc', at('localetc'));
      linkSync(at('etc/passwd'), at('localetc/localpasswd'));
    }),
    entries: [dir('/localetc/'), file('/localetc/localpasswd', 'different')],
    check: () => {
      expect(inodeOf('localetc/localpasswd')).not.toBe(inodeOf('etc/passwd'));
      expectContent('etc/passwd', 'inside')();
    },
  },
  {
    name: 'WhiteoutRootParent',
    before: setUp.passwd,
    entries: [whiteoutFile('.wh...')],
    error: /invalid whiteout name/,
  },
  {
    name: 'WhiteoutParent',
    before: setUp.passwd,
    entries: [whiteoutFile('etc/.wh...')],
    error: /invalid whiteout name/,
  },
  { name: 'WhiteoutRoot', before: setUp.passwd, entries: [whiteoutFile('.wh..')], error: /invalid whiteout name/ },
  {
    name: 'WhiteoutCurrentDirectory',
    before: setUp.passwd,
    entries: [whiteoutFile('etc/.wh..')],
    error: /invalid whiteout name/,
  },
  {
    name: 'WhiteoutSymlink',
    before: localetcLink('/etc'),
    entries: [whiteoutFile('.wh.localetc')],
    check: () => {
      expectContent('etc/passwd', 'inside')();
      expectWhiteout('localetc');
    },
  },
  {
    name: 'WhiteoutSymlinkPath',
    before: localetc(() => {
      writeFileSync(at('etc/whitedout'), 'gone soon');
      symlinkSync('/etc', at('localetc'));
    }),
    entries: [whiteoutFile('localetc/.wh.whitedout')],
    check: () => {
      expectContent('etc/passwd', 'inside')();
      expectWhiteout('etc/whitedout');
    },
  },
  {
    name: 'WhiteoutDirectoryName',
    before: localetcLink('/etc'),
    entries: [file('.wh.etc/somefile', 'non-empty')],
    check: () => {
      expectContent('etc/passwd', 'inside')();
      expectContent('.wh.etc/somefile', 'non-empty')();
    },
  },
  {
    name: 'WhiteoutDeadSymlinkParent',
    before: localetcLink('/dne'),
    entries: [whiteoutFile('localetc/.wh.etc')],
    check: () => {
      expectContent('etc/passwd', 'inside')();
      expectWhiteout('dne/etc');
    },
  },
  {
    name: 'WhiteoutRelativePath',
    before: localetcLink('/dne'),
    entries: [whiteoutFile('dne/../.wh.etc')],
    check: () => expectWhiteout('etc'),
  },
  {
    name: 'SymlinkOverridePath',
    entries: [...passwd, dir('a'), symlink('../../../etc', 'a/b'), dir('a/b'), file('a/b/passwd', 'mine')],
    check: () => {
      expectContent('etc/passwd', 'inside')();
      expectContent('a/b/passwd', 'mine')();
    },
  },
  {
    name: 'HardlinkSymlinkBeforeCreateTarget',
    entries: [
      dir('etc', 0o770),
      symlink('/etc/passwd', 'localpasswd'),
      hardlink('localpasswd', 'localpasswd-dup'),
      file('/etc/passwd', 'after'),
    ],
    check: () => {
      expectSame('localpasswd-dup', 'localpasswd')();
      expect(readlinkSync(at('localpasswd-dup'))).toBe('/etc/passwd');
    },
  },
  {
    name: 'HardlinkSymlinkRelative',
    entries: [...passwd, symlink('../../../../../etc/passwd', 'passwdlink'), hardlink('/passwdlink', 'localpasswd')],
    check: expectSame('localpasswd', 'passwdlink'),
  },
  {
    name: 'HardlinkSymlinkAbsolute',
    entries: [...passwd, symlink('/etc/passwd', 'passwdlink'), hardlink('/passwdlink', 'localpasswd')],
    check: expectSame('localpasswd', 'passwdlink'),
  },
  {
    name: 'HardlinkSymlinkChmod',
    entries: [symlink(join(fixture.tripwire, 'SENTINEL'), 'sketchy'), { ...hardlink('sketchy', 'link'), mode: 0o777 }],
    check: () => expect(statSync(join(fixture.tripwire, 'SENTINEL')).mode & 0o777).toBe(0o640),
  },
];

function expectWhiteout(path: string): void {
  const stats = lstatSync(at(path));
  expect(stats.isCharacterDevice() && stats.rdev === 0).toBe(true);
}

describe('the named break-out cases', () => {
  test('there are 34', () => expect(cases).toHaveLength(34));

  test.each(cases)('$name stays inside', async ({ before, entries, error, check }) => {
    before?.();
    if (error !== undefined) await expect(fixture.unpackLayer(entries)).rejects.toThrow(error);
    else await fixture.unpackLayer(entries);
    check?.();
    expect(fixture.isUntouched).toBe(true);
  });
});
