// A small container for tests of the launcher: busybox in a directory, its own namespaces, no daemon. TSDOCKER_LAUNCHER names another
// binary (the sanitized build); without it the launcher is built first.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLogReader } from '../../../daemon/logs/reader/log-reader.ts';
import { type ExitRecord, readExitRecord } from '../../../daemon/runtime/exit-record.ts';
import { Launcher } from '../../../daemon/runtime/launcher.ts';
import type { MonitorClient } from '../../../daemon/runtime/monitor-client.ts';
import type { Op } from '../../../daemon/runtime/program/program.ts';
import { AT, CLONE, MS, OPEN_TREE } from '../../../native-bindings/constants.ts';

const launcherDir = fileURLToPath(new URL('../../../native-bindings/launcher', import.meta.url));
const applets = [
  'sh',
  'cat',
  'echo',
  'ls',
  'sleep',
  'kill',
  'ps',
  'stty',
  'tty',
  'head',
  'hostname',
  'pwd',
  'id',
  'uname',
  'yes',
  'seq',
  'true',
  'grep',
  'readlink',
  'mkfifo',
  'mknod',
  'dd',
];

export const NAMESPACES = CLONE.NEWNS | CLONE.NEWPID | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWNET;

export interface ContainerOptions {
  argv?: readonly string[];
  /** Shorthand for argv sh -c. */
  script?: string;
  candidates?: readonly string[];
  env?: readonly string[];
  tty?: boolean;
  stdin?: boolean;
  flags?: number;
  maxBytes?: number;
  maxFiles?: number;
  firstSeq?: number;
  init?: boolean;
  oom?: { file: string; key: string };
  /** In the container's root, before the identity is settled. */
  ops?: readonly Op[];
  /** Right before execve (or init). */
  lastOps?: readonly Op[];
  /** Of the pipes or the terminal. */
  owner?: number;
  holdLog?: boolean;
  terminalSize?: { rows: number; columns: number };
  dieWithMonitor?: boolean;
}

