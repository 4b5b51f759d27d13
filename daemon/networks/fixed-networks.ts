// The networks that are always there. A container on "bridge" has a namespace of its own with loopback only, until bridges come.
import { createHash } from 'node:crypto';
import type { Network } from '../api/types/system.ts';
import { type NetworkService, networkNotFound } from './network-service.ts';

/** What a container of the network shows of itself. */
export interface Endpoint {
  containerId: string;
  containerName: string;
  endpointId: string;
}

export type FixedNetworkName = 'bridge' | 'host' | 'none';

const drivers: Readonly<Record<FixedNetworkName, string>> = { bridge: 'bridge', host: 'host', none: 'null' };
const names: readonly FixedNetworkName[] = ['bridge', 'host', 'none'];

export class FixedNetworks implements NetworkService {
  readonly #created: string;
  readonly #ids: ReadonlyMap<FixedNetworkName, string>;
  readonly #endpoints: (network: FixedNetworkName) => Endpoint[];

  /** `engineId` makes the ids: stable over restarts, different on each host. `endpoints` tells who is running on a network. */
  constructor(engineId: string, created: string, endpoints: (network: FixedNetworkName) => Endpoint[]) {
    this.#created = created;
    this.#ids = new Map(names.map((name) => [name, createHash('sha256').update(`${engineId} ${name}`).digest('hex')]));
    this.#endpoints = endpoints;
  }

  idOf(name: FixedNetworkName): string {
    return this.#ids.get(name) ?? '';
  }

  driverOf(name: FixedNetworkName): string {
    return drivers[name];
  }

  list(filters: ReadonlyMap<string, readonly string[]>): Network[] {
    const any = (key: string, test: (value: string) => boolean) => {
      const values = filters.get(key);
      return values === undefined || values.length === 0 || values.some(test);
    };
    return names
      .filter(
        (name) =>
          any('name', (value) => name.includes(value)) &&
          any('id', (value) => this.idOf(name).startsWith(value)) &&
          any('driver', (value) => drivers[name] === value) &&
          any('scope', (value) => value === 'local') &&
          any('type', (value) => value === 'builtin') &&
          any('dangling', (value) => value === 'false' || value === '0') &&
          any('label', () => false),
      )
      .map((name) => this.#wire(name));
  }

  inspect(ref: string): Network {
    const exact = names.find((name) => this.idOf(name) === ref || name === ref);
    if (exact !== undefined) return this.#wire(exact, this.#endpoints(exact));
    const matches = /^[0-9a-f]{1,63}$/.test(ref) ? names.filter((name) => this.idOf(name).startsWith(ref)) : [];
    const [only] = matches;
    if (only === undefined || matches.length > 1) throw networkNotFound(ref);
    return this.#wire(only, this.#endpoints(only));
  }

  #wire(name: FixedNetworkName, endpoints?: readonly Endpoint[]): Network {
    return {
      Name: name,
      Id: this.idOf(name),
      Created: this.#created,
      Scope: 'local',
      Driver: drivers[name],
      EnableIPv4: true,
      EnableIPv6: false,
      IPAM: { Driver: 'default', Options: null, Config: [] },
      Internal: false,
      Attachable: false,
      Ingress: false,
      ConfigFrom: { Network: '' },
      ConfigOnly: false,
      ...(endpoints === undefined ? {} : { Containers: containersOf(endpoints) }),
      Options: {},
      Labels: {},
    };
  }
}

function containersOf(endpoints: readonly Endpoint[]): NonNullable<Network['Containers']> {
  return Object.fromEntries(
    endpoints.map((endpoint) => [
      endpoint.containerId,
      {
        Name: endpoint.containerName,
        EndpointID: endpoint.endpointId,
        MacAddress: '',
        IPv4Address: '',
        IPv6Address: '',
      },
    ]),
  );
}
