// What the API may ask about networks. There are the fixed ones only: none, host, and the private loopback default "bridge".
import { EngineError } from '../errors/engine-error.ts';

/** Docker's Network object, as GET /networks/{id} gives it. */
export interface NetworkWire {
  Name: string;
  Id: string;
  Created: string;
  Scope: 'local';
  Driver: string;
  EnableIPv4: boolean;
  EnableIPv6: boolean;
  IPAM: { Driver: string; Options: null; Config: { Subnet?: string; Gateway?: string }[] };
  Internal: boolean;
  Attachable: boolean;
  Ingress: boolean;
  ConfigFrom: { Network: string };
  ConfigOnly: boolean;
  Containers: Record<
    string,
    { Name: string; EndpointID: string; MacAddress: string; IPv4Address: string; IPv6Address: string }
  >;
  Options: Record<string, string>;
  Labels: Record<string, string>;
}

export interface NetworkService {
  list(filters: ReadonlyMap<string, readonly string[]>): NetworkWire[];
  /** By id, name, then unique id prefix. */
  inspect(ref: string): NetworkWire;
}

export function networkNotFound(ref: string): EngineError {
  return new EngineError('not-found', `network ${ref} not found`);
}
