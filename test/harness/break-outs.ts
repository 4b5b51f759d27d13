// The 34 break-out cases that containerd names in its archive tests, as the entries of a layer over another one: for archives that come from
// outside. `/etc` stands for the place that an attacker wants; what must be inside afterwards is in `files`.
import type { TarEntry } from './tars.ts';

export interface BreakOut {
  name: string;
  /** The layer below. */
  base?: TarEntry[];
  entries: TarEntry[];
  /** Content that these paths of the image then have; null: the path is not there. */
  files?: Record<string, string | null>;
  /** It is refused, or it is confined and has this. */
  mayFail?: true;
}

const dir = (name: string): TarEntry => ({ name, type: 'directory', mode: 0o755 });
const file = (name: string, data = ''): TarEntry => ({ name, data });
const link = (linkname: string, name: string): TarEntry => ({ name, type: 'symlink', linkname });
const hard = (linkname: string, name: string): TarEntry => ({ name, type: 'link', linkname });
const passwd = [dir('etc'), file('etc/passwd', 'inside')];
const unbroken = { 'etc/unbroken': 'unbroken' };
const localetc = (target: string) => [...passwd, link(target, 'localetc')];
const kept = { 'etc/passwd': 'inside' };

const symlinks: BreakOut[] = [
  {
    name: 'SymlinkAbsolute',
    entries: [dir('etc'), link('/etc', 'localetc'), file('/localetc/unbroken', 'unbroken')],
    files: unbroken,
  },
  {
    name: 'SymlinkUpAndOut',
    entries: [dir('etc'), dir('dummy'), link('/dummy/../etc', 'localetc'), file('/localetc/unbroken', 'unbroken')],
    files: unbroken,
  },
  {
    name: 'SymlinkMultipleAbsolute',
    entries: [
      dir('etc'),
      dir('dummy'),
      link('/etc', '/dummy/etc'),
      link('/dummy/etc', 'localetc'),
      file('/dummy/etc/unbroken', 'unbroken'),
    ],
    files: unbroken,
  },
  {
    name: 'SymlinkMultipleRelative',
    entries: [
      dir('etc'),
      dir('dummy'),
      link('/etc', '/dummy/etc'),
      link('./dummy/etc', 'localetc'),
      file('/dummy/etc/unbroken', 'unbroken'),
    ],
    files: unbroken,
  },
  {
    name: 'SymlinkEmptyFile',
    entries: [dir('etc'), file('etc/emptied', 'notempty'), link('/etc', 'localetc'), file('/localetc/emptied', '')],
    files: { 'etc/emptied': '' },
  },
];

const hardLinked = (name: string, between: TarEntry[], target: string, made: string): BreakOut => ({
  name,
  entries: [...passwd, ...between, hard(target, made)],
  files: { ...kept, [made]: 'inside' },
});
const hardlinks: BreakOut[] = [
  hardLinked('HardlinkRelative', [dir('b'), link('../../etc', 'b/d1')], '/b/d1/passwd', 'b/mypasswd'),
  hardLinked('HardlinkDownAndOut', [dir('b'), dir('d'), link('../d/../../etc', 'b/d1')], '/b/d1/passwd', 'b/mypasswd'),
  hardLinked('HardlinkAbsolute', [link('/etc', 'localetc')], '/localetc/passwd', 'localpasswd'),
  hardLinked('HardlinkRelativeLong', [link('../../../../../../../etc', 'localetc')], '/localetc/passwd', 'localpasswd'),
  hardLinked(
    'HardlinkRelativeUpAndOut',
    [link('upandout/../../../etc', 'localetc')],
    '/localetc/passwd',
    'localpasswd',
  ),
  hardLinked('HardlinkDirectRelative', [], '../../../../../etc/passwd', 'localpasswd'),
  hardLinked('HardlinkDirectAbsolute', [], '/etc/passwd', 'localpasswd'),
];

