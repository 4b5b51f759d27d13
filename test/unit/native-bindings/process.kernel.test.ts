// The bindings against the real kernel. What needs root is skipped without it.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { capabilityNames, capabilityNumber } from '../../../native-bindings/capabilities.ts';
import { F } from '../../../native-bindings/constants.ts';
import * as files from '../../../native-bindings/files.ts';
import * as processes from '../../../native-bindings/process.ts';
import { reapChild, socketPair, spawnWithFds } from '../../../native-bindings/spawn.ts';

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
