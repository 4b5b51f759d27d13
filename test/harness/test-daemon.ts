// A tsdockerd of a test's own: private directory, socket, cgroup parent and network namespace, started through bin/tsdockerd as a user
// would. What it does to bridges and firewall rules is done in that namespace, which outlives the daemon.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { ApiClient } from './api-client.ts';
import { eventually, sleep, timeFactor } from './eventually.ts';
import { busyboxTar } from './fixtures.ts';
import { cgroupHierarchies, type EnginePlace, isAlive, traces } from './ledger.ts';
import { NetNamespace } from './net-namespace.ts';
import { projectRoot } from './paths.ts';

export interface DaemonOptions {
  /** More arguments for tsdockerd. */
  args?: readonly string[];
  env?: Record<string, string>;
  /** Put before the command: a tracer, `unshare`, `prlimit`. */
  wrapper?: readonly string[];
  /** Where `bin/tsdockerd` is: this project (the default), or another version of it (older-engine.ts). */
  root?: string;
  /** Its data on a tmpfs of these options: what is measured is the daemon then, and not the disk. */
  dataInMemory?: string;
  /** Import the image `busybox` (default true). */
  image?: boolean;
  /** An existing directory to use instead of a new one; it is not deleted at the end. */
  dir?: string;
  /**
   * Where it runs: a namespace of its own (the default), one that the test made and closes, or the machine's, for tests that reach it
   * over TCP and use no network.
   */
  network?: NetNamespace | 'machine';
  /** Who makes the cgroups. Tests look into their files, so the default is not the machine's but 'cgroupfs'. Old versions know no 'option'. */
  cgroupDriver?: 'cgroupfs' | 'systemd' | 'no option';
}

export class TestDaemon implements EnginePlace {
  readonly dir: string;
  readonly cgroupParent: string;
  readonly socketPath: string;
  readonly api: ApiClient;
  private readonly options: DaemonOptions;
  private child: ChildProcess | undefined;
  private isDirOurs: boolean;
  private ownNetwork: NetNamespace | undefined;
  private hasDataMount = false;

  constructor(options: DaemonOptions = {}) {
    this.options = options;
    this.isDirOurs = options.dir === undefined;
    this.dir = options.dir ?? mkdtempSync('/tmp/tsdt-');
    mkdirSync(this.dir, { recursive: true });
    const name = this.dir.split('/').pop() ?? 'tsdt';
    // "tsdt-x.slice" is below "tsdt.slice" (systemd.slice(5)).
    const slice = `/${name.replace(/-.*/, '')}.slice/${name}.slice`;
    this.cgroupParent = options.cgroupDriver === 'systemd' ? slice : `/${name}`;
    this.socketPath = `${this.dir}/d.sock`;
    this.api = new ApiClient(this.socketPath);
  }

  static async start(options: DaemonOptions = {}): Promise<TestDaemon> {
    const daemon = new TestDaemon(options);
    await daemon.start();
    if (options.image !== false) await daemon.importBusybox();
    return daemon;
  }

  /** A container's group, below a hierarchy's mount point. */
  groupOf(id: string): string {
    const isScope = this.options.cgroupDriver === 'systemd';
    return `${this.cgroupParent}/${isScope ? `tsdocker-${id}.scope/container` : id}`;
  }

  get dataRoot(): string {
    return `${this.dir}/data`;
  }

  get execRoot(): string {
    return `${this.dir}/run`;
  }

  get host(): string {
    return `unix://${this.socketPath}`;
  }

  /** The daemon's network namespace. Not there for one that runs in the machine's. */
  get network(): NetNamespace {
    const { network } = this.options;
    if (network === 'machine') throw new Error("this daemon runs in the machine's own network namespace");
    if (network !== undefined) return network;
    this.ownNetwork ??= NetNamespace.make();
    return this.ownNetwork;
  }

  /** The daemon's own process: below the wrapper, when there is one. */
  get pid(): number {
    const text = readFileSync(`${this.dir}/d.pid`, 'utf8');
    return Number(text);
  }

  get isRunning(): boolean {
    const { child } = this;
    // The kernel knows first: this process may not have been told yet.
    return child !== undefined && child.exitCode === null && child.signalCode === null && isAlive(child.pid ?? 0);
  }

