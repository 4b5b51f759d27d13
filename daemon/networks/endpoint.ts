// The connection of a running container to one network: the interface and addresses that it has.
import { randomBytes } from 'node:crypto';
import { type IpAddress, parseAddress } from '../protocols/addresses/ip-address.ts';

/** Plain data, stored while the container runs. */
export interface EndpointState {
  networkId: string;
  endpointId: string;
  /** Inside the container. */
  interfaceName: string;
  /** Empty where there is no interface. */
  mac: string;
  ipv4?: string;
  ipv6?: string;
}

export interface Endpoint extends EndpointState {
  readonly containerId: string;
  containerName: string;
  readonly hostname: string;
  readonly aliases: readonly string[];
  /** Names that only this container sees: alias -> the other's name or id. */
  readonly links: ReadonlyMap<string, string>;
  readonly gatewayPriority: number;
  readonly sysctls: ReadonlyMap<string, string>;
  readonly linkLocal: readonly string[];
}

/** All names that neighbours see, the container's own first. */
export function dnsNames(endpoint: Endpoint): string[] {
  const { containerName, aliases, containerId, hostname } = endpoint;
  return [...new Set([containerName, ...aliases, containerId.slice(0, 12), ...(hostname === '' ? [] : [hostname])])];
}

/** As older dockers: made of the IPv4 address, so that neighbours that remember the last holder of an address are right. */
export function makeMac(ipv4: string | undefined): string {
  const bytes =
    ipv4 === undefined
      ? [0x02, ...randomBytes(5)]
      : [0x02, 0x42, ...quad(parseAddress(ipv4) ?? { family: 4, value: 0n })];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function quad({ value }: IpAddress): number[] {
  return [24n, 16n, 8n, 0n].map((shift) => Number((value >> shift) & 255n));
}
