// Networks, and how containers are connected to them, under the names of Docker's API description.
import { type Static, Type } from '@sinclair/typebox';

const opt = Type.Optional;
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
const text = opt(Type.String());
const bool = opt(Type.Boolean());
const strings = opt(nullable(Type.Array(Type.String())));
const stringMap = opt(nullable(Type.Record(Type.String(), Type.String())));

export const IpamPool = Type.Object({
  Subnet: text,
  IPRange: text,
  Gateway: text,
  AuxiliaryAddresses: opt(Type.Record(Type.String(), Type.String())),
});

/** Body of POST /networks/create. */
export const NetworkCreateRequest = Type.Object({
  Name: text,
  CheckDuplicate: bool,
  Driver: text,
  Scope: text,
  EnableIPv4: bool,
  EnableIPv6: bool,
  Internal: bool,
  Attachable: bool,
  Ingress: bool,
  ConfigOnly: bool,
  ConfigFrom: opt(nullable(Type.Object({ Network: text }))),
  IPAM: opt(
    nullable(
      Type.Object({ Driver: text, Options: stringMap, Config: opt(nullable(Type.Array(IpamPool, { maxItems: 64 }))) }),
    ),
  ),
  Options: opt(Type.Record(Type.String(), Type.String())),
  Labels: opt(Type.Record(Type.String(), Type.String())),
});
export type NetworkCreateRequest = Static<typeof NetworkCreateRequest>;

/** What a client asks of one connection; the fields that only answers have are passed over. */
export const EndpointRequest = Type.Object({
  IPAMConfig: opt(nullable(Type.Object({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: strings }))),
  Links: strings,
  Aliases: strings,
  MacAddress: text,
  DriverOpts: stringMap,
  GwPriority: opt(Type.Integer({ minimum: -9007199254740991, maximum: 9007199254740991 })),
});
export type EndpointRequest = Static<typeof EndpointRequest>;

/** Body of POST /networks/{id}/connect and disconnect. */
export const NetworkConnectRequest = Type.Object({ Container: text, EndpointConfig: opt(nullable(EndpointRequest)) });
export type NetworkConnectRequest = Static<typeof NetworkConnectRequest>;
export const NetworkDisconnectRequest = Type.Object({ Container: text, Force: bool });
export type NetworkDisconnectRequest = Static<typeof NetworkDisconnectRequest>;

export interface NetworkCreateResponse {
  Id: string;
  Warning: string;
}

export interface NetworkPruneResponse {
  NetworksDeleted: string[] | null;
}

/** Docker's Network object. */
export interface Network {
  Name: string;
  Id: string;
  Created: string;
  Scope: string;
  Driver: string;
  EnableIPv4: boolean;
  EnableIPv6: boolean;
  IPAM: { Driver: string; Options: Record<string, string> | null; Config: Static<typeof IpamPool>[] | null };
  Internal: boolean;
  Attachable: boolean;
  Ingress: boolean;
  ConfigFrom: { Network: string };
  ConfigOnly: boolean;
  /** Empty in a list, but for clients below 1.28. */
  Containers: Record<string, NetworkContainer>;
  Options: Record<string, string>;
  Labels: Record<string, string>;
}

/** Addresses with the length of their prefix; empty where there is none. */
export interface NetworkContainer {
  Name: string;
  EndpointID: string;
  MacAddress: string;
  IPv4Address: string;
  IPv6Address: string;
}
