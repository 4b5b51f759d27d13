// The bindings against the real kernel. What needs root is skipped without it.
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AT,
  F,
  F_SEAL,
  FS_MAGIC,
  LOCK,
  MFD,
  O,
  RENAME,
  RESOLVE,
  S_IF,
  SEEK,
} from '../../../native-bindings/constants.ts';
import * as files from '../../../native-bindings/files.ts';
import * as xattrs from '../../../native-bindings/xattrs.ts';

const isRoot = process.getuid?.() === 0;
let directory: string;
let dirfd: number;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsdocker-libc-'));
  dirfd = openSync(directory, 'r');
});

afterAll(() => {
  closeSync(dirfd);
  rmSync(directory, { recursive: true, force: true });
});

const errorOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

describe('readlinkFd', () => {
  it('reads the link that was opened, whatever has its name now', () => {
    const name = join(directory, 'swapped');
    symlinkSync('/somewhere', name);
    const fd = openSync(name, O.PATH | O.NOFOLLOW);
    rmSync(name);
    writeFileSync(name, 'a file by now');
    expect(files.readlinkFd(fd).toString()).toBe('/somewhere');
    closeSync(fd);
  });
});

describe('openat2', () => {
  it('does not leave the directory', () => {
    symlinkSync('/etc/passwd', join(directory, 'absolute'));
    const resolve = RESOLVE.BENEATH;
    expect(errorOf(() => files.openat2(dirfd, 'absolute', { flags: O.RDONLY, resolve }))).toMatchObject({
      code: 'EXDEV',
    });
    expect(errorOf(() => files.openat2(dirfd, '../x', { flags: O.RDONLY, resolve }))).toMatchObject({ code: 'EXDEV' });
    const inRoot = { flags: O.RDONLY, resolve: RESOLVE.IN_ROOT };
    expect(errorOf(() => files.openat2(dirfd, 'absolute', inRoot))).toMatchObject({ code: 'ENOENT' });
  });

  it('creates files with a mode and closes them on exec', () => {
    const fd = files.openat2(dirfd, 'made', { flags: O.WRONLY | O.CREAT | O.EXCL, mode: 0o640 });
    expect(fstatSync(fd).mode & 0o777).toBe(0o640);
    expect(files.fcntl(fd, F.GETFD)).toBe(1);
    files.closeFd(fd);
    expect(errorOf(() => files.closeFd(fd))).toMatchObject({ code: 'EBADF', syscall: 'close' });
  });

  it('explains itself', () => {
    expect(
      errorOf(() => files.openat2(dirfd, 'none', { flags: O.RDONLY | O.NOFOLLOW, resolve: RESOLVE.IN_ROOT })),
    ).toMatchObject({
      message: `openat2 "none" below fd ${dirfd}: ENOENT (no such file or directory)`,
      args: { flags: 'O_NOFOLLOW', resolve: 'RESOLVE_IN_ROOT' },
    });
  });
});

