// What a network driver is: how containers on its networks come to have an interface. Names, addresses and default routes are the model's
// (network-entry.ts, gateways.ts); a driver is told what came of them.

import type { PortRequest } from '../../spec/ports.ts';
import type { Endpoint } from '../endpoint.ts';
import type { HealReport, NetworkNamespace } from '../kernel/network-kernel.ts';
import type { PublishedPort } from '../kernel/published-port.ts';
import type { BridgeSettings, NetworkRecord } from '../network-record.ts';

export interface NetworkDriver {
  /** As in --driver, /info and the record. */
  readonly name: string;
  /** There is one network of this driver, so called; the engine makes it at its start, and nobody another. */
  readonly only?: string;

  /** Checks the options of a network that is to be made. Throws 'invalid' or 'not-implemented' in docker's words. */
  plan(asked: AskedNetwork): DriverPlan;
  /** Throws 'forbidden' when it cannot be beside one of the others. */
  checkBeside?(record: NetworkRecord, others: readonly NetworkRecord[]): void;
  /** undefined: containers on it get none; they are noted as being there, and nothing below is called for them. */
  interfaces(record: NetworkRecord): InterfaceFacts | undefined;

  /** What all endpoints share; made, or brought to what the record says. Whole or not at all, as every change here. */
  ensure(record: NetworkRecord): Promise<void>;
  /** By this daemon, and not removed since. */
  isMade(record: NetworkRecord): boolean;
  /** Also when it is gone already. Nobody is on it. */
  remove(record: NetworkRecord): Promise<void>;
  /** An interface in the namespace, with its addresses and routes, up when this settles. Ensures the network. */
  join(namespace: NetworkNamespace, request: JoinRequest): Promise<void>;
  /** Also when it is gone already. */
  leave(endpoint: Endpoint, from: LeftNamespace): Promise<void>;
  /** Absent: its containers cannot publish, and what is asked for is not there. */
  readonly ports?: PortPublisher;
  /** At the start, before anything else: what is missing is made again, what of the driver's is beyond it goes. */
  heal(state: DriverState): Promise<HealReport>;

  /** What the host lacks for it, for /info; asked when a container is on one of its networks. */
  warnings?(): string[];
}

export interface AskedNetwork {
  readonly id: string;
  readonly options: Readonly<Record<string, string>>;
  readonly isIpv6Enabled: boolean;
}

export interface DriverPlan {
  /** Subnets are chosen for it, and addresses for its endpoints. */
  readonly hasAddresses: boolean;
  /** Of the bridge driver, kept in the record. Another reads the record's options again. */
  readonly bridge?: BridgeSettings;
}

export interface InterfaceFacts {
  /** Inside: a number follows it. */
  readonly prefix: string;
  readonly mtu: number;
  /** For `explain`: "bridge br-0a1b, made if it is not there". */
  readonly means: string;
  /** The engine's own on the host: routes over it are no other network's. */
  readonly hostInterface?: string;
}

export interface JoinRequest {
  readonly record: NetworkRecord;
  readonly endpoint: Endpoint;
  /** The default routes that are this endpoint's to provide. */
  readonly gateways: Gateways;
}

export interface LeftNamespace {
  /** It has no process left and goes by itself, with what is in it. */
  readonly hasEnded: boolean;
  /** The caller closes it; throws 'conflict' when the container has ended meanwhile. Absent where only other containers are left in it. */
  open?(): NetworkNamespace;
}

export interface Gateways {
  readonly gateway4?: string;
  readonly gateway6?: string;
}

export interface PortPublisher {
  /** All or none. Returns what is bound. Throws 'system' in docker's words with the host port that is taken. */
  publish(record: NetworkRecord, endpoint: Endpoint, ports: readonly PortRequest[]): Promise<PublishedPort[]>;
  /** Also when they are gone already. */
  unpublish(ports: readonly PublishedPort[]): Promise<void>;
}

/** All that should be there of one driver. */
export interface DriverState {
  readonly networks: readonly NetworkRecord[];
  /** Of running containers. A pid, because after a restart no namespace is held. */
  readonly endpoints: readonly (JoinRequest & { readonly pid: number })[];
  readonly ports: readonly PublishedPort[];
}
