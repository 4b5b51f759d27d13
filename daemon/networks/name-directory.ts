// Between the model of networks and the name server in containers' namespaces: who can see which names, live, and when a container's
// resolver begins and ends. The model implements NameDirectory and calls Resolvers; the name server does the reverse.

export interface NameAddresses {
  /** Dotted quads; in the order of the container's networks, several when several containers share an alias. */
  readonly ipv4: readonly string[];
  /** In RFC 5952's form. */
  readonly ipv6: readonly string[];
}

/** Names are compared without case. All answers hold at the moment of the call: nothing is to be kept. */
export interface NameDirectory {
  /**
   * What `name` means to the container: a container's name, alias, short id, or a link of its own, on any user network that both are
   * on, also as `name.network`. undefined: no network of it knows the name, so it is one for the resolvers outside. Both lists
   * empty never happens; a name with only one kind has an empty list for the other.
   */
  addressesOf(containerId: string, name: string): NameAddresses | undefined;
  /** The name of an address on a network of the container, as `name.network`; undefined when no neighbour has it. */
  nameOf(containerId: string, address: string): string | undefined;
  /** The address is of a subnet of one of the container's networks: its reverse name is not one for the resolvers outside. */
  isOwnSubnet(containerId: string, address: string): boolean;
}

/** Where a container's network namespace is: open by the model for the length of the call, or that of a running process. */
export type SandboxNamespace = { readonly fd: number } | { readonly pid: number };

export interface ResolverSettings {
  /** Resolvers outside, most wanted first, as --dns or the host's resolv.conf says. */
  readonly servers: readonly string[];
  /** The servers are the host's own: they are asked from the host's namespace (its loopback is reachable there). Else from the container's. */
  readonly isFromHost: boolean;
  /** false: every network of the container is internal. Nothing is asked outside. */
  readonly hasWayOut: boolean;
  /** --dns-option named ndots: names of one label that no neighbour has are not asked outside, as with Docker. */
  readonly isNdotsSet?: boolean;
}

/** Resolvers inside containers' namespaces, on 127.0.0.11. Only containers on a user network have one. */
export interface Resolvers {
  /**
   * Before the first process of the container runs; also when a running container gets its first user network, and at the daemon's
   * start for those that run. On a failure nothing is left. Called again for a container that has one: takes the settings, and
   * the namespace if it changed.
   */
  start(containerId: string, namespace: SandboxNamespace, settings: ResolverSettings): void | Promise<void>;
  /** Another network came or went. */
  update(containerId: string, settings: ResolverSettings): void;
  /** The container has ended, or left its last user network. No error when there is none. */
  stop(containerId: string): void;
}

/** For tests, and a host where no resolver can be: names are not answered. */
export const noResolvers: Resolvers = { start() {}, update() {}, stop() {} };
