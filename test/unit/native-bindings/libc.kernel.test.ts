// The bindings against the real kernel. What needs root is skipped without it.
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { capabilityNames, capabilityNumber } from '../../../native-bindings/capabilities.ts';
import {
  AT,
  CLONE,
  F,
  F_SEAL,
  LOCK,
  MFD,
  MOUNT_ATTR,
  MS,
  O,
  OPEN_TREE,
  RENAME,
  RESOLVE,
  S_IF,
  SEEK,
} from '../../../native-bindings/constants.ts';
import * as files from '../../../native-bindings/files.ts';
import { syscall, trySyscall } from '../../../native-bindings/libc.ts';
import * as mounts from '../../../native-bindings/mount-api.ts';
import * as namespaces from '../../../native-bindings/namespaces.ts';
import * as processes from '../../../native-bindings/process.ts';
import { reapChild, socketPair, spawnWithFds } from '../../../native-bindings/spawn.ts';
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

describe('calls', () => {
  it('return what the kernel returns', () => {
    expect(trySyscall('gettid')).toBeGreaterThan(0);
    expect(trySyscall('close', -1)).toBe(-9);
  });

  it('cost a few microseconds at the most', () => {
    const rounds = 20_000;
    const start = performance.now();
    for (let i = 0; i < rounds; i++) trySyscall('gettid');
    expect(((performance.now() - start) * 1000) / rounds).toBeLessThan(5);
  });

  it('take strings of any length and alphabet', () => {
    const name = 'ü'.repeat(120);
    files.mkdirat(dirfd, name, 0o755);
    expect(existsSync(join(directory, name))).toBe(true);
    expect(errorOf(() => files.mkdirat(dirfd, 'x'.repeat(100_000), 0o755))).toMatchObject({ code: 'ENAMETOOLONG' });
  });

  it('never cut a string at a NUL', () => {
    expect(errorOf(() => files.mkdirat(dirfd, 'cut\0here', 0o755))).toMatchObject({ code: 'EINVAL' });
    expect(errorOf(() => files.mkdirat(dirfd, Buffer.from('cut\0here'), 0o755))).toMatchObject({ code: 'EINVAL' });
    expect(existsSync(join(directory, 'cut'))).toBe(false);
  });

  it('take names that are not UTF-8', () => {
    files.mkdirat(dirfd, Buffer.from([0xff, 0xfe]), 0o755);
    expect(readdirSync(directory, 'buffer').some((name) => name.equals(Buffer.from([0xff, 0xfe])))).toBe(true);
  });

  it('take 64-bit numbers, as numbers and as bigints', () => {
    const fd = files.openat(dirfd, 'large', O.RDWR | O.CREAT, 0o600);
    expect(files.lseek(fd, 2 ** 40 + 3, SEEK.SET)).toBe(2 ** 40 + 3);
    expect(syscall('lseek', [fd, 2n ** 41n, SEEK.SET], () => ({ args: {} }))).toBe(2 ** 41);
    closeSync(fd);
  });

  it('work in worker threads, and survive their end', async () => {
    const libc = new URL('../../../native-bindings/libc.ts', import.meta.url).href;
    const code = `import(${JSON.stringify(libc)}).then(({ trySyscall }) => require('node:worker_threads').parentPort.postMessage([trySyscall('gettid'), trySyscall('close', -1)]))`;
    for (let round = 0; round < 3; round++) {
      const worker = new Worker(code, { eval: true });
      const [tid, failed] = await new Promise<[number, number]>((resolve, reject) => {
        worker.once('message', resolve).once('error', reject);
      });
      expect(tid).not.toBe(trySyscall('gettid'));
      expect(failed).toBe(-9);
      await worker.terminate();
    }
    expect(trySyscall('close', -1)).toBe(-9);
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

describe.skipIf(!isRoot)('mounts', () => {
  it('exist without a place in the file system, and end with their fd', () => {
    const fd = mounts.mountDetached(
      'tmpfs',
      [
        ['size', '1m'],
        ['mode', '751'],
      ],
      MOUNT_ATTR.NODEV,
    );
    files.mkdirat(fd, 'inside', 0o755);
    expect(fstatSync(fd).mode & 0o777).toBe(0o751);
    expect(files.fileSystemName(files.fileSystemType(fd))).toBe('tmpfs');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain('inside');
    const tree = mounts.openTree(fd, 'inside', OPEN_TREE.CLONE | AT.RECURSIVE);
    mounts.mountSetattr(tree, '', AT.EMPTY_PATH | AT.RECURSIVE, { set: MOUNT_ATTR.RDONLY, propagation: MS.PRIVATE });
    expect(errorOf(() => files.mkdirat(tree, 'x', 0o755))).toMatchObject({ code: 'EROFS' });
    closeSync(tree);
    closeSync(fd);
  });

  it('say what the file system says', () => {
    expect(errorOf(() => mounts.mountDetached('tmpfs', [['size', 'much']]))).toMatchObject({
      message: "fsconfig size=much: EINVAL (invalid argument): tmpfs: Bad value for 'size'",
    });
    expect(errorOf(() => mounts.mountDetached('nosuchfs', []))).toMatchObject({
      code: 'ENODEV',
      message: 'fsopen nosuchfs: ENODEV (no such device)',
    });
  });

  it('decode what they were asked for', () => {
    expect(errorOf(() => mounts.mount('a', '/nowhere', 'tmpfs', MS.RDONLY | MS.NODEV, 'size=1m'))).toMatchObject({
      message: 'mount tmpfs on "/nowhere": ENOENT (no such file or directory)',
      args: { source: 'a', target: '/nowhere', type: 'tmpfs', flags: 'MS_RDONLY|MS_NODEV', data: 'size=1m' },
    });
    expect(errorOf(() => mounts.mount('/a', '/nowhere', null, MS.BIND))).toMatchObject({
      message: 'mount MS_BIND on "/nowhere": ENOENT (no such file or directory)',
    });
    expect(errorOf(() => mounts.umount2('/nowhere', 2))).toMatchObject({ args: { flags: 'MNT_DETACH' } });
  });
});

describe.skipIf(!isRoot)('namespaces', () => {
  it('of the network are entered for one call and left whatever happens', () => {
    const own = readlinkSync('/proc/thread-self/ns/net');
    const child = spawn('unshare', ['--net', 'sleep', '60'], { stdio: 'ignore' });
    try {
      const path = `/proc/${child.pid}/ns/net`;
      for (let i = 0; i < 200 && readlinkSync(path) === own; i++)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      const fd = openSync(path, 'r');
      expect(namespaces.namespaceType(fd)).toBe(CLONE.NEWNET);
      expect(namespaces.inNetworkNamespace(fd, () => readlinkSync('/proc/thread-self/ns/net'))).toBe(
        readlinkSync(path),
      );
      expect(
        errorOf(() =>
          namespaces.inNetworkNamespace(fd, () => {
            throw new Error('inside');
          }),
        ),
      ).toMatchObject({ message: 'inside' });
      expect(errorOf(() => namespaces.inNetworkNamespace(fd, async () => {}))).toBeInstanceOf(TypeError);
      expect(readlinkSync('/proc/thread-self/ns/net')).toBe(own);
      closeSync(fd);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('refuse with a decoded message', () => {
    expect(errorOf(() => namespaces.setns(dirfd, CLONE.NEWNET))).toMatchObject({
      message: `setns fd ${dirfd} CLONE_NEWNET: EINVAL (invalid argument)`,
    });
    expect(errorOf(() => namespaces.chroot('/nowhere'))).toMatchObject({ code: 'ENOENT' });
  });

  it('and roots of worker threads are theirs alone', async () => {
    const base = new URL('../../../native-bindings/', import.meta.url).href;
    mkdirSync(join(directory, 'jail'), { recursive: true });
    writeFileSync(join(directory, 'jail', 'proof'), '');
    const code = `
      const { parentPort } = require('node:worker_threads');
      const fs = require('node:fs');
      import(${JSON.stringify(`${base}namespaces.ts`)}).then(({ unshare, chroot }) => {
        unshare(${CLONE.FS | CLONE.NEWNS});
        chroot(${JSON.stringify(join(directory, 'jail'))});
        process.nextTick(() => parentPort.postMessage(fs.readdirSync('/')));
      });`;
    const worker = new Worker(code, { eval: true });
    const seen = await new Promise((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
    });
    expect(seen).toEqual(['proof']);
    expect(existsSync('/proc/self')).toBe(true);
    await worker.terminate();
  });
});

describe('processes', () => {
  it('are signalled by pidfd', async () => {
    const child = spawn('sleep', ['60']);
    const pidfd = processes.pidfdOpen(child.pid as number);
    expect(processes.pidfdSendSignal(pidfd, 15)).toBe(true);
    await new Promise((resolve) => child.once('exit', resolve));
    expect(processes.pidfdSendSignal(pidfd, 15)).toBe(false);
    closeSync(pidfd);
    expect(processes.kill(child.pid as number, 0)).toBe(false);
    expect(errorOf(() => processes.pidfdOpen(child.pid as number))).toMatchObject({ code: 'ESRCH' });
  });

  it('have limits', () => {
    const limit = processes.getrlimit('nofile');
    expect(`${limit.hard ?? 'unlimited'}`).toBe(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim());
    processes.setrlimit('core', { soft: 0n, hard: processes.getrlimit('core').hard });
    expect(processes.getrlimit('core').soft).toBe(0n);
    expect(errorOf(() => processes.setrlimit('nofile', { soft: 2n ** 40n, hard: 2n ** 40n }))).toMatchObject({
      code: 'EPERM',
      message: 'prlimit64 nofile to 1099511627776:1099511627776: EPERM (operation not permitted)',
    });
  });

  it('have capabilities, as /proc says', () => {
    const status = readFileSync('/proc/thread-self/status', 'utf8');
    const field = (name: string) => BigInt(`0x${new RegExp(`^${name}:\\s+(\\w+)`, 'm').exec(status)?.[1]}`);
    const sets = processes.capget();
    expect(sets).toEqual({ effective: field('CapEff'), permitted: field('CapPrm'), inheritable: field('CapInh') });
    expect(processes.capabilityBoundingSet()).toBe(field('CapBnd'));
    expect(processes.lastCapability()).toBeGreaterThanOrEqual(37);
    expect(capabilityNames(1n | (1n << 21n) | (1n << 60n))).toEqual(['CAP_CHOWN', 'CAP_SYS_ADMIN', '60']);
    expect([capabilityNumber('CAP_BPF'), capabilityNumber('constructor')]).toEqual([39, undefined]);
  });

  it('at the other end of a unix socket are known', async () => {
    const path = join(directory, 'socket');
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once('listening', resolve));
    const child = spawn('python3', [
      '-c',
      'import socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);s.recv(1)',
      path,
    ]);
    const socket = await new Promise<import('node:net').Socket>((resolve) => server.once('connection', resolve));
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    expect(processes.peerCredentials(fd)).toEqual({ pid: child.pid, uid: process.getuid?.(), gid: process.getgid?.() });
    socket.destroy();
    server.close();
    await new Promise((resolve) => child.once('exit', resolve));
  });

  it('know whether a file is a terminal', () => {
    expect(processes.getWindowSize(dirfd)).toBeUndefined();
    expect(() => readSync(dirfd, Buffer.alloc(1))).toThrow('EISDIR');
  });
});

describe('starting a process', () => {
  it('gives it the files as 0, 1, 2 and no others, and reports what execve says', async () => {
    const inherited = openSync(directory, 'r');
    files.fcntl(inherited, F.SETFD, 0);
    files.setCloseOnExecFrom(3);
    const [ours, theirs] = socketPair();
    const nothing = openSync('/dev/null', 'r+');
    const script = 'cd /proc/self/fd; echo *; read line; echo "$line $0 $1"';
    const pid = spawnWithFds('/bin/sh', ['name', '-c', script, 'zero', 'one'], [theirs, theirs, nothing]);
    for (const fd of [theirs, nothing, inherited]) closeSync(fd);
    writeSync(ours, 'hello\n');
    const text = readFileSync(ours, 'utf8');
    closeSync(ours);
    // 3 is the directory that the shell reads to expand the star.
    expect(text).toBe('0 1 2 3\nhello zero one\n');
    for (let i = 0; i < 200 && !reapChild(pid); i++) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(errorOf(() => spawnWithFds('/nowhere', [], []))).toMatchObject({
      message: 'posix_spawn "/nowhere": ENOENT (no such file or directory)',
    });
  });
});