export class LaunchFixture implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'tsd-launch-'));
  /** In the titles of its processes: those of other test files run at the same time. */
  readonly id = basename(this.dir);
  readonly rootDir = join(this.dir, 'root');
  readonly logDir: string;
  readonly runDir: string;
  readonly binary = launcherBinary();
  readonly launcher: Launcher;
  readonly #clients: MonitorClient[] = [];
  #runs = 0;

  constructor({ logDir, runDir = 'run' }: { logDir?: string; runDir?: string } = {}) {
    this.logDir = logDir ?? join(this.dir, 'log');
    this.runDir = join(this.dir, runDir);
    for (const name of ['root', 'root/bin', 'root/proc', 'root/dev', 'root/tmp', runDir, 'log'])
      mkdirSync(join(this.dir, name));
    copyFileSync('/bin/busybox', join(this.rootDir, 'bin/busybox'));
    chmodSync(join(this.rootDir, 'bin/busybox'), 0o755);
    for (const applet of applets) symlinkSync('busybox', join(this.rootDir, 'bin', applet));
    this.launcher = Launcher.open(this.binary);
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) {
      if (!client.hasEnded) client.signal(9);
      client.close();
    }
    this.launcher[Symbol.dispose]();
    rmSync(this.dir, { recursive: true, force: true });
  }

  ops(options: ContainerOptions = {}): Op[] {
    const argv = options.argv ?? ['sh', '-c', options.script ?? 'true'];
    const stdio = (options.tty ? 1 : 0) | (options.stdin ? 2 : 0);
    const dev: Op[] = [
      { op: 'fsmount', args: [7, 'tmpfs', 0, ['mode=755']] },
      { op: 'mknodat', args: [7, 'null', 0o20666, 0x103] },
      { op: 'mkdirat', args: [7, 'pts', 0o755] },
      { op: 'move_mount', args: [7, '/dev', 4] },
      { op: 'fsmount', args: [8, 'devpts', 0, ['newinstance', 'ptmxmode=0666', 'mode=0620']] },
      { op: 'move_mount', args: [8, '/dev/pts', 4] },
    ];
    return [
      { op: 'log', args: [3, options.firstSeq ?? 1, options.maxBytes ?? 0, options.maxFiles ?? 3] },
      { op: 'rundir', args: [4] },
      { op: 'stdio', args: [stdio] },
      ...(options.oom ? [{ op: 'oom', args: [options.oom.file, options.oom.key] } satisfies Op] : []),
      { op: 'clone3', args: [options.flags ?? NAMESPACES, -1] },
      { op: 'mount', args: ['', '/', '', MS.REC | MS.SLAVE, ''] },
      { op: 'open_tree', args: [5, AT.FDCWD, this.rootDir, OPEN_TREE.CLONE] },
      { op: 'move_mount', args: [5, '/', 0] },
      { op: 'pivot_root', args: [5] },
      { op: 'fsmount', args: [6, 'proc', 0, []] },
      { op: 'move_mount', args: [6, '/proc', 4] },
      ...dev,
      ...(options.ops ?? []),
      { op: 'setsid', args: [] },
      ...(options.tty ? [{ op: 'pty', args: [8, 9] } satisfies Op] : []),
      { op: 'dup_stdio', args: [options.tty ? 9 : -1, options.owner ?? 0] },
      { op: 'chdir', args: ['/', 0] },
      ...(options.dieWithMonitor === false ? [] : [{ op: 'prctl', args: [1, 9, 0, 0, 0] } satisfies Op]),
      ...(options.lastOps ?? []),
      ...(options.init ? [{ op: 'init', args: [] } satisfies Op] : []),
      { op: 'execve', args: [options.candidates ?? [`/bin/${argv[0]}`], argv, options.env ?? ['PATH=/bin', 'HOME=/']] },
    ];
  }

  async launch(options: ContainerOptions = {}): Promise<MonitorClient> {
    return this.launchOps(
      this.ops(options),
      options.holdLog ? (options.firstSeq ?? 1) : undefined,
      [],
      options.terminalSize,
    );
  }

  async launchOps(
    ops: readonly Op[],
    holdLogFrom?: number,
    moreFds: readonly number[] = [],
    terminalSize?: { rows: number; columns: number },
  ): Promise<MonitorClient> {
    if (this.#runs++ > 0) this.#clearRunDir();
    const fds = [this.logDir, this.runDir].map((path) => openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
    try {
      const client = await this.launcher.launch({
        id: this.id,
        runDir: this.runDir,
        program: { ops },
        fds: [...fds, ...moreFds],
        ...(holdLogFrom === undefined ? {} : { holdLogFrom }),
        ...(terminalSize === undefined ? {} : { terminalSize }),
      });
      this.#clients.push(client);
      return client;
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  }

  /** Runs to the end: what it wrote, by stream, and its exit record. */
  async run(options: ContainerOptions = {}): Promise<{ stdout: string; stderr: string; exit: ExitRecord | undefined }> {
    const client = await this.launch(options);
    await client.ended;
    return { ...(await this.output()), exit: readExitRecord(this.runDir) };
  }

  async output(): Promise<{ stdout: string; stderr: string }> {
    const streams: Record<1 | 2, Buffer[]> = { 1: [], 2: [] };
    const reader = openLogReader(this.logDir, { from: 'start', signal: new AbortController().signal });
    for await (const { stream, data } of reader) streams[stream].push(Buffer.from(data));
    return { stdout: Buffer.concat(streams[1]).toString(), stderr: Buffer.concat(streams[2]).toString() };
  }

  /** The first file as it is, headers and all; empty before the first output. */
  logText(): string {
    const path = join(this.logDir, 'log.1');
    return existsSync(path) ? readFileSync(path, 'latin1') : '';
  }

  clearLog(): void {
    rmSync(this.logDir, { recursive: true });
    mkdirSync(this.logDir);
  }

  #clearRunDir(): void {
    rmSync(this.runDir, { recursive: true });
    mkdirSync(this.runDir);
  }
}

function launcherBinary(): string {
  const other = process.env.TSDOCKER_LAUNCHER;
  if (other) return other;
  execFileSync('make', ['-s', '-C', launcherDir], { stdio: 'pipe' });
  return join(launcherDir, 'tsdocker-launcher');
}

export async function eventually<T>(what: string, probe: () => T | undefined | false, timeoutMs = 5000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