  commandLine(): string[] {
    return [
      ...(this.options.network === 'machine' ? [] : this.network.wrapper),
      ...(this.options.wrapper ?? []),
      `${this.options.root ?? projectRoot}bin/tsdockerd`,
      ...['-H', this.host, '--data-root', this.dataRoot, '--exec-root', this.execRoot],
      ...['--pidfile', `${this.dir}/d.pid`, '--log-level', 'debug'],
      ...(this.options.cgroupDriver === 'systemd'
        ? ['--cgroup-parent', this.cgroupParent.replace(/.*\//, ''), '--exec-opt', 'native.cgroupdriver=systemd']
        : ['--cgroup-parent', this.cgroupParent]),
      ...((this.options.cgroupDriver ?? 'cgroupfs') === 'cgroupfs'
        ? ['--exec-opt', 'native.cgroupdriver=cgroupfs']
        : []),
      ...(this.options.args ?? []),
    ];
  }

  /** Starts the process and waits until it answers. */
  async start(options: { timeoutMs?: number } = {}): Promise<void> {
    this.spawn();
    await this.ready(options);
  }

  spawn(): ChildProcess {
    if (this.isRunning) throw new Error('the daemon runs already');
    this.mountData();
    const log = openSync(`${this.dir}/daemon.log`, 'a', 0o600);
    const [file = '', ...args] = this.commandLine();
    const child = spawn(file, args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.options.env },
      detached: true,
    });
    closeSync(log);
    child.on('error', () => {});
    this.child = child;
    return child;
  }

  async ready(options: { timeoutMs?: number } = {}): Promise<void> {
    await eventually(
      `tsdockerd answers on ${this.socketPath}`,
      async () => {
        if (!this.isRunning) return true;
        return (await this.api.send('GET', '/_ping', { timeoutMs: 2000 })).status === 200;
      },
      { timeoutMs: options.timeoutMs ?? 20_000, everyMs: 10 },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.logTail()}`, { cause: error });
    });
    if (!this.isRunning) throw new Error(`tsdockerd ended at its start:\n${this.logTail()}`);
  }

  /** Resolves with the exit status (or the signal's name) of the process that was started. */
  ended(timeoutMs = 20_000): Promise<number | string> {
    const child = this.child;
    if (child === undefined) throw new Error('the daemon was never started');
    return eventually(
      'the daemon ends',
      () => child.signalCode ?? (child.exitCode === null ? undefined : `${child.exitCode}`),
      {
        timeoutMs,
      },
    ).then((end) => (/^\d+$/.test(end) ? Number(end) : end));
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    if (this.isRunning) process.kill(this.pid, signal);
    return this.ended();
  }

  /** SIGKILL: the daemon gets no chance to clean up. */
  async crash(): Promise<void> {
    const pid = this.pid;
    process.kill(pid, 'SIGKILL');
    await this.ended();
    await eventually('the killed daemon is gone', () => !isAlive(pid));
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  log(): string {
    return readFileSync(`${this.dir}/daemon.log`, 'utf8');
  }

  logTail(): string {
    try {
      return this.log().slice(-4000);
    } catch {
      return '(no log)';
    }
  }

  async importBusybox(name = 'busybox', tag = 'latest'): Promise<string> {
    return this.importTar(readFileSync(busyboxTar()), name, tag, ['CMD ["sh"]', DEFAULT_PATH_CHANGE]);
  }

  /** POST /images/create; returns the image's id. */
  async importTar(tar: Uint8Array, name: string, tag = 'latest', changes: readonly string[] = []): Promise<string> {
    const query = new URLSearchParams({ fromSrc: '-', repo: name, tag });
    for (const change of changes) query.append('changes', change);
    const path = `/images/create?${query}`;
    const answer = await this.api.send('POST', path, { raw: tar, headers: { 'Content-Type': 'application/x-tar' } });
    const id = /"status":"(sha256:[0-9a-f]{64})"/.exec(answer.text)?.[1];
    if (answer.status !== 200 || id === undefined) throw new Error(`import ${name}: ${answer.status} ${answer.text}`);
    return id;
  }

  async removeAllContainers(): Promise<void> {
    const all = await this.api.get<{ Id: string }[]>('/containers/json?all=1');
    for (const { Id } of all) await this.api.send('DELETE', `/containers/${Id}?force=1&v=1`);
  }

  /** Those that no container has. */
  async removeAllVolumes(): Promise<void> {
    await this.api.post(`/volumes/prune?filters=${encodeURIComponent('{"all":["true"]}')}`);
  }

  /** What is left of all containers; waits a little, since files are deleted behind the answer. */
  async leftovers(timeoutMs = 5000): Promise<string[]> {
    const place = { dir: this.dir, cgroupParent: this.cgroupParent, pid: this.isRunning ? this.pid : undefined };
    const deadline = Date.now() + timeoutMs * timeFactor;
    for (;;) {
      const found = traces(place);
      if (found.length === 0 || Date.now() > deadline) return found;
      await sleep(30);
    }
  }

  /** Removes containers, checks the ledger, ends the daemon, checks that nothing of it is left, and deletes its directory. */
  async dispose(): Promise<void> {
    const problems: string[] = [];
    try {
      if (this.isRunning) {
        await this.removeAllContainers();
        await this.removeAllVolumes();
        await this.api.send('POST', '/networks/prune');
        problems.push(...(await this.leftovers()));
        const status = await this.stop();
        if (status !== 0) problems.push(`the daemon ended with ${status}`);
        else problems.push(...(await this.networkTraces()));
      }
    } catch (error) {
      problems.push(String(error));
    }
    if (this.isRunning) this.child?.kill('SIGKILL');
    problems.push(...(await this.killStrays()));
    this.removeCgroupParents();
    const lastWords = problems.length > 0 ? `\n--- end of the daemon's log\n${this.logTail()}` : '';
    this.ownNetwork?.close();
    this.ownNetwork = undefined;
    if (this.hasDataMount) execFileSync('umount', ['-l', this.dataRoot]);
    if (this.isDirOurs) rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
    if (problems.length > 0) throw new Error(`left behind by the engine:\n${problems.join('\n')}${lastWords}`);
  }

