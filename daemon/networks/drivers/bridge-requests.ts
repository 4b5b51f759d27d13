// What the kernel is asked for a network and for an endpoint. Pure.
import type { Endpoint } from '../endpoint.ts';
import type { BridgeRequest, EndpointRequest, InterfaceAddress } from '../kernel/network-kernel.ts';
import { type NetworkRecord, poolOf, prefixOf } from '../network-record.ts';

export function bridgeRequest(record: NetworkRecord): BridgeRequest {
  const { bridge } = record;
  if (bridge === undefined) throw new TypeError(`network ${record.name} has no bridge`);
  const gateway = (family: 4 | 6): InterfaceAddress | undefined => {
    const pool = poolOf(record, family);
    return pool === undefined ? undefined : { address: pool.gateway, prefix: prefixOf(pool) };
  };
  const ipv4 = gateway(4);
  const ipv6 = gateway(6);
  return {
    name: bridge.name,
    networkId: record.id,
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(bridge.mtu === undefined ? {} : { mtu: bridge.mtu }),
    isInternal: record.isInternal,
    isIccEnabled: bridge.isIccEnabled,
    isMasqueraded: bridge.isMasqueraded && !record.isInternal,
    ...(bridge.isNameAsked ? { isForeignAllowed: true } : {}),
  };
}

/** With the prefixes that docker gives them. */
function linkLocalAddress(address: string): InterfaceAddress {
  return { address, prefix: address.includes(':') ? 64 : 16 };
}

/** `gateways`: those of them that this endpoint has to provide. */
export function endpointRequest(
  record: NetworkRecord,
  endpoint: Endpoint,
  gateways: { gateway4?: string; gateway6?: string },
): EndpointRequest {
  const { bridge } = record;
  if (bridge === undefined) throw new TypeError(`network ${record.name} has no bridge`);
  const address = (family: 4 | 6, text: string | undefined): InterfaceAddress | undefined => {
    const pool = poolOf(record, family);
    return text === undefined || pool === undefined ? undefined : { address: text, prefix: prefixOf(pool) };
  };
  const ipv4 = address(4, endpoint.ipv4);
  const ipv6 = address(6, endpoint.ipv6);
  return {
    endpointId: endpoint.endpointId,
    containerId: endpoint.containerId,
    bridge: bridge.name,
    interfaceName: endpoint.interfaceName,
    mac: endpoint.mac,
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...gateways,
    ...(bridge.mtu === undefined ? {} : { mtu: bridge.mtu }),
    isIccEnabled: bridge.isIccEnabled,
    ...(endpoint.sysctls.size === 0 ? {} : { sysctls: endpoint.sysctls }),
    ...(endpoint.linkLocal.length === 0 ? {} : { linkLocal: endpoint.linkLocal.map(linkLocalAddress) }),
  };
}
