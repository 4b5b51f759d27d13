// GET /info and its kin: what the host is, what the engine holds, and what the host lacks.
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import type { SystemInfo } from '../../docker-types/system.ts';
import type { RegistryFacts } from '../../registry/registry-session.ts';
import { defaultRuntime } from '../../spec/docker/normalise-host-config.ts';
import type { EventLog } from '../../state/event-log.ts';
import { noFilters } from '../../state/filters.ts';
import type { Needs } from '../needs.ts';
import type { SystemService, UsedContainer } from '../system-service.ts';
import { type ListContainersNeeds, listContainers } from './list-containers.ts';

/** See needs.ts. */
export type SystemInfoNeeds = Needs<
  | 'cgroups.driver'
  | 'cgroups.features'
  | 'cgroups.version'
  | 'cgroups.warnings'
  | 'defaults.logDriver'
  | 'events'
  | 'host.facts'
  | 'images.count'
  | 'layers.usages'
  | 'logs.names'
  | 'networks.drivers'
  | 'networks.kernel'
  | 'networks.warnings'
  | 'paths.dataRoot'
> &
  ListContainersNeeds;

export interface SystemFacts {
  engineId: string;
  version: string;
  gitCommit: string;
  buildTime: string;
  labels: readonly string[];
  isDebug: boolean;
  registries: RegistryFacts;
}

export class SystemInformation implements SystemService {
  readonly #services: SystemInfoNeeds;
  readonly #facts: SystemFacts;

  constructor(services: SystemInfoNeeds, facts: SystemFacts) {
    this.#services = services;
    this.#facts = facts;
  }

  get events(): EventLog {
    return this.#services.events;
  }

  host() {
    const { version, gitCommit, buildTime } = this.#facts;
    return { kernelVersion: os.release(), architecture: process.arch, version, gitCommit, buildTime };
  }

