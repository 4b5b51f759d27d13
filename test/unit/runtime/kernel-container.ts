// For kernel tests of this folder: a container from a small root file system on a detached tmpfs, without images, database or API.
// What it makes is gone when the test's `using` ends: processes, control groups, directories.
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ResolvedConfig } from '../../../daemon/docker-types/container-config.ts';
import type { HostConfig } from '../../../daemon/docker-types/host-config.ts';
import type { CgroupPlacement, ContainerProgramInput, ExecOptions } from '../../../daemon/runtime/container-input.ts';
import { readExitRecord, readStartedRecord } from '../../../daemon/runtime/exit-record.ts';
import { Launcher } from '../../../daemon/runtime/launcher.ts';
import { RuntimeHost } from '../../../daemon/runtime/runtime-host.ts';
import { resolveUser } from '../../../daemon/runtime/user-database.ts';
import type { ContainerSpec } from '../../../daemon/spec/container-spec.ts';
import { FailedLaunch } from '../../../daemon/tasks/launch-program.ts';
import { runTask } from '../../../daemon/tasks/run-task.ts';
import type { Task, TaskPlace } from '../../../daemon/tasks/task.ts';
import { isErrno } from '../../../native-bindings/errno.ts';
import { mountDetached } from '../../../native-bindings/mount-api.ts';
import { specOf } from '../spec/spec-of.ts';

export const LAUNCHER =
  process.env.TSDOCKER_LAUNCHER ??
  new URL('../../../native-bindings/launcher/tsdocker-launcher', import.meta.url).pathname;
export const runtimeHost = RuntimeHost.open();

const APPLETS =
  'sh cat ls id hostname pwd stat mount umount mknod sleep true false echo grep readlink touch mkdir env kill ps tty dd head wc tr sed test chmod find ip unshare';

export interface RunOptions {
  config?: Partial<ResolvedConfig>;
  hostConfig?: HostConfig;
  /** Changes the root before the start; gets its path below /proc/self/fd. */
  prepare?: (root: string) => void;
  namespaces?: Partial<ContainerProgramInput['namespaces']>;
  init?: boolean;
  managedFiles?: ContainerProgramInput['managedFiles'];
}

export interface Finished {
  output: string;
  code: number;
}

let counter = 0;

