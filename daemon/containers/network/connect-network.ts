// POST /networks/{id}/connect and disconnect: for a container that does not run a change of its record, for a running one of its network
// as well. A daemon that is killed in between leaves less in the record than in the kernel, never more: see recovery/recover.ts.

import type { NetworkConnectRequest, NetworkDisconnectRequest } from '../../docker-types/network.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { checkAgainstNetwork, type EndpointConfig, parseEndpoint } from '../../networks/endpoint-config.ts';
import type { NetworkEntry } from '../../networks/network-entry.ts';
import type { Container } from '../container.ts';
import { type ContainerEventsNeeds, publishNetworkEvent } from '../container-events.ts';
import type { Needs } from '../needs.ts';
import { type LinksNeeds, linkRequests } from './links.ts';
import { findNetwork } from './plan-endpoints.ts';
import { ownLines, resolverFile, updateManagedFiles, type WriteManagedFilesNeeds } from './write-managed-files.ts';

/** See needs.ts. */
export type ConnectNetworkNeeds = Needs<'networks.registry' | 'networks.sandboxes' | 'store.change' | 'store.find'> &
  ContainerEventsNeeds &
  LinksNeeds &
  WriteManagedFilesNeeds;

export async function connectNetwork(
  services: ConnectNetworkNeeds,
  ref: string,
  body: NetworkConnectRequest,
): Promise<void> {
  const container = containerOf(services, body.Container);
  const entry = services.networks.registry.get(ref);
  const { record } = entry;
  const config: EndpointConfig = {
    ...parseEndpoint(record.name, body.EndpointConfig),
    networkId: record.id,
  };
  await container.locked(async () => {
    checkMayChange(container, ref);
    checkConnectable(container, record.name);
    if (!container.isRunning) {
      checkAgainstNetwork(config, record);
      const others = container.record.endpoints.filter(
        (other) => findNetwork(services.networks.registry, other) !== entry,
      );
      saveEndpoints(services, container, [...others, config]);
      return;
    }
    await connectRunning(services, container, entry, config);
    saveEndpoints(services, container, [...container.record.endpoints, config]);
    publishNetworkEvent(services, container, 'connect', record);
  });
}

async function connectRunning(
  services: ConnectNetworkNeeds,
  container: Container,
  entry: NetworkEntry,
  config: EndpointConfig,
): Promise<void> {
  const { sandboxes } = services.networks;
  const sandbox = sandboxes.of(container.id);
  if (sandbox === undefined) throw new EngineError('conflict', `container ${container.id} has no network of its own`);
  const links = linkRequests(services, container.spec, config, entry.record);
  const resolverBefore = resolverFile(services, container);
  const connection = await sandboxes.connect(sandbox, container.state.pid, { entry, config: { ...config, links } });
  const added = ownLines(container, [connection], 'network');
  updateManagedFiles(services, container, { removed: [], added, resolverBefore });
}

export async function disconnectNetwork(
  services: ConnectNetworkNeeds,
  ref: string,
  body: NetworkDisconnectRequest,
): Promise<void> {
  const { registry, sandboxes } = services.networks;
  const present = services.store.find(body.Container ?? '');
  if (present !== undefined && (body.Force || !present.isRunning) && !registry.has(ref)) {
    return forgetNetwork(services, present, ref);
  }
  const container = containerOf(services, body.Container, body.Force);
  const entry = registry.get(ref);
  await container.locked(async () => {
    checkMayChange(container, ref);
    if (entry.record.name === 'host') {
      throw new EngineError(
        'invalid',
        'container cannot be disconnected from host network or connected to host network',
      );
    }
    const { endpoints } = container.record;
    const left = endpoints.filter((config) => findNetwork(registry, config) !== entry);
    if (left.length === endpoints.length) {
      throw new EngineError('forbidden', `container ${container.id} is not connected to network ${entry.record.name}`);
    }
    const sandbox = sandboxes.of(container.id);
    const connection = sandbox?.connection(entry.record.id);
    // The record first: what a daemon that is killed in between leaves in the kernel belongs to nobody, and the next one takes it away.
    saveEndpoints(services, container, left);
    if (container.isRunning && sandbox !== undefined && connection !== undefined) {
      const removed = ownLines(container, [connection], 'network');
      const resolverBefore = resolverFile(services, container);
      try {
        await sandboxes.disconnect(sandbox, container.state.pid, connection);
      } catch (error) {
        if (sandbox.connection(entry.record.id) === connection) saveEndpoints(services, container, endpoints);
        throw error;
      }
      updateManagedFiles(services, container, { removed, added: [], resolverBefore });
      publishNetworkEvent(services, container, 'disconnect', entry.record);
    }
  });
}

/** The network itself is gone: what is left of it is that the container is set to be on it, by name or id, and cannot start. */
async function forgetNetwork(services: ConnectNetworkNeeds, container: Container, ref: string): Promise<void> {
  await container.locked(() => {
    checkMayChange(container, ref);
    const { endpoints } = container.record;
    const left = endpoints.filter(({ network, networkId }) => network !== ref && networkId !== ref);
    if (left.length === endpoints.length) {
      throw new EngineError('forbidden', `container ${container.id} is not connected to the network ${ref}`);
    }
    saveEndpoints(services, container, left);
  });
}

function containerOf({ store }: ConnectNetworkNeeds, ref: string | undefined, isForced = false): Container {
  if (!ref) throw new EngineError('invalid', 'invalid name or ID supplied: ""');
  const found = store.find(ref);
  if (found !== undefined) return found;
  throw new EngineError('not-found', isForced ? `endpoint ${ref} not found` : `No such container: ${ref}`);
}

function checkMayChange(container: Container, ref: string): void {
  if (container.isRemoving || container.isRemoved) {
    throw new EngineError('conflict', `container ${container.id} is being removed: it cannot be connected to ${ref}`);
  }
}

function checkConnectable(container: Container, name: string): void {
  const { network, isNetworkDisabled } = container.spec;
  const { kind } = network;
  if (kind === 'host' || kind === 'container') {
    throw new EngineError(
      'invalid',
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
  if (isNetworkDisabled) {
    throw new EngineError(
      'not-found',
      `network sandbox for container ${container.id} not found: its network is disabled`,
    );
  }
  if (name === 'host') {
    throw new EngineError(
      'invalid',
      'cannot connect container to host network - container must be created in host network mode',
    );
  }
  const others = container.record.endpoints.filter(({ network }) => network !== name);
  if (others.length > 0 && (name === 'none' || others.some(({ network }) => network === 'none'))) {
    throw new EngineError(
      'invalid',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
}

function saveEndpoints(
  { store }: ConnectNetworkNeeds,
  container: Container,
  endpoints: readonly EndpointConfig[],
): void {
  store.change(container, { endpoints });
}
