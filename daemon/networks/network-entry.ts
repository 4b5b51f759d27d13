// One network in memory: its record, which addresses are taken, who is connected, and under which names. Addresses are reserved here
// before anything is asked of the kernel, so that two starts at the same time cannot get one address.
import { randomBytes } from 'node:crypto';
import { EngineError } from '../errors/engine-error.ts';
import { formatAddress, type IpAddress, parseAddress, parseSubnet } from '../protocols/addresses/ip-address.ts';
import { parseLink } from '../spec/docker/parse-names.ts';
import { AddressAllocator } from './address-allocator.ts';
import type { InterfaceFacts, NetworkDriver } from './drivers/network-driver.ts';
import { dnsNames, type Endpoint, type EndpointState, makeMac } from './endpoint.ts';
import { checkAgainstNetwork, type EndpointConfig, endpointSysctls } from './endpoint-config.ts';
import { type NetworkPool, type NetworkRecord, poolOf } from './network-record.ts';

/** Who connects. */
export interface EndpointOwner {
  containerId: string;
  containerName: string;
  hostname: string;
}

export class NetworkEntry {
  readonly record: NetworkRecord;
  readonly driver: NetworkDriver;
  /** What a container on it has; undefined: nothing in the kernel. */
  readonly interfaces: InterfaceFacts | undefined;
  /** By container. */
  readonly endpoints = new Map<string, Endpoint>();
  /** Somebody may still have it in hand, from before it waited for its turn. */
  isRemoved = false;
  readonly #allocators: ReadonlyMap<4 | 6, AddressAllocator>;
  readonly #byName = new Map<string, Set<Endpoint>>();
  readonly #byAddress = new Map<string, Endpoint>();

  constructor(record: NetworkRecord, driver: NetworkDriver) {
    this.record = record;
    this.driver = driver;
    this.interfaces = driver.interfaces(record);
    this.#allocators = new Map(record.pools.map((pool) => [pool.family, allocatorOf(pool)]));
  }

  /** Throws docker's errors: an address that cannot be, is taken, or none left. On a throw nothing is reserved. */
  reserve(config: EndpointConfig, owner: EndpointOwner, interfaceName: string): Endpoint {
    const { record } = this;
    if (this.isRemoved) throw new EngineError('not-found', `network ${record.name} not found`);
    if (this.endpoints.has(owner.containerId)) {
      throw new EngineError(
        'forbidden',
        `endpoint with name ${owner.containerName} already exists in network ${record.name}`,
      );
    }
    checkAgainstNetwork(config, record);
    const ipv4 = this.#take(4, config.ipv4);
    let ipv6: string | undefined;
    try {
      ipv6 = this.#take(6, config.ipv6);
    } catch (error) {
      this.#giveBack(ipv4);
      throw error;
    }
    return this.#add(config, owner, {
      networkId: record.id,
      endpointId: randomBytes(32).toString('hex'),
      interfaceName,
      mac: this.interfaces === undefined ? '' : config.mac || makeMac(ipv4),
      ...(ipv4 === undefined ? {} : { ipv4 }),
      ...(ipv6 === undefined ? {} : { ipv6 }),
    });
  }

  /** At the daemon's start: what a running container has. */
  adopt(config: EndpointConfig, owner: EndpointOwner, state: EndpointState): Endpoint {
    for (const text of [state.ipv4, state.ipv6]) {
      const address = parseAddress(text ?? '');
      if (address !== undefined) this.#allocators.get(address.family)?.claim(address);
    }
    return this.#add(config, owner, state);
  }

  release(endpoint: Endpoint): void {
    if (this.endpoints.get(endpoint.containerId) !== endpoint) return;
    this.endpoints.delete(endpoint.containerId);
    this.#unindex(endpoint);
    for (const text of [endpoint.ipv4, endpoint.ipv6]) {
      if (text !== undefined) this.#byAddress.delete(text);
      this.#giveBack(text);
    }
  }

  rename(containerId: string, name: string): void {
    const endpoint = this.endpoints.get(containerId);
    if (endpoint === undefined) return;
    this.#unindex(endpoint);
    endpoint.containerName = name;
    this.#index(endpoint);
  }

  /** In the order of connecting. `name` in any case. */
  named(name: string): Endpoint[] {
    return [...(this.#byName.get(name.toLowerCase()) ?? [])];
  }

  withAddress(address: string): Endpoint | undefined {
    return this.#byAddress.get(address);
  }

  #add(config: EndpointConfig, owner: EndpointOwner, state: EndpointState): Endpoint {
    const endpoint: Endpoint = {
      ...state,
      ...owner,
      aliases: config.aliases ?? [],
      links: new Map(
        (config.links ?? []).map((text) => {
          const { alias, target } = parseLink(text);
          return [alias.toLowerCase(), target];
        }),
      ),
      gatewayPriority: config.gatewayPriority,
      sysctls: endpointSysctls(config, state.interfaceName),
      linkLocal: config.linkLocal ?? [],
    };
    this.endpoints.set(owner.containerId, endpoint);
    this.#index(endpoint);
    for (const text of [state.ipv4, state.ipv6]) if (text !== undefined) this.#byAddress.set(text, endpoint);
    return endpoint;
  }

  #index(endpoint: Endpoint): void {
    for (const name of dnsNames(endpoint)) {
      const key = name.toLowerCase();
      const holders = this.#byName.get(key) ?? new Set();
      this.#byName.set(key, holders.add(endpoint));
    }
  }

  #unindex(endpoint: Endpoint): void {
    for (const name of dnsNames(endpoint)) {
      const key = name.toLowerCase();
      const holders = this.#byName.get(key);
      holders?.delete(endpoint);
      if (holders?.size === 0) this.#byName.delete(key);
    }
  }

  #take(family: 4 | 6, asked: string): string | undefined {
    const allocator = this.#allocators.get(family);
    if (allocator === undefined) return undefined;
    const wanted = parseAddress(asked);
    if (wanted !== undefined) {
      if (!allocator.claim(wanted)) throw new EngineError('forbidden', 'Address already in use');
      return formatAddress(wanted);
    }
    const address: IpAddress | undefined = allocator.allocate();
    if (address === undefined) {
      const { name, id } = this.record;
      throw new EngineError(
        'system',
        `no available IPv${family} addresses on this network's address pools: ${name} (${id})`,
      );
    }
    return formatAddress(address);
  }

  #giveBack(text: string | undefined): void {
    const address = parseAddress(text ?? '');
    if (address !== undefined) this.#allocators.get(address.family)?.release(address);
  }
}

function allocatorOf(pool: NetworkPool): AddressAllocator {
  const subnet = parseSubnet(pool.subnet);
  if (subnet === undefined) throw new TypeError(`stored subnet ${pool.subnet}`);
  const reserved = [pool.gateway, ...pool.auxiliary].map(parseAddress).filter((address) => address !== undefined);
  return new AddressAllocator(subnet, pool.range === undefined ? undefined : parseSubnet(pool.range), reserved);
}

export function gatewayOf(record: NetworkRecord, family: 4 | 6): string | undefined {
  return record.isInternal ? undefined : poolOf(record, family)?.gateway;
}