  async containerUsage(): Promise<UsedContainer[]> {
    const all = await listContainers(this.#services, { all: true, limit: 0, size: true, filters: noFilters });
    const ids = all.map(({ record }) => record.id);
    const used = await this.#services.layers.usages(ids, 'usage');
    return all.map((container) => ({ ...container, usedBytes: used.get(container.record.id) }));
  }

  async info(): Promise<SystemInfo> {
    const { store, images, cgroups, host, paths, events, defaults } = this.#services;
    const states = [...store.all()].map(({ state }) => state.status);
    const count = (...wanted: string[]) => states.filter((status) => wanted.includes(status)).length;
    const running = count('running', 'restarting');
    const paused = count('paused');
    const features = cgroups.features();
    const release = osRelease();
    const forwarding = this.#services.networks.kernel.hostForwarding();
    return {
      ID: this.#facts.engineId,
      Containers: states.length,
      ContainersRunning: running,
      ContainersPaused: paused,
      ContainersStopped: states.length - running - paused,
      Images: images.count(),
      Driver: 'overlay2',
      DriverStatus: [
        ['Supports d_type', 'true'],
        ['Native Overlay Diff', 'true'],
        ['userxattr', 'false'],
      ],
      Plugins: {
        Volume: ['local'],
        Network: [...this.#services.networks.drivers.names],
        Authorization: null,
        Log: [...this.#services.logs.names],
      },
      MemoryLimit: features.MemoryLimit,
      SwapLimit: features.SwapLimit,
      CpuCfsPeriod: features.CpuCfsPeriod,
      CpuCfsQuota: features.CpuCfsQuota,
      CPUShares: features.CPUShares,
      CPUSet: features.CPUSet,
      PidsLimit: features.PidsLimit,
      IPv4Forwarding: forwarding.ipv4Forwarding,
      BridgeNfIptables: forwarding.bridgeNfIptables ?? false,
      BridgeNfIp6tables: forwarding.bridgeNfIp6tables ?? false,
      Debug: this.#facts.isDebug,
      NFd: readdirSync('/proc/self/fd').length,
      OomKillDisable: features.OomKillDisable,
      NGoroutines: 0,
      SystemTime: new Date().toISOString(),
      LoggingDriver: defaults.logDriver,
      CgroupDriver: cgroups.driver,
      CgroupVersion: String(cgroups.version),
      NEventsListener: events.listeners,
      KernelVersion: os.release(),
      OperatingSystem: release.get('PRETTY_NAME') ?? 'Linux',
      OSVersion: release.get('VERSION_ID') ?? '',
      OSType: 'linux',
      Architecture: process.arch === 'x64' ? 'x86_64' : process.arch === 'arm64' ? 'aarch64' : process.arch,
      IndexServerAddress: 'https://index.docker.io/v1/',
      RegistryConfig: registryConfig(this.#facts.registries),
      NCPU: os.cpus().length,
      MemTotal: os.totalmem(),
      GenericResources: null,
      DockerRootDir: paths.dataRoot,
      HttpProxy: this.#facts.registries.proxies.HTTP_PROXY ?? '',
      HttpsProxy: this.#facts.registries.proxies.HTTPS_PROXY ?? '',
      NoProxy: this.#facts.registries.proxies.NO_PROXY ?? '',
      Name: os.hostname(),
      Labels: [...this.#facts.labels],
      ExperimentalBuild: false,
      ServerVersion: this.#facts.version,
      Runtimes: { [defaultRuntime]: { path: 'tsdocker-launcher' } },
      DefaultRuntime: defaultRuntime,
      Swarm: {
        NodeID: '',
        NodeAddr: '',
        LocalNodeState: 'inactive',
        ControlAvailable: false,
        Error: '',
        RemoteManagers: null,
      },
      LiveRestoreEnabled: true,
      Isolation: '',
      InitBinary: 'tsdocker-launcher',
      ContainerdCommit: { ID: '' },
      RuncCommit: { ID: '' },
      InitCommit: { ID: '' },
      SecurityOptions: [
        ...(host.facts.seccomp ? ['name=seccomp,profile=builtin'] : []),
        ...(cgroups.version === 2 ? ['name=cgroupns'] : []),
      ],
      CDISpecDirs: [],
      Warnings: this.#warnings(),
    };
  }

  /** What the host lacks, and what follows from it. */
  #warnings(): string[] {
    const { cgroups, host } = this.#services;
    const { facts } = host;
    const warnings = [...cgroups.warnings()];
    warnings.push(...this.#services.networks.warnings().map((text) => `WARNING: ${text}`));
    const hasResourceCapability = (facts.capabilities >> 24n) & 1n;
    if (!facts.seccomp) warnings.push('WARNING: No seccomp support: containers run without a system call filter');
    if (!facts.apparmor) warnings.push('WARNING: No AppArmor support');
    if (!facts.timeNamespaces) warnings.push('WARNING: No time namespace support');
    if (!hasResourceCapability) {
      warnings.push('WARNING: No CAP_SYS_RESOURCE: hard resource limits cannot be raised above those of the daemon');
    }
    return warnings;
  }
}

function registryConfig({ insecureCidrs, insecureHosts, mirrors }: RegistryFacts): SystemInfo['RegistryConfig'] {
  const insecure = insecureHosts.map((Name) => [Name, { Name, Mirrors: [], Secure: false, Official: false }] as const);
  return {
    InsecureRegistryCIDRs: insecureCidrs,
    IndexConfigs: Object.fromEntries([
      ['docker.io', { Name: 'docker.io', Mirrors: mirrors, Secure: true, Official: true }],
      ...insecure,
    ]),
    Mirrors: mirrors,
  };
}

function osRelease(): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readText('/etc/os-release').split('\n')) {
    const match = /^([A-Z_]+)="?(.*?)"?$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) found.set(match[1], match[2]);
  }
  return found;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
