// What the host is, what the engine holds, and what the host lacks.
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import type { RegistryFacts } from '../../registry/registry-session.ts';
import type { EventLog } from '../../state/event-log.ts';
import { noFilters } from '../../state/filters.ts';
import type { Needs } from '../needs.ts';
import type { SeenSystem, SystemService, UsedContainer } from '../system-service.ts';
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

  async info(): Promise<SeenSystem> {
    const { store, images, cgroups, paths, events, defaults, networks, logs, host } = this.#services;
    const { engineId, version, labels, isDebug, registries } = this.#facts;
    const states = [...store.all()].map(({ state }) => state.status);
    const count = (...wanted: string[]) => states.filter((status) => wanted.includes(status)).length;
    const release = osRelease();
    return {
      ...{ engineId, version, labels, isDebug, registries },
      containers: { all: states.length, running: count('running', 'restarting'), paused: count('paused') },
      images: images.count(),
      networkDrivers: networks.drivers.names,
      logDrivers: logs.names,
      logDriver: defaults.logDriver,
      cgroups: { driver: cgroups.driver, version: cgroups.version, features: cgroups.features() },
      forwarding: networks.kernel.hostForwarding(),
      openFiles: readdirSync('/proc/self/fd').length,
      time: new Date(),
      eventListeners: events.listeners,
      dataRoot: paths.dataRoot,
      host: {
        name: os.hostname(),
        kernelVersion: os.release(),
        osName: release.get('PRETTY_NAME'),
        osVersion: release.get('VERSION_ID'),
        architecture: process.arch,
        processors: os.cpus().length,
        memoryBytes: os.totalmem(),
        hasSeccomp: host.facts.seccomp,
      },
      warnings: this.#warnings(),
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