const over: BreakOut[] = [
  {
    name: 'SymlinkParentDirectory',
    entries: [...passwd, link('/etc/', '..'), file('/etc/unbroken', 'unbroken')],
    files: kept,
    mayFail: true,
  },
  {
    name: 'SymlinkEmptyFilename',
    entries: [...passwd, link('/etc/', ''), file('/etc/unbroken', 'u')],
    files: kept,
    mayFail: true,
  },
  {
    name: 'SymlinkParentRelative',
    entries: [...passwd, link('/etc/', 'localetc/sub/..'), file('/localetc/unbroken', 'u')],
    files: kept,
    mayFail: true,
  },
  {
    name: 'SymlinkSlashEnded',
    entries: [...passwd, link('/etc/', 'localetc/'), file('/localetc/unbroken', 'unbroken')],
    files: { ...kept, ...unbroken },
    mayFail: true,
  },
  {
    name: 'SymlinkOverrideDirectory',
    base: [...passwd, dir('localetc')],
    entries: [link('/etc', 'localetc'), file('/localetc/unbroken', 'unbroken')],
    files: unbroken,
  },
  {
    name: 'SymlinkOverrideDirectoryRelative',
    base: [...passwd, dir('localetc')],
    entries: [link('../../etc', 'localetc'), file('/localetc/unbroken', 'unbroken')],
    files: unbroken,
  },
  {
    name: 'DirectoryOverrideSymlink',
    base: localetc('/etc'),
    entries: [dir('/localetc'), file('/localetc/unbroken', 'unbroken')],
    files: { ...kept, 'localetc/unbroken': 'unbroken', 'etc/unbroken': null },
  },
  {
    name: 'DirectoryOverrideSymlinkAndHardlink',
    base: localetc('/etc'),
    entries: [dir('/localetc'), hard('/etc/passwd', '/localetc/localpasswd')],
    files: { ...kept, 'localetc/localpasswd': 'inside', 'etc/localpasswd': null },
    // A layer is unpacked on its own: a link to a file of another layer finds nothing.
    mayFail: true,
  },
];

const whiteouts: BreakOut[] = [
  { name: 'WhiteoutRootParent', base: passwd, entries: [file('.wh...')], files: kept, mayFail: true },
  { name: 'WhiteoutParent', base: passwd, entries: [file('etc/.wh...')], files: kept, mayFail: true },
  { name: 'WhiteoutRoot', base: passwd, entries: [file('.wh..')], files: kept, mayFail: true },
  { name: 'WhiteoutCurrentDirectory', base: passwd, entries: [file('etc/.wh..')], files: kept, mayFail: true },
  {
    name: 'WhiteoutSymlink',
    base: localetc('/etc'),
    entries: [file('.wh.localetc')],
    files: { ...kept, localetc: null },
  },
  {
    name: 'WhiteoutSymlinkPath',
    base: localetc('/etc'),
    entries: [file('localetc/.wh.passwd')],
    // Names in a layer are its own: this hides the symlink below, and what that pointed to stays.
    files: kept,
  },
  {
    name: 'WhiteoutDirectoryName',
    base: [...passwd, dir('localetc')],
    entries: [file('.wh./localetc'), file('.wh./etc')],
    files: kept,
    mayFail: true,
  },
  {
    name: 'WhiteoutDeadSymlinkParent',
    base: [...passwd, link('/nosuch', 'passwddir')],
    entries: [file('passwddir/.wh.passwd')],
    files: kept,
    mayFail: true,
  },
  { name: 'WhiteoutRelativePath', base: passwd, entries: [file('dne/../.wh.etc')], mayFail: true },
];

const later: BreakOut[] = [
  {
    name: 'SymlinkOverridePath',
    entries: [...passwd, dir('localetc'), link('/etc', 'localetc'), file('/localetc/unbroken', 'unbroken')],
    files: { ...kept, ...unbroken },
  },
  {
    name: 'HardlinkSymlinkBeforeCreateTarget',
    entries: [dir('etc'), link('/etc/passwd', 'localpasswd'), hard('localpasswd', 'dup'), file('/etc/passwd', 'after')],
    files: { 'etc/passwd': 'after' },
  },
  {
    name: 'HardlinkSymlinkRelative',
    entries: [...passwd, link('../../../../../etc/passwd', 'l'), hard('/l', 'localpasswd')],
    files: kept,
  },
  {
    name: 'HardlinkSymlinkAbsolute',
    entries: [...passwd, link('/etc/passwd', 'l'), hard('/l', 'localpasswd')],
    files: kept,
  },
  {
    name: 'HardlinkSymlinkChmod',
    entries: [...passwd, link('/TW/SENTINEL', 'sketchy'), { ...hard('sketchy', 'link'), mode: 0o777 }],
    files: kept,
  },
];

export const breakOuts: readonly BreakOut[] = [...symlinks, ...hardlinks, ...over, ...whiteouts, ...later];
