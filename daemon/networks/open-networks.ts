// Builds the networks' services and hands them to each other: registry, bridges, sandboxes, names, and the default bridge's record.
import type { Database } from '../state/database.ts';
import { type AddressPool, addressPools } from './address-pools.ts';
import { Directory } from './directory.ts';
import { type DefaultBridgeOptions, planDefaultBridge } from './drivers/default-bridge.ts';
import type { NetworkDrivers } from './drivers/network-drivers.ts';
import { fixedRecord } from './fixed-networks.ts';
import { hostSubnets } from './host-subnets.ts';
import type { NetworkKernel } from './kernel/network-kernel.ts';
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
  drivers: NetworkDrivers;
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
  readonly drivers: NetworkDrivers;
  /** What the host lacks for the networks that are in use. */
  warnings(): string[];
  /** At the start, after the running containers were adopted: brings the kernel to what is noted. */
  heal(pids: ReadonlyMap<string, number>): Promise<void>;
  /** Containers and their networks go on; a default bridge that nobody uses goes. */
  close(): Promise<void>;
}

export async function openNetworks(input: NetworksInput): Promise<Networks> {
  const { database, engineId, options, kernel, drivers, log } = input;
  const registry = new NetworkRegistry(database, drivers);
  const pools = addressPools(engineId, options.addressPools);
  for (const id of registry.load().unreadable)
    log.warn({ network: id }, 'the record of a network cannot be read: it can be removed, and no more');
  await addFixedNetworks(input, registry, pools);

  const directory = new Directory((containerId) => sandboxes.connections(containerId));
  const resolvers = input.openResolvers(directory);
  const sandboxes = new Sandboxes({ kernel, drivers, resolvers, log });
  const { onEvent, isWanted } = input;
  const service = new EngineNetworks({ registry, drivers, kernel, pools, onEvent, isWanted, log });
  const made = () =>
    registry.all().filter(({ record, interfaces }) => interfaces !== undefined && !isPredefined(record));
  const defaultBridge = () => registry.get(fixedId(engineId, 'bridge'));
  /** Containers of an earlier daemon are on it. */
  let isDefaultFound = false;
  return {
    registry,
    service,
    sandboxes,
    kernel,
    drivers,
    warnings: () => {
      const used = registry.all().filter(({ interfaces, endpoints }) => interfaces !== undefined && endpoints.size > 0);
      return [...new Set(used.map(({ driver }) => driver))].flatMap((driver) => driver.warnings?.() ?? []);
    },
    heal: async (pids) => {
      isDefaultFound = defaultBridge().endpoints.size > 0;
      await sandboxes.heal(made(), pids);
    },
    close: async () => {
      const { record, driver, endpoints } = defaultBridge();
      if (endpoints.size === 0 && (isDefaultFound || driver.isMade(record))) await driver.remove(record);
      await kernel.dispose();
    },
  };
}

async function addFixedNetworks(
  { engineId, created, options, kernel, drivers }: NetworksInput,
  registry: NetworkRegistry,
  pools: readonly AddressPool[],
): Promise<void> {
  for (const { name, only } of drivers.all()) {
    if (only !== undefined) registry.addFixed(fixedRecord(only, name, { id: fixedId(engineId, only), created }));
  }
  const id = fixedId(engineId, 'bridge');
  const stored = registry.byId(id)?.record;
  const routes = await kernel.hostRoutes();
  const own = new Set(registry.all().map(({ interfaces }) => interfaces?.hostInterface));
  // With its bridge there, containers may be on it: then it stays as it is, whatever else the host has come to reach.
  const isThere =
    stored?.bridge !== undefined && routes.some(({ interfaceName }) => interfaceName === stored.bridge?.name);
  const around = { pools, ofNetworks: registry.subnets(id), ofHost: isThere ? [] : hostSubnets(routes, own) };
  const record = planDefaultBridge(options.defaultBridge, { id, created }, around, stored);
  if (JSON.stringify(record) !== JSON.stringify(stored)) registry.put(record);
}
