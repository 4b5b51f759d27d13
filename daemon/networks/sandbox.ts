// What one running container has of the network, in memory. Changed only by Sandboxes, inside the container's lock.

import type { PortRequest } from '../spec/ports.ts';
import type { NetworkDriver } from './drivers/network-driver.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import { interfaceNameOf } from './endpoint-config.ts';
import { type Connection, portConnection } from './gateways.ts';
import type { PublishedPort } from './kernel/published-port.ts';
import type { ResolverSettings } from './name-directory.ts';
import type { EndpointOwner, NetworkEntry } from './network-entry.ts';
import { isPredefined } from './network-record.ts';
import type { SandboxRecord } from './sandbox-file.ts';

/** A network to connect to, and how. */
export interface Attachment {
  entry: NetworkEntry;
  config: EndpointConfig;
}

export interface SandboxOwner extends EndpointOwner {
  /** The directory of the run, where what is there is noted. */
  runDir: string;
  /** What is published, wherever it leads. */
  wantedPorts: readonly PortRequest[];
  resolver: Omit<ResolverSettings, 'hasWayOut'>;
}

export class Sandbox {
  readonly owner: SandboxOwner;
  readonly sandboxId: string;
  readonly connections: Connection[] = [];
  ports: readonly PublishedPort[] = [];
  /** Whose the ports are. */
  publisher: NetworkDriver | undefined;
  hasResolver = false;

  constructor(owner: SandboxOwner, sandboxId: string) {
    this.owner = owner;
    this.sandboxId = sandboxId;
  }

  connection(networkId: string): Connection | undefined {
    return this.connections.find(({ entry }) => entry.record.id === networkId);
  }

  /** Those that the kernel knows of: host and none are only noted. */
  get joined(): Connection[] {
    return this.connections.filter(({ entry }) => entry.interfaces !== undefined);
  }

  get isOnUserNetwork(): boolean {
    return this.connections.some(({ entry }) => !isPredefined(entry.record));
  }

  resolverSettings(): ResolverSettings {
    return {
      ...this.owner.resolver,
      hasWayOut: this.connections.some(({ entry }) => !entry.record.isInternal),
    };
  }

  /** The endpoint that ports would lead to that are published now. */
  get portConnection(): Connection | undefined {
    return portConnection(this.connections);
  }

  /** That published ports lead there: those of the gateway when they were published, which may be another one by now. */
  hasPortsOn({ endpoint: { ipv4, ipv6 } }: Connection): boolean {
    return this.ports.some(({ containerIp }) => containerIp === ipv4 || containerIp === ipv6);
  }

  /** The first number that is free, or the name that was asked for. */
  freeInterfaceName(config: EndpointConfig, prefix: string): string {
    const asked = interfaceNameOf(config);
    if (asked !== '') return asked;
    const taken = new Set(this.connections.map(({ endpoint }) => endpoint.interfaceName));
    let number = 0;
    while (taken.has(`${prefix}${number}`)) number++;
    return `${prefix}${number}`;
  }

  record(): SandboxRecord {
    return {
      sandboxId: this.sandboxId,
      endpoints: this.joined.map(({ endpoint }) => ({
        networkId: endpoint.networkId,
        endpointId: endpoint.endpointId,
        interfaceName: endpoint.interfaceName,
        mac: endpoint.mac,
        ...(endpoint.ipv4 === undefined ? {} : { ipv4: endpoint.ipv4 }),
        ...(endpoint.ipv6 === undefined ? {} : { ipv6: endpoint.ipv6 }),
      })),
      ports: [...this.ports],
    };
  }
}
