// Docker's Network object of a network, and the filters of `network ls` and `network prune`.
import type { Network, NetworkContainer } from '../docker-types/network.ts';
import { EngineError } from '../errors/engine-error.ts';
import { booleanFilter, checkFilterKeys, type Filters, filterPatterns, matchLabels } from '../state/filters.ts';
import type { Endpoint } from './endpoint.ts';
import { type IpamConfig, isPredefined, type NetworkRecord, poolOf, prefixOf } from './network-record.ts';

/** A list shows no containers: none are given then. */
export function networkWire(record: NetworkRecord, endpoints: Iterable<Endpoint> = []): Network {
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: 'local',
    Driver: record.driver,
    EnableIPv4: record.isIpv4Enabled,
    EnableIPv6: record.isIpv6Enabled,
    IPAM: { Driver: 'default', Options: record.ipamOptions, Config: ipamConfig(record) },
    Internal: record.isInternal,
    Attachable: record.isAttachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: containersOf(record, endpoints),
    Options: record.options,
    Labels: record.labels,
  };
}

/** As asked; a family that was not asked about shows what it got. null where nothing has an address. */
function ipamConfig(record: NetworkRecord): IpamConfig[] | null {
  if (record.pools.length === 0) return null;
  return record.pools.map((pool) => {
    const isOfFamily = ({ Subnet }: IpamConfig) => (Subnet ?? '').includes(':') === (pool.family === 6);
    const asked = record.ipamConfig.find(isOfFamily);
    return asked === undefined ? { Subnet: pool.subnet, Gateway: pool.gateway } : withoutEmpty(asked);
  });
}

function withoutEmpty(config: IpamConfig): IpamConfig {
  const { Subnet, IPRange, Gateway, AuxiliaryAddresses } = config;
  return {
    ...(Subnet ? { Subnet } : {}),
    ...(IPRange ? { IPRange } : {}),
    ...(Gateway ? { Gateway } : {}),
    ...(AuxiliaryAddresses && Object.keys(AuxiliaryAddresses).length > 0 ? { AuxiliaryAddresses } : {}),
  };
}

function containersOf(record: NetworkRecord, endpoints: Iterable<Endpoint>): Record<string, NetworkContainer> {
  const withPrefix = (family: 4 | 6, address: string | undefined) => {
    const pool = poolOf(record, family);
    return address === undefined || pool === undefined ? '' : `${address}/${prefixOf(pool)}`;
  };
  return Object.fromEntries(
    [...endpoints].map((endpoint) => [
      endpoint.containerId,
      {
        Name: endpoint.containerName,
        EndpointID: endpoint.endpointId,
        MacAddress: endpoint.mac,
        IPv4Address: withPrefix(4, endpoint.ipv4),
        IPv6Address: withPrefix(6, endpoint.ipv6),
      },
    ]),
  );
}

const listKeys: ReadonlySet<string> = new Set(['dangling', 'driver', 'id', 'label', 'label!', 'name', 'scope', 'type']);
const pruneKeys: ReadonlySet<string> = new Set(['label', 'label!', 'until']);

/** `isUsed`: a container is connected. Throws 'invalid' in docker's words. */
export function networkFilter(
  filters: Filters,
  isUsed: (record: NetworkRecord) => boolean,
): (record: NetworkRecord) => boolean {
  checkFilterKeys(filters, listKeys);
  const dangling = booleanFilter(filters, 'dangling');
  for (const type of filters.get('type') ?? []) {
    if (type !== 'builtin' && type !== 'custom') throw new EngineError('invalid', `invalid filter: 'type'='${type}'`);
  }
  const any = (key: string, test: (value: string) => boolean) => {
    const values = filters.get(key) ?? [];
    return values.length === 0 || values.some(test);
  };
  const patterns = filterPatterns(filters, ['name', 'id']);
  const matches = (key: string, text: string) => {
    const list = patterns(key);
    return list.length === 0 || list.some((pattern) => pattern.test(text));
  };
  return (record) =>
    matches('name', record.name) &&
    matches('id', record.id) &&
    any('driver', (value) => record.driver === value) &&
    any('scope', (value) => value === 'local') &&
    any('type', (value) => (value === 'builtin') === isPredefined(record)) &&
    (dangling === undefined || dangling === (!isPredefined(record) && !isUsed(record))) &&
    matchLabels(filters, record.labels);
}

/** Throws 'invalid' in docker's words. `untilMs` as parsed by the caller. */
export function pruneFilter(filters: Filters, untilMs: number | undefined): (record: NetworkRecord) => boolean {
  checkFilterKeys(filters, pruneKeys);
  return (record) =>
    !isPredefined(record) &&
    (untilMs === undefined || Date.parse(record.created) < untilMs) &&
    matchLabels(filters, record.labels);
}
