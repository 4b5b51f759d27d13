// The network's part of `tsdocker explain`: what is done outside the container before its first process, as lines.
import type { InterfaceFacts } from '../../networks/drivers/network-driver.ts';
import type { EndpointConfig } from '../../networks/endpoint-config.ts';
import { type NetworkRecord, poolOf, prefixOf } from '../../networks/network-record.ts';
import type { ContainerSpec } from '../../spec/container-spec.ts';
import { portRequests } from '../../spec/ports.ts';
import type { Needs } from '../needs.ts';
import { findNetwork } from './plan-endpoints.ts';

/** See needs.ts. */
export type ExplainNetworkNeeds = Needs<'networks.registry'>;

export function explainNetwork(
  { networks }: ExplainNetworkNeeds,
  spec: Pick<ContainerSpec, 'network' | 'ports'>,
  endpoints: readonly EndpointConfig[],
): string[] {
  const mode = spec.network;
  if (mode.kind === 'host') return ["the host's own network: nothing is made"];
  if (mode.kind === 'container') return [`the network of container ${mode.ref} is joined: nothing is made`];
  const lines = ['take a prepared network namespace: loopback is up in it'];
  let number = 0;
  for (const endpoint of endpoints) {
    const entry = findNetwork(networks.registry, endpoint);
    if (entry === undefined) lines.push(`network ${endpoint.network}: there is none: the start would fail`);
    else if (entry.interfaces !== undefined)
      lines.push(...connectionLines(entry.record, entry.interfaces, endpoint, number++));
  }
  const ports = portRequests(spec.ports);
  for (const { hostIp, hostPorts, containerPort, protocol } of number === 0 ? [] : ports) {
    const first = hostPorts?.first;
    const port =
      hostPorts === undefined ? 'any free port' : first === hostPorts.last ? first : `${first}-${hostPorts.last}`;
    lines.push(
      `publish ${hostIp === '' ? 'every address of the host' : hostIp}, ${port} -> ${containerPort}/${protocol}`,
    );
  }
  return lines;
}

function connectionLines(
  record: NetworkRecord,
  { means, prefix, mtu }: InterfaceFacts,
  endpoint: EndpointConfig,
  number: number,
): string[] {
  const addresses = ([4, 6] as const).flatMap((family) => {
    const pool = poolOf(record, family);
    if (pool === undefined) return [];
    const asked = family === 4 ? endpoint.ipv4 : endpoint.ipv6;
    return [asked === '' ? `the first free address of ${pool.range ?? pool.subnet}` : `${asked}/${prefixOf(pool)}`];
  });
  const gateways = record.isInternal ? [] : record.pools.map(({ gateway }) => gateway);
  return [
    `network ${record.name}: ${means}`,
    `  interface ${prefix}${number} with ${addresses.join(' and ')}, MTU ${mtu}`,
    ...(gateways.length > 0 ? [`  default route by way of ${gateways.join(' and ')}`] : ['  internal: no way out']),
  ];
}