export class KernelContainer implements AsyncDisposable {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'tsd-kernel-'));
  readonly id = `${process.pid.toString(16)}${(++counter).toString(16)}`.padStart(64, 'c');
  readonly launcher = Launcher.open(LAUNCHER);
  readonly #spec: ContainerSpec;
  readonly #options: RunOptions;
  #task: Task | undefined;
  #execs = 0;

  constructor(command: string | readonly string[], options: RunOptions = {}) {
    this.#options = options;
    const hostConfig = { Init: options.init ?? false, ...options.hostConfig };
    this.#spec = specOf(hostConfig, {
      Hostname: 'kernel-test',
      Domainname: '',
      User: '',
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      Env: [],
      Cmd: typeof command === 'string' ? ['sh', '-c', command] : [...command],
      Image: 'test',
      Volumes: null,
      WorkingDir: '',
      Entrypoint: null,
      OnBuild: null,
      Labels: {},
      ...options.config,
    });
  }

  get pid(): number {
    return this.#task?.pid ?? 0;
  }

  /** Its first process, once it has been started. */
  get task(): Task {
    if (this.#task === undefined) throw new TypeError('it has not been started');
    return this.#task;
  }

  /** Of the first process ('main'), and of what is executed in it. */
  place(name = 'main'): TaskPlace {
    return { runDir: path.join(this.directory, name, 'run'), logDir: path.join(this.directory, name, 'log') };
  }

  get monitorPid(): number {
    return readStartedRecord(path.join(this.directory, 'main', 'run'))?.monitor ?? 0;
  }

  placement(): CgroupPlacement {
    const group = this.#group;
    mkdirSync(group, { recursive: true });
    return { tasksFiles: [`${group}/tasks`], mounts: [{ source: group, name: 'pids' }], symlinks: [] };
  }

  /** Starts and resolves when execve has succeeded. Throws the launcher's own report, without the words for users. */
  async start(): Promise<void> {
    await bare(this.startTask());
  }

  async startTask(): Promise<void> {
    const rootFd = mountDetached('tmpfs', [['mode', '755']]);
    try {
      this.#fill(`/proc/self/fd/${rootFd}`);
      this.#task = await runTask(this.launcher, {
        ...this.#request('main'),
        process: {
          kind: 'own root',
          input: {
            id: this.id,
            container: this.#spec,
            user: resolveUser(rootFd, this.#spec.process.user, this.#spec.process.groups),
            sources: new Map(),
            managedFiles: this.#options.managedFiles ?? {},
            namespaces: {
              pid: 'private',
              ipc: 'private',
              uts: 'private',
              network: 'private',
              cgroup: 'host',
              ...this.#options.namespaces,
            },
            cgroupPath: '/test',
            cgroupVersion: 1,
            facts: runtimeHost.facts,
            host: runtimeHost,
            rootFd,
            cgroup: this.placement(),
            stagingDir: this.directory,
          },
        },
      });
    } finally {
      closeSync(rootFd);
    }
  }

  async exec(
    command: string | readonly string[],
    options: Partial<ExecOptions> & { userName?: string; monitorPid?: number } = {},
  ): Promise<Finished> {
    const name = `exec${this.#execs++}`;
    const root = openSync(`/proc/${this.pid}/root`, 'r');
    const user = resolveUser(root, options.userName ?? this.#spec.process.user, this.#spec.process.groups);
    closeSync(root);
    const starting = runTask(this.launcher, {
      ...this.#request(name),
      process: {
        kind: 'joining',
        input: {
          id: this.id,
          container: this.#spec,
          exec: {
            args: typeof command === 'string' ? ['sh', '-c', command] : command,
            env: [],
            tty: false,
            openStdin: false,
            privileged: false,
            user,
            workingDir: '',
            ...options,
          },
          pid: this.pid,
          monitorPid: options.monitorPid ?? this.monitorPid,
          cgroup: this.placement(),
          host: runtimeHost,
        },
      },
    });
    await (await bare(starting)).ended;
    return this.#finished(name);
  }

  async ended(): Promise<void> {
    await this.#task?.ended;
  }

  /** What the first process has written so far. */
  output(): string {
    return readOutput(path.join(this.directory, 'main', 'log'));
  }

  /** Starts, waits for the end. */
  async run(): Promise<Finished> {
    await this.start();
    await this.#task?.ended;
    return this.#finished('main');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#task?.signal(9);
    await this.#task?.ended;
    this.launcher[Symbol.dispose]();
    await removeGroup(this.#group);
    rmSync(this.directory, { recursive: true, force: true });
  }

  get #group(): string {
    return `/sys/fs/cgroup/pids/tsd-kernel-${this.id.slice(-12)}`;
  }

  #request(name: string) {
    const place = this.place(name);
    mkdirSync(place.runDir, { recursive: true });
    mkdirSync(place.logDir, { recursive: true });
    return { id: this.id, ...place, log: { maxBytes: 10_000_000, maxFiles: 3, firstSeq: 0 }, holdLog: true };
  }

  #fill(root: string): void {
    for (const dir of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev']) mkdirSync(`${root}/${dir}`);
    copyFileSync('/bin/busybox', `${root}/bin/busybox`);
    for (const applet of APPLETS.split(' ')) symlinkSync('busybox', `${root}/bin/${applet}`);
    writeFileSync(`${root}/etc/passwd`, 'root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n');
    writeFileSync(`${root}/etc/group`, 'root:x:0:\nalice:x:1000:\nwheel:x:10:alice\n');
    this.#options.prepare?.(root);
  }

  #finished(name: string): Finished {
    const record = readExitRecord(path.join(this.directory, name, 'run'));
    return { output: readOutput(path.join(this.directory, name, 'log')), code: record?.code ?? -1 };
  }
}

async function bare<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof FailedLaunch ? error.cause : error;
  }
}

/** A process that failed to start may not have left its group yet. */
async function removeGroup(group: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      rmdirSync(group);
      return;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`${group} cannot be removed`);
}

/** All records' payloads, in order: 16 bytes of header, the length at offset 4. */
function readOutput(logDir: string): string {
  const parts: Buffer[] = [];
  for (const file of readdirSync(logDir).sort()) {
    const bytes = readFileSync(path.join(logDir, file));
    for (let at = 0; at + 16 <= bytes.length; ) {
      const end = at + 16 + bytes.readUInt32BE(at + 4);
      parts.push(bytes.subarray(at + 16, end));
      at = end;
    }
  }
  return Buffer.concat(parts).toString();
}
