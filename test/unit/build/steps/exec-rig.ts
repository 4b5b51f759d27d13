// Exec operations against the kernel without a builder: storage, networks, control groups and a launcher on a directory of their own, and a
// busybox layer to run on. The test's process moves into a network namespace of its own, which plays the host.
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CacheMounts } from '../../../../daemon/build/cache-mounts/cache-mounts.ts';
import type { BindMount, ExecOperation, Vertex } from '../../../../daemon/build/graph/operation.ts';
import type { ExecStep } from '../../../../daemon/build/steps/exec/exec-step.ts';
import { openExecStep } from '../../../../daemon/build/steps/exec/open-exec-step.ts';
import { layersResult } from '../../../../daemon/build/steps/layers-result.ts';
import type {
  ClientServices,
  DirectoryResult,
  ExecSettings,
  LayersResult,
  Result,
  StepRun,
} from '../../../../daemon/build/steps/step.ts';
import { openCgroups } from '../../../../daemon/cgroups/open-cgroups.ts';
import { BridgeDriver } from '../../../../daemon/networks/drivers/bridge-driver.ts';
import { hostDriver, nullDriver } from '../../../../daemon/networks/drivers/fixed-drivers.ts';
import { NetworkDrivers } from '../../../../daemon/networks/drivers/network-drivers.ts';
import { LinuxNetworkKernel } from '../../../../daemon/networks/kernel/linux-network-kernel.ts';
import { type Networks, openNetworks } from '../../../../daemon/networks/open-networks.ts';
import { openStorage, type Storage } from '../../../../daemon/open-storage.ts';
import { Launcher } from '../../../../daemon/runtime/launcher.ts';
import { RuntimeHost } from '../../../../daemon/runtime/runtime-host.ts';
import { DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS } from '../../../../daemon/spec/system-paths.ts';
import { Database } from '../../../../daemon/state/database.ts';
import { enterOwnNetwork } from '../../../harness/own-network.ts';

const launcherPath = new URL('../../../../native-bindings/launcher/tsdocker-launcher', import.meta.url).pathname;
const applets =
  'sh cat ls id hostname pwd stat mount umount mknod sleep true false echo grep readlink touch mkdir rmdir rm mv env kill ps dd head wc tr sed test [ chmod chown find ip nc printf seq yes cp ln sync cut sort';

export const noSettings: ExecSettings = {
  memoryBytes: 0,
  memorySwapBytes: 0,
  cpuShares: 0,
  cpuPeriodUs: 0,
  cpuQuotaUs: 0,
  cpusetCpus: '',
  cpusetMems: '',
  shmBytes: 0,
  rlimits: [],
  extraHosts: [],
  network: { kind: 'bridge' },
  cgroupParent: '',
  security: {
    noNewPrivileges: false,
    seccomp: { kind: 'default' },
    hasWritableCgroups: false,
    hasOpenSystemPaths: false,
  },
};

export const noClient: ClientServices = {
  secret: () => Promise.resolve(undefined),
  sshAgent: () => Promise.resolve(undefined),
  directory: () => Promise.resolve(undefined),
};

export const rootMount: BindMount = {
  type: 'bind',
  target: '/',
  input: 0,
  selector: '',
  isReadonly: false,
  output: 0,
};

export interface Told {
  stdout: string;
  stderr: string;
  /** Both, as they came. */
  both: string;
}

export interface StepOptions
  extends Partial<
    Pick<ExecOperation, 'env' | 'workingDir' | 'user' | 'network' | 'security' | 'secretEnv' | 'proxyEnv'>
  > {
  /** Beside the root's. */
  readonly mounts?: ExecOperation['mounts'];
  readonly root?: Partial<BindMount>;
  /** Beside the root. */
  readonly inputs?: readonly Result[];
  readonly settings?: Partial<ExecSettings>;
  readonly client?: Partial<ClientServices>;
  readonly signal?: AbortSignal;
  readonly keepsFailed?: boolean;
  readonly whileWaiting?: StepRun['whileWaiting'];
  readonly told?: Told;
  readonly onLog?: (text: string) => void;
}

export interface RigPlace {
  readonly path: string;
  readonly cgroupParent: string;
}

export function newPlace(): RigPlace {
  const path = mkdtempSync(join(tmpdir(), 'tsd-exec-'));
  return { path, cgroupParent: `/tsd-exec-${randomBytes(4).toString('hex')}` };
}