describe('files', () => {
  it('are renamed, exchanged, linked and removed', () => {
    writeFileSync(join(directory, 'a'), 'a');
    writeFileSync(join(directory, 'b'), 'b');
    expect(errorOf(() => files.renameat2(dirfd, 'a', dirfd, 'b', RENAME.NOREPLACE))).toMatchObject({ code: 'EEXIST' });
    files.renameat2(dirfd, 'a', dirfd, 'b', RENAME.EXCHANGE);
    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('b');
    files.linkat(dirfd, 'a', dirfd, 'c');
    files.symlinkat('a', dirfd, 'd');
    expect(readlinkSync(join(directory, 'd'))).toBe('a');
    files.fchmodat(dirfd, 'a', 0o4755);
    expect(statSync(join(directory, 'c')).mode & 0o7777).toBe(0o4755);
    for (const name of ['a', 'b', 'c', 'd']) files.unlinkat(dirfd, name);
    files.mkdirat(dirfd, 'e', 0o700);
    files.unlinkat(dirfd, 'e', AT.REMOVEDIR);
    expect(existsSync(join(directory, 'e'))).toBe(false);
  });

  it('have times to the nanosecond, also before 1970', () => {
    writeFileSync(join(directory, 'time'), '');
    files.utimensat(dirfd, 'time', -1_500_000_001n, 1_700_000_000_123_456_789n);
    const { mtimeNs, atimeNs } = statSync(join(directory, 'time'), { bigint: true });
    expect([atimeNs, mtimeNs]).toEqual([-1_500_000_001n, 1_700_000_000_123_456_789n]);
  });

  it('are locked once', () => {
    const [one, two] = [0, 0].map(() => files.openat(dirfd, 'lock', O.RDWR | O.CREAT, 0o600)) as [number, number];
    expect(files.tryFlock(one, LOCK.EX)).toBe(true);
    expect(files.tryFlock(two, LOCK.EX)).toBe(false);
    closeSync(one);
    expect(files.tryFlock(two, LOCK.EX)).toBe(true);
    closeSync(two);
  });

  it('of memory can be sealed', () => {
    const fd = files.memfdCreate('sealed', MFD.ALLOW_SEALING);
    writeSync(fd, 'text');
    files.fcntlAddSeals(fd, F_SEAL.WRITE | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.SEAL);
    expect(errorOf(() => writeSync(fd, 'more'))).toMatchObject({ code: 'EPERM' });
    expect(errorOf(() => files.fcntlAddSeals(fd, F_SEAL.WRITE))).toMatchObject({
      message: `fcntl F_ADD_SEALS on fd ${fd}: EPERM (operation not permitted)`,
    });
    const copy = files.fcntlDupfdCloexec(fd, 100);
    expect(copy).toBeGreaterThanOrEqual(100);
    closeSync(copy);
    closeSync(fd);
  });

  it('that are sparse show where their data is', () => {
    const fd = files.openat(dirfd, 'sparse', O.RDWR | O.CREAT, 0o600);
    writeSync(fd, 'x', 1 << 20);
    expect(files.lseek(fd, 0, SEEK.DATA)).toBe(1 << 20);
    expect(files.lseek(fd, (1 << 20) + 1, SEEK.DATA)).toBe(-1);
    closeSync(fd);
  });

  it('are made durable', () => {
    files.fsyncDirectory(directory);
    files.syncfs(dirfd);
    expect(files.fileSystemName(files.fileSystemType(dirfd))).toMatch(/^[a-z0-9]+$/);
  });

  it.skipIf(!isRoot)('can be devices, with numbers as the kernel packs them', () => {
    files.mknodat(dirfd, 'device', S_IF.CHR | 0o600, files.makeDevice(300, 70_000));
    const { rdev } = statSync(join(directory, 'device'));
    expect([(rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)]).toEqual([300, 70_000]);
  });
});

describe.skipIf(!isRoot)('extended attributes', () => {
  it('are set, listed, read and removed, on files and on links themselves', () => {
    const file = join(directory, 'attributes');
    const link = join(directory, 'link');
    writeFileSync(file, '');
    symlinkSync('attributes', link);
    xattrs.lsetxattr(link, 'trusted.link', Buffer.from('l'));
    const value = Buffer.alloc(3000, 7);
    xattrs.setxattr(link, 'user.large', value);
    xattrs.setxattr(file, 'user.empty', Buffer.alloc(0));
    expect(xattrs.llistxattr(link)).toContain('trusted.link');
    expect(
      xattrs
        .listxattr(file)
        .filter((name) => name.startsWith('user.'))
        .sort(),
    ).toEqual(['user.empty', 'user.large']);
    expect(xattrs.lgetxattr(file, 'user.large')?.equals(value)).toBe(true);
    expect(xattrs.getxattr(file, 'user.empty')).toHaveLength(0);
    expect(xattrs.getxattr(file, 'user.none')).toBeUndefined();
    xattrs.removexattr(file, 'user.large');
    expect(xattrs.getxattr(file, 'user.large')).toBeUndefined();
    expect(errorOf(() => xattrs.lremovexattr(file, 'user.large'))).toMatchObject({
      code: 'ENODATA',
      message: `lremovexattr user.large of "${file}": ENODATA (no data available)`,
    });
  });
});

it('asks for directories that lie apart where the file system knows how', () => {
  const path = mkdtempSync(join(directory, 'spread-'));
  const isExt = files.fileSystemType(dirfd) === FS_MAGIC.EXT4;
  expect(files.spreadDirectories(path)).toBe(isExt);
  expect(files.spreadDirectories('/proc/self')).toBe(false);
});
