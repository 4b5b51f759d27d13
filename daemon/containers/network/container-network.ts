// A container's network over its life: reserved and built at the start, ended with the run, taken over by recovery. What is reserved,
// attached and published is the networks' business; here is what of a container they need to know.

import { readFileSync } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';
import { hostResolvers } from '../../networks/managed-files.ts';
import type { Attachment, Sandbox, SandboxOwner } from '../../networks/sandbox.ts';
import type { AdoptedSandbox } from '../../networks/sandboxes.ts';
import { portRequests } from '../../spec/ports.ts';
import type { Container } from '../container.ts';
import { type ContainerEventsNeeds, publishNetworkEvent } from '../container-events.ts';
import type { Needs } from '../needs.ts';
import { type LinksNeeds, linkRequests } from './links.ts';
import { findNetwork, resolved } from './plan-endpoints.ts';
import { ownLines, updateManagedFiles, type WriteManagedFilesNeeds } from './write-managed-files.ts';

export type EndNetworkNeeds = Needs<
  'networks.sandboxes.connections' | 'networks.sandboxes.end' | 'store.all' | 'store.find'
> &
  ContainerEventsNeeds;

/** See needs.ts. */
export type ContainerNetworkNeeds = Needs<
  'defaults.dns' | 'log.info' | 'networks.registry' | 'networks.sandboxes' | 'paths.run' | 'store.all' | 'store.find'
> &
  ContainerEventsNeeds &
  LinksNeeds &
  WriteManagedFilesNeeds;

/** The networks that it shall be on, looked up anew. Throws 'not-found'. */
export function attachmentsOf(services: ContainerNetworkNeeds, container: Container): Attachment[] {
  const { registry } = services.networks;
  const { spec, endpoints } = container.record;
  // Records of before have endpoints all the same.
  if (spec.isNetworkDisabled) return [];
  return endpoints.map((config) => {
    const entry = findNetwork(registry, config);
    if (entry === undefined) throw new EngineError('not-found', `network ${config.network} not found`);
    const links = linkRequests(services, container.spec, config, entry.record);
    return { entry, config: { ...resolved(registry, config), links } };
  });
}

/** undefined when it uses another container's network. Throws docker's errors: no such network, no address left, an address taken. */
export function reserveNetwork(services: ContainerNetworkNeeds, container: Container): Sandbox | undefined {
  if (container.spec.network.kind === 'container') return undefined;
  const attachments = attachmentsOf(services, container);
  return services.networks.sandboxes.reserve(ownerOf(services, container), attachments);
}

export function ownerOf({ paths, defaults }: ContainerNetworkNeeds, container: Container): SandboxOwner {
  const { dns, network, hostname, ports } = container.spec;
  const asked = dns.servers.length > 0 ? dns.servers : defaults.dns.servers;
  const dnsOptions = dns.options.length > 0 ? dns.options : defaults.dns.options;
  return {
    containerId: container.id,
    containerName: container.record.name,
    hostname,
    runDir: paths.run(container.id),
    wantedPorts: network.kind === 'host' ? [] : portRequests(ports),
    resolver: {
      servers: asked.length > 0 ? asked : hostResolvers(readResolvConf()),
      isFromHost: asked.length === 0,
      isNdotsSet: dnsOptions.some((option) => option.startsWith('ndots:') && option !== 'ndots:0'),
    },
  };
}

/** Of a run that has ended, or of a start that failed. */
export async function endNetwork(services: EndNetworkNeeds, container: Container): Promise<void> {
  const { sandboxes } = services.networks;
  const connections = [...sandboxes.connections(container.id)];
  await sandboxes.end(container.id, isShared(services, container));
  for (const { entry } of connections) publishNetworkEvent(services, container, 'disconnect', entry.record);
}

/** Another running container is in its namespace: what is there does not go by itself. */
function isShared({ store }: EndNetworkNeeds, container: Container): boolean {
  for (const other of store.all()) {
    if (!other.isRunning) continue;
    const mode = other.spec.network;
    if (mode.kind === 'container' && store.find(mode.ref) === container) return true;
  }
  return false;
}

/** At the daemon's start, for a container that runs. What is gone of its networks does not keep it from running. */
export function adoptNetwork(services: ContainerNetworkNeeds, container: Container): AdoptedSandbox | undefined {
  const { endpoints } = container.record;
  if (container.spec.network.kind === 'container') return undefined;
  const { registry, sandboxes } = services.networks;
  const attachments = endpoints.flatMap((config) => {
    const entry = findNetwork(registry, config);
    if (entry === undefined) return [];
    const links = linkRequests(services, container.spec, config, entry.record);
    return [{ entry, config: { ...resolved(registry, config), links } }];
  });
  return sandboxes.adopt(ownerOf(services, container), attachments);
}

/** After the kernel was healed: record and kernel are brought together where a change was cut short. */
export async function settleNetwork(
  services: ContainerNetworkNeeds,
  container: Container,
  adopted: AdoptedSandbox,
): Promise<void> {
  if (adopted.missing.length === 0 && adopted.stale.length === 0) return;
  const pid = container.state.pid;
  if (!container.isRunning || pid <= 0) return;
  const made = await services.networks.sandboxes.settle(adopted, pid);
  for (const { entry } of made) {
    services.log.info({ container: container.id, network: entry.record.name }, 'connected a running container anew');
  }
  updateManagedFiles(services, container, {
    removed: ownLines(
      container,
      adopted.stale.map((endpoint) => ({ endpoint })),
      'network',
    ),
    added: ownLines(container, made, 'network'),
  });
}

function readResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    return '';
  }
}