export class ExecRig {
  readonly path: string;
  readonly cgroupParent: string;
  readonly launcher = Launcher.open(launcherPath);
  readonly cgroups = openCgroups();
  readonly host = RuntimeHost.open();
  readonly warnings: unknown[] = [];
  readonly database: Database;
  readonly storage: Storage;
  networks!: Networks;
  step!: ExecStep;
  cacheMounts!: CacheMounts;
  /** busybox, /etc/passwd and little else. */
  base!: LayersResult;

  private constructor({ path, cgroupParent }: RigPlace) {
    this.path = path;
    this.cgroupParent = cgroupParent;
    this.database = Database.open(join(this.path, 'state.db'));
    this.storage = openStorage({
      dataRoot: join(this.path, 'data'),
      database: this.database,
      onError: (error) => this.warnings.push(error),
    });
  }

  /** Once in a process. `place`: where another process has left its things. */
  static async open(place: RigPlace = newPlace()): Promise<ExecRig> {
    enterOwnNetwork();
    const rig = new ExecRig(place);
    await rig.#open();
    return rig;
  }

  get runs(): string {
    return join(this.path, 'run', 'builds');
  }

  /** As the daemon does at its start. */
  async openStep(): Promise<void> {
    const { storage, launcher, cgroups, cgroupParent, networks, host } = this;
    const log = { warn: (fields: object, message: string) => void this.warnings.push({ ...fields, message }) };
    const opened = await openExecStep({
      launcher,
      cgroups,
      cgroupParent,
      networks,
      snapshots: storage.snapshots,
      layers: storage.layers,
      jail: storage.jail,
      trash: storage.trash,
      host,
      defaults: {
        cgroupVersion: cgroups.version,
        shmSizeBytes: 64 * 1024 * 1024,
        pidsLimit: 1000,
        logDriver: 'json-file',
        logOptions: {},
        dns: { servers: [], search: [], options: [] },
        hostGateways: [],
        maskedPaths: DEFAULT_MASKED_PATHS,
        readonlyPaths: DEFAULT_READONLY_PATHS,
      },
      paths: {
        runs: this.runs,
        staging: join(this.path, 'run', 'staging'),
        snapshots: join(this.path, 'data', 'containers'),
      },
      cacheMountsPath: join(this.path, 'data', 'cache-mounts'),
      log,
    });
    this.step = opened.step;
    this.cacheMounts = opened.cacheMounts;
  }

  /** A layer that a function fills. */
  async layer(fill: (directory: string) => void, parent?: number): Promise<LayersResult> {
    const { layers } = this.storage;
    const hold = await layers.make(parent, async (directory) => {
      fill(directory);
      return { diffId: `sha256:${createHash('sha256').update(randomBytes(8)).digest('hex')}`, sizeBytes: 0 };
    });
    return layersResult(layers, hold);
  }

  /** A client's directory. */
  directory(fill: (directory: string) => void): DirectoryResult {
    const path = mkdtempSync(join(this.path, 'context-'));
    fill(path);
    const result: DirectoryResult = {
      kind: 'directory',
      path,
      identity: `local:${path}`,
      again: () => result,
      [Symbol.dispose]: () => undefined,
    };
    return result;
  }

  run(command: string | readonly string[], options: StepOptions = {}): Promise<LayersResult[]> {
    return this.runOn(this.base, command, options);
  }

  runOn(base: Result, command: string | readonly string[], options: StepOptions = {}): Promise<LayersResult[]> {
    const { told, onLog, signal = new AbortController().signal } = options;
    const inputs = [base, ...(options.inputs ?? [])];
    const run: StepRun = {
      vertex: this.#vertex(command, options, inputs.length),
      signal,
      exec: { ...noSettings, ...options.settings },
      client: { ...noClient, ...options.client },
      ...(options.keepsFailed === undefined ? {} : { keepsFailed: options.keepsFailed }),
      ...(options.whileWaiting === undefined ? {} : { whileWaiting: options.whileWaiting }),
      log: (stream, bytes) => {
        const text = Buffer.from(bytes).toString('latin1');
        if (told !== undefined) {
          told[stream] += text;
          told.both += text;
        }
        onLog?.(text);
      },
      status: () => undefined,
    };
    return this.step.exec(run, inputs);
  }

  /** What a command writes. */
  async output(command: string | readonly string[], options: StepOptions = {}): Promise<string> {
    const told: Told = { stdout: '', stderr: '', both: '' };
    for (const result of await this.run(command, { ...options, told })) result[Symbol.dispose]();
    return told.both;
  }

  /** Paths of the directory that a layer has of its own: what it says. */
  ownFiles({ top }: LayersResult): string[] {
    if (top === undefined) return [];
    return this.#below(this.storage.layers.dirOf(top), '').sort();
  }

