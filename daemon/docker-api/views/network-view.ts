// Docker's Network object.
import type { Network, NetworkContainer } from '../../docker-types/network.ts';
import type { Endpoint } from '../../networks/endpoint.ts';
import { type IpamConfig, type NetworkRecord, poolOf, prefixOf } from '../../networks/network-record.ts';
import type { SeenNetwork } from '../../networks/network-service.ts';

/** A list shows no containers: leave `endpoints` empty. */
export function networkView({ record, endpoints }: SeenNetwork): Network {
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
