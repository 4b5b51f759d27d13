// Networks as the API sees them: listed, looked at, made, removed. Connecting containers is the containers' business.
import type { NetworkCreateRequest, NetworkCreateResponse, NetworkPruneResponse } from '../docker-types/network.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { Filters } from '../state/filters.ts';
import { parseTimeFilter } from '../state/time-filter.ts';
import type { AddressPool } from './address-pools.ts';
import type { NetworkDrivers } from './drivers/network-drivers.ts';
import type { Endpoint } from './endpoint.ts';
import { hostSubnets } from './host-subnets.ts';
import type { NetworkKernel } from './kernel/network-kernel.ts';
import type { Log } from './log.ts';
import type { NetworkEntry } from './network-entry.ts';
import { networkFilter, pruneFilter } from './network-filters.ts';
import { isPredefined, type NetworkRecord, predefined } from './network-record.ts';
import type { NetworkRegistry } from './network-registry.ts';
import { planNetwork } from './plan-network.ts';

/** A network as it is now, and who is on it. */
export interface SeenNetwork {
  readonly record: NetworkRecord;
  readonly endpoints: readonly Endpoint[];
}

export interface NetworkService {
  list(filters: Filters): SeenNetwork[];
  /** By id, name, then unique id prefix. */
  inspect(ref: string): SeenNetwork;
  create(request: NetworkCreateRequest): Promise<NetworkCreateResponse>;
  /** Throws 'forbidden' for a predefined network and for one that containers are connected to. */
  remove(ref: string): Promise<void>;
  prune(filters: Filters): Promise<NetworkPruneResponse>;
}

export interface NetworkServiceParts {
  registry: NetworkRegistry;
  drivers: NetworkDrivers;
  kernel: NetworkKernel;
  pools: readonly AddressPool[];
  onEvent(action: 'create' | 'destroy' | 'prune', record: NetworkRecord | undefined): void;
  /** A container that does not run is set to be on it: docker counts these for prune, not for rm. */
  isWanted(record: NetworkRecord): boolean;
  log: Log;
}

export class EngineNetworks implements NetworkService {
  readonly #parts: NetworkServiceParts;
  #isPruning = false;

  constructor(parts: NetworkServiceParts) {
    this.#parts = parts;
  }

  list(filters: Filters): SeenNetwork[] {
    const { registry } = this.#parts;
    const matches = networkFilter(filters, ({ id }) => (registry.byId(id)?.endpoints.size ?? 0) > 0);
    return registry
      .all()
      .filter(({ record }) => matches(record))
      .map(seen);
  }

  inspect(ref: string): SeenNetwork {
    return seen(this.#parts.registry.get(ref));
  }

  async create(request: NetworkCreateRequest): Promise<NetworkCreateResponse> {
    const { registry, drivers, kernel, pools, onEvent } = this.#parts;
    const routes = await kernel.hostRoutes();
    // From here to the row nothing waits: two networks at the same time cannot get one subnet.
    if (!predefined.has(request.Name ?? '')) registry.checkNameIsFree(request.Name ?? '');
    const own = new Set(registry.all().map(({ interfaces }) => interfaces?.hostInterface));
    const around = { pools, ofNetworks: registry.subnets(), ofHost: hostSubnets(routes, own) };
    const record = planNetwork(request, drivers, around, new Date().toISOString());
    const others = registry.all().map((other) => other.record);
    drivers.get(record.driver).checkBeside?.(record, others);
    const entry = registry.insert(record);
    try {
      await entry.driver.ensure(record);
    } catch (error) {
      registry.delete(entry);
      throw error;
    }
    onEvent('create', record);
    return { Id: record.id, Warning: '' };
  }

  async remove(ref: string): Promise<void> {
    // Its bridge went at the start, as one that belongs to no network.
    if (this.#parts.registry.dropUnreadable(ref)) return;
    const entry = this.#parts.registry.get(ref);
    const { record } = entry;
    if (isPredefined(record)) {
      throw new EngineError('forbidden', `${record.name} is a pre-defined network and cannot be removed`);
    }
    if (entry.endpoints.size > 0) {
      const users = [...entry.endpoints.values()].map(
        ({ containerName, endpointId }) => `name:"${containerName}" id:"${endpointId.slice(0, 12)}"`,
      );
      throw new EngineError(
        'forbidden',
        `error while removing network: network ${record.name} has active endpoints (${users.join(', ')})`,
      );
    }
    await this.#removeUnused(entry);
  }

  async prune(filters: Filters): Promise<NetworkPruneResponse> {
    const { registry, isWanted, onEvent, log } = this.#parts;
    const untilNs = parseTimeFilter(filters);
    const matches = pruneFilter(filters, untilNs === undefined ? undefined : Number(untilNs / 1_000_000n));
    if (this.#isPruning) throw new EngineError('conflict', 'a prune operation is already running');
    this.#isPruning = true;
    const deleted: string[] = [];
    try {
      for (const entry of registry.all()) {
        const { record } = entry;
        if (!matches(record) || entry.endpoints.size > 0 || isWanted(record)) continue;
        try {
          await this.#removeUnused(entry);
          deleted.push(record.name);
        } catch (error) {
          log.warn({ err: error, network: record.name }, 'cannot prune a network: it stays');
        }
      }
    } finally {
      this.#isPruning = false;
    }
    onEvent('prune', undefined);
    return { NetworksDeleted: deleted.length === 0 ? null : deleted };
  }

  /** The row first: from then on nobody can connect. What the kernel keeps after a crash in between is an orphan at the next start. */
  async #removeUnused(entry: NetworkEntry): Promise<void> {
    const { registry, onEvent, log } = this.#parts;
    if (registry.byId(entry.record.id) !== entry) return;
    registry.delete(entry);
    try {
      await entry.driver.remove(entry.record);
    } catch (error) {
      log.warn(
        { err: error, network: entry.record.name },
        'cannot remove what a network has in the kernel: tried again at the next start',
      );
    }
    onEvent('destroy', entry.record);
  }
}

function seen({ record, endpoints }: NetworkEntry): SeenNetwork {
  return { record, endpoints: [...endpoints.values()] };
}