  /** What a result shows with all below it. */
  within<T>({ top }: LayersResult, work: (root: string) => T): T {
    if (top === undefined) throw new TypeError('there are no files');
    const fd = this.storage.snapshots.view(top);
    try {
      return work(`/proc/self/fd/${fd}`);
    } finally {
      closeSync(fd);
    }
  }

  /** What is left of steps when none runs: nothing but what the networks keep for a moment. */
  leftovers(): string[] {
    return [
      ...readdirSync(join(this.path, 'data', 'containers')).map((name) => `snapshot ${name}`),
      ...this.cgroups.children(this.cgroupParent).map((name) => `cgroup ${name}`),
      ...this.storage.snapshots.ids().map((id) => `snapshot ${id}`),
    ];
  }

  async close(): Promise<string[]> {
    await this.step.close();
    const left = [...this.leftovers(), ...readdirSync(this.runs).map((name) => `run ${name}`)];
    this.base[Symbol.dispose]();
    await this.networks.close();
    if (this.cgroups.children(this.cgroupParent).length === 0) await this.cgroups.remove(this.cgroupParent);
    await this.storage.close();
    this.database.close();
    this.launcher[Symbol.dispose]();
    rmSync(this.path, { recursive: true, force: true });
    return left;
  }

  async #open(): Promise<void> {
    mkdirSync(join(this.path, 'run', 'staging'), { recursive: true });
    const kernel = new LinuxNetworkKernel({
      engineId: 'b1946ac9-2f4d-4d3c-9d0f-4a5b6c7d8e9f',
      runDirectory: join(this.path, 'run'),
      poolSize: 4,
      isForwardingSet: true,
      startMode: (name, fds, end, label) => this.launcher.startMode(name, fds, end, label),
      onNotice: () => undefined,
    });
    const silent = { info() {}, warn: (fields: object) => void this.warnings.push(fields), error() {} };
    this.networks = await openNetworks({
      database: this.database,
      engineId: 'b1946ac9-2f4d-4d3c-9d0f-4a5b6c7d8e9f',
      created: '2026-01-01T00:00:00.000Z',
      options: {
        addressPools: [],
        defaultBridge: {
          bridge: '',
          bip: '',
          fixedCidr: '',
          fixedCidr6: '',
          isIpv6Enabled: false,
          mtu: 0,
          isIccEnabled: true,
          isMasqueraded: true,
          hostIp: '',
        },
      },
      kernel,
      drivers: new NetworkDrivers([new BridgeDriver(kernel), hostDriver, nullDriver]),
      openResolvers: () => ({ start: () => undefined, update: () => undefined, stop: () => undefined }),
      onEvent: () => undefined,
      isWanted: () => false,
      log: silent,
    });
    await this.networks.heal(new Map());
    await this.openStep();
    this.base = await this.layer(fillBase);
  }

  #below(directory: string, path: string): string[] {
    return readdirSync(join(directory, path), { withFileTypes: true }).flatMap((entry) => {
      const own = `${path}/${entry.name}`;
      return entry.isDirectory() ? [own, ...this.#below(directory, own)] : [own];
    });
  }

  #vertex(command: string | readonly string[], options: StepOptions, inputs: number): Vertex {
    const operation: ExecOperation = {
      kind: 'exec',
      args: typeof command === 'string' ? ['sh', '-c', command] : command,
      env: ['PATH=/bin', ...(options.env ?? [])],
      proxyEnv: options.proxyEnv ?? [],
      workingDir: options.workingDir ?? '/',
      user: options.user ?? '',
      hostname: '',
      network: options.network ?? 'default',
      security: options.security ?? 'sandbox',
      mounts: [{ ...rootMount, ...options.root }, ...(options.mounts ?? [])],
      secretEnv: options.secretEnv ?? [],
      platform: { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : 'arm64' },
    };
    const edges = Array.from({ length: inputs }, (_, n) => ({ vertex: inputVertex(n), output: 0 }));
    return { digest: 'sha256:test', operation, inputs: edges, name: `RUN ${String(command)}`, ignoresCache: false };
  }
}

function inputVertex(n: number): Vertex {
  return {
    digest: `sha256:input${n}`,
    operation: { kind: 'merge' },
    inputs: [],
    name: `input ${n}`,
    ignoresCache: false,
  };
}

function fillBase(root: string): void {
  for (const dir of ['bin', 'etc', 'root', 'tmp', 'var']) mkdirSync(join(root, dir));
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of applets.split(' ')) symlinkSync('busybox', join(root, 'bin', applet));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nalice:x:1000:\nwheel:x:10:alice\n');
}
