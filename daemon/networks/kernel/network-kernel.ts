// What the network services ask of the kernel, and nothing about how it is done: bridges, containers' interfaces, published ports.
// Addresses are texts without a prefix ("172.17.0.2", "fd00::2") unless a field says otherwise; interface names have at most 15 bytes.
import type { PublishedPort, PublishRequest } from './published-port.ts';

/** An address of an interface, with the length of its network's prefix. */
export interface InterfaceAddress {
  address: string;
  prefix: number;
}

export interface BridgeRequest {
  /** As in /sys/class/net. Refused when an interface of that name is there that is no bridge of this engine's making. */
  name: string;
  networkId: string;
  /** The host's own addresses on it, which are the containers' gateways. */
  ipv4?: InterfaceAddress;
  ipv6?: InterfaceAddress;
  mtu?: number;
  /** --internal: nothing is forwarded in or out. */
  isInternal: boolean;
  /** false: containers on it do not reach each other, except through what they publish. */
  isIccEnabled: boolean;
  /** Outgoing traffic has the host's address. */
  isMasqueraded: boolean;
  /** An existing bridge of somebody else's is used and never removed (com.docker.network.bridge.name). */
  isForeignAllowed?: boolean;
}

/** A namespace of a container, held open. Whoever took it closes it with `dispose`; a container that has joined it keeps it alive. */
export interface NetworkNamespace extends Disposable {
  readonly fd: number;
}

export interface EndpointRequest {
  endpointId: string;
  containerId: string;
  bridge: string;
  /** Inside, such as "eth0". */
  interfaceName: string;
  /** "02:42:ac:11:00:02". */
  mac: string;
  ipv4?: InterfaceAddress;
  ipv6?: InterfaceAddress;
  /** Further addresses of the interface. */
  linkLocal?: readonly InterfaceAddress[];
  /** Where everything goes that has no route of its own; undefined when another endpoint does that, or on an internal network. */
  gateway4?: string;
  gateway6?: string;
  mtu?: number;
  /** As on the bridge: without it the port of the bridge is isolated from its neighbours. */
  isIccEnabled: boolean;
  /** net.*.IFNAME sysctls (com.docker.network.endpoint.sysctls): path below /proc/sys with the interface's name put in, and value. */
  sysctls?: ReadonlyMap<string, string>;
}

/** What detaching needs; all of it is known without the kernel, so that it works after a restart as well. */
export interface EndpointReference {
  endpointId: string;
  containerId: string;
  ipv4?: string;
  ipv6?: string;
  /** Its namespace has no process left and goes by itself; only what is outside is cleaned. */
  hasEnded: boolean;
}

/** All that should be there: what of the engine's is beyond it is removed, what is missing is made again. */
export interface DesiredState {
  bridges: readonly BridgeRequest[];
  /** Of running containers. A pid, because after a restart no namespace is held. */
  endpoints: readonly { endpoint: EndpointRequest; pid: number }[];
  ports: readonly PublishedPort[];
}

/** What `heal` had to do, for the log. Each text says one thing; empty when all was as it should be. */
export interface HealReport {
  repaired: string[];
  /** What could not be made again, such as a host port that somebody else has by now. */
  failed: string[];
}

/** A network of the host that address pools must stay clear of. */
export interface HostRoute {
  /** "10.0.0.0/8"; the default routes are left out. */
  destination: string;
  interfaceName: string;
}

/** What /info and the log say of the host's settings. */
export interface HostForwarding {
  ipv4Forwarding: boolean;
  ipv6Forwarding: boolean;
  /** undefined: the kernel has no br_netfilter (loaded). */
  bridgeNfIptables?: boolean;
  bridgeNfIp6tables?: boolean;
  warnings: string[];
}

/**
 * The kernel's part of networking. Methods may run at the same time; each is whole or not at all: one that throws has undone what
 * it made. They throw EngineError; 'conflict' is for what the user can change (a name or a port taken), 'system' for the rest.
 */
export interface NetworkKernel {
  /** Made, or brought to what is asked when it exists already. Turns forwarding on when it is off. */
  ensureBridge(bridge: BridgeRequest): Promise<void>;
  /** Also when it is gone already. A bridge of somebody else's stays with its addresses; only the rules for it go. */
  removeBridge(name: string): Promise<void>;
  /** From the pool: loopback is up, nothing else in it. Settles at once unless the pool is empty. */
  takeNamespace(): Promise<NetworkNamespace>;
  /** Of a running process. Throws 'conflict' when it has ended. */
  openNamespaceOf(pid: number): NetworkNamespace;
  /** One interface in the namespace, with its addresses and routes, up when this settles. */
  attach(namespace: NetworkNamespace, endpoint: EndpointRequest): Promise<void>;
  /** Replaces the default routes: when the endpoint that had them was disconnected, or one with a higher priority came. */
  setGateways(namespace: NetworkNamespace, gateways: { gateway4?: string; gateway6?: string }): Promise<void>;
  /** The interface, neighbour entries and tracked connections of its addresses. Also when it is gone already. */
  detach(endpoint: EndpointReference): Promise<void>;
  /**
   * All of them or none. Returns what is bound, in the order of the requests (a request without hostIp yields one port for IPv4 and,
   * where the host has IPv6, one for IPv6). Throws 'system' in docker's words with the host port that is taken.
   */
  publish(request: PublishRequest): Promise<PublishedPort[]>;
  /** Also when they are gone already. */
  unpublish(ports: readonly PublishedPort[]): Promise<void>;
  /** At start, and whenever the services suspect the rules (nft flush ruleset). Orphans of this engine go, those of others never. */
  heal(desired: DesiredState): Promise<HealReport>;
  hostRoutes(): Promise<HostRoute[]>;
  hostForwarding(): HostForwarding;
  /** Stops helpers and closes sockets. Containers and their ports go on. */
  dispose(): Promise<void>;
}
