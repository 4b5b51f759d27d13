// Builds the networks' services and hands them to each other: registry, bridges, sandboxes, names, and the default bridge's record.
import type { Database } from '../state/database.ts';
import { type AddressPool, addressPools } from './address-pools.ts';
import { Bridges } from './bridges.ts';
import { Directory } from './directory.ts';
import { type DefaultBridgeOptions, fixedRecord, planDefaultBridge } from './fixed-networks.ts';
import { hostSubnets } from './host-subnets.ts';
import type { NetworkKernel } from './kernel/network-kernel.ts';
import { bridgeRequest } from './kernel-requests.ts';
import type { Log } from './log.ts';
import type { NameDirectory, Resolvers } from './name-directory.ts';
import { isPredefined } from './network-record.ts';
import { fixedId, NetworkRegistry } from './network-registry.ts';
import { EngineNetworks, type NetworkServiceParts } from './network-service.ts';
import { Sandboxes } from './sandboxes.ts';

export interface NetworkOptions {
  readonly defaultBridge: DefaultBridgeOptions;
  readonly addressPools: readonly { base: string; size: number }[];
}

export interface NetworksInput {
  database: Database;
  engineId: string;
  /** RFC 3339: when the engine first ran, which is when the networks that are always there were made. */
  created: string;
  options: NetworkOptions;
  kernel: NetworkKernel;
  openResolvers(directory: NameDirectory): Resolvers;
  onEvent: NetworkServiceParts['onEvent'];
  isWanted: NetworkServiceParts['isWanted'];
  log: Log;
}

/** What the rest of the engine uses. */
export interface Networks {
  readonly registry: NetworkRegistry;
  readonly service: EngineNetworks;
  readonly sandboxes: Sandboxes;
  readonly kernel: NetworkKernel;
  /** What the host lacks for the networks that are in use. Forwarding that is off is turned on with the first bridge. */
  warnings(): string[];
  /** At the start, after the running containers were adopted: brings the kernel to what is noted. */
  heal(pids: ReadonlyMap<string, number>): Promise<void>;
  /** Containers and their networks go on; a default bridge that nobody uses goes. */
  close(): Promise<void>;
}

export async function openNetworks(input: NetworksInput): Promise<Networks> {
  const { database, engineId, options, kernel, log } = input;
  const registry = new NetworkRegistry(database);
  const pools = addressPools(engineId, options.addressPools);
  for (const id of registry.load().unreadable)
    log.warn({ network: id }, 'the record of a network cannot be read: it can be removed, and no more');
  await addFixedNetworks(input, registry, pools);

  const bridges = new Bridges(kernel);
  const directory = new Directory((containerId) => sandboxes.connections(containerId));
  const resolvers = input.openResolvers(directory);
  const sandboxes = new Sandboxes({ kernel, bridges, resolvers, log });
  const { onEvent, isWanted } = input;
  const service = new EngineNetworks({ registry, bridges, kernel, pools, onEvent, isWanted, log });
  const made = () => registry.all().filter(({ record }) => record.bridge !== undefined && !isPredefined(record));
  const defaultBridge = () => registry.get(fixedId(engineId, 'bridge'));
  /** Containers of an earlier daemon are on it. */
  let isDefaultFound = false;
  return {
    registry,
    service,
    sandboxes,
    kernel,
    warnings: () => {
      const isUsed = registry.all().some(({ record, endpoints }) => record.bridge !== undefined && endpoints.size > 0);
      return isUsed ? kernel.hostForwarding().warnings : [];
    },
    heal: async (pids) => {
      isDefaultFound = defaultBridge().endpoints.size > 0;
      await sandboxes.heal(
        made().map(({ record }) => bridgeRequest(record)),
        pids,
      );
    },
    close: async () => {
      const bridge = defaultBridge();
      if (bridge.endpoints.size === 0 && (isDefaultFound || bridges.isMade(bridge))) await bridges.remove(bridge);
      await kernel.dispose();
    },
  };
}

async function addFixedNetworks(
  { engineId, created, options, kernel }: NetworksInput,
  registry: NetworkRegistry,
  pools: readonly AddressPool[],
): Promise<void> {
  for (const name of ['host', 'none'] as const) {
    registry.addFixed(fixedRecord(name, fixedId(engineId, name), created));
  }
  const id = fixedId(engineId, 'bridge');
  const stored = registry.byId(id)?.record;
  const routes = await kernel.hostRoutes();
  const own = new Set(registry.all().map(({ record }) => record.bridge?.name));
  // With its bridge there, containers may be on it: then it stays as it is, whatever else the host has come to reach.
  const isThere =
    stored?.bridge !== undefined && routes.some(({ interfaceName }) => interfaceName === stored.bridge?.name);
  const around = { pools, ofNetworks: registry.subnets(id), ofHost: isThere ? [] : hostSubnets(routes, own) };
  const record = planDefaultBridge(options.defaultBridge, { id, created }, around, stored);
  if (JSON.stringify(record) !== JSON.stringify(stored)) registry.put(record);
}
