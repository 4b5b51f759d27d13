// What is kept of a network: as it was asked for, and what came of it. Plain data, stored as JSON.

/** One entry of IPAM.Config as a client sends and reads it. */
export interface IpamConfig {
  Subnet?: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

/** One subnet of a network: at most one for each family. Texts in canonical form. */
export interface NetworkPool {
  family: 4 | 6;
  /** "172.18.0.0/16" */
  subnet: string;
  /** The containers' gateway; of a bridge, its own address. */
  gateway: string;
  /** Where unasked addresses come from. */
  range?: string;
  /** Never given out. */
  auxiliary: readonly string[];
}

/** What the options of the bridge driver say. */
export interface BridgeSettings {
  /** The interface's name on the host, at most 15 bytes. */
  name: string;
  mtu?: number;
  isIccEnabled: boolean;
  isMasqueraded: boolean;
  /** Where ports without a host address are published; "" is everywhere. */
  hostIp: string;
  /** Interfaces inside containers are called so, with a number. */
  interfacePrefix: string;
  /** The name was asked for: a bridge of that name that is there already is used. */
  isNameAsked: boolean;
}

export interface NetworkRecord {
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  /** The driver's name. */
  readonly driver: string;
  readonly isIpv4Enabled: boolean;
  readonly isIpv6Enabled: boolean;
  readonly isInternal: boolean;
  readonly isAttachable: boolean;
  readonly ipamOptions: Record<string, string> | null;
  /** As asked, for inspect and for whether addresses may be chosen; empty when the subnets are the engine's choice. */
  readonly ipamConfig: readonly IpamConfig[];
  readonly pools: readonly NetworkPool[];
  /** Only of the bridge driver's, and not with --bridge=none. */
  readonly bridge?: BridgeSettings;
  readonly options: Record<string, string>;
  readonly labels: Record<string, string>;
}

/** The networks that are always there: they cannot be made or removed. */
export const predefined: ReadonlySet<string> = new Set(['bridge', 'host', 'none']);

export function isPredefined({ name }: Pick<NetworkRecord, 'name'>): boolean {
  return predefined.has(name);
}

export function poolOf(record: NetworkRecord, family: 4 | 6): NetworkPool | undefined {
  return record.pools.find((pool) => pool.family === family);
}

export function prefixOf({ subnet }: NetworkPool): number {
  return Number(subnet.slice(subnet.indexOf('/') + 1));
}