  /** After a clean end without containers and networks: devices and rules in the daemon's namespace. */
  private async networkTraces(): Promise<string[]> {
    const { ownNetwork } = this;
    if (ownNetwork === undefined) return [];
    // Interfaces of ended containers go with their namespaces, behind everything else.
    // A test may have put devices of its own beside them.
    const found = async () => (await ownNetwork.links()).filter((name) => /^(tsdocker|br-|ts[0-9a-f]+-)/.test(name));
    await eventually('no device is left', async () => (await found()).length === 0).catch(() => undefined);
    const rules = (await ownNetwork.run('nft', ['list', 'tables'])).stdout;
    return [
      ...(await found()).map((name) => `network device ${name}`),
      ...rules.split('\n').filter((line) => line.includes('tsdocker')),
    ];
  }

  /** After the daemon has ended, nothing that names its directory may run: what does is killed, and reported. */
  private async killStrays(): Promise<string[]> {
    const strays = traces({ dir: this.dir, cgroupParent: this.cgroupParent }).filter((line) =>
      line.startsWith('process'),
    );
    for (const line of strays) {
      const pid = Number(/^process (\d+)/.exec(line)?.[1]);
      try {
        if (pid > 1) process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
    if (strays.length > 0) await sleep(100);
    return strays;
  }

  private mountData(): void {
    const { dataInMemory } = this.options;
    if (dataInMemory === undefined || this.hasDataMount) return;
    mkdirSync(this.dataRoot);
    execFileSync('mount', ['-t', 'tmpfs', '-o', dataInMemory, 'tsdt', this.dataRoot]);
    this.hasDataMount = true;
  }

  private removeCgroupParents(): void {
    for (const hierarchy of cgroupHierarchies()) {
      for (const trace of traces({ dir: this.dir, cgroupParent: this.cgroupParent })) {
        if (trace.startsWith('cgroup ')) removeDir(trace.slice('cgroup '.length));
      }
      removeDir(`${hierarchy}${this.cgroupParent}`);
    }
  }
}

const DEFAULT_PATH_CHANGE = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function removeDir(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not there, or still in use: the ledger has told so.
  }
}
