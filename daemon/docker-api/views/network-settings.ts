// What inspect and ps show of a container's network.
import type { InspectedContainer, SeenConnection, SeenContainer } from '../../containers/seen/seen-container.ts';
import type { EndpointSettings, NetworkSettings, Port } from '../../docker-types/container.ts';
import { type EndpointConfig, plainEndpoint } from '../../networks/endpoint-config.ts';
import type { PublishedPort } from '../../networks/kernel/published-port.ts';
import { gatewayOf } from '../../networks/network-entry.ts';
import { isPredefined, poolOf, prefixOf } from '../../networks/network-record.ts';
import { exposedPorts } from '../../spec/ports.ts';

/** As a list shows them: where it is on the network, and not how it is called there. */
export function listedNetworks(container: SeenContainer): Record<string, EndpointSettings> {
  const entries = Object.entries(networksOf(container));
  const without = { Links: null, Aliases: null, DriverOpts: null, DNSNames: null };
  return Object.fromEntries(entries.map(([name, settings]) => [name, { ...settings, ...without }]));
}

function networksOf(container: SeenContainer): Record<string, EndpointSettings> {
  return Object.fromEntries(
    container.record.endpoints.map((config) => {
      const connection = container.sandbox?.connections.find(({ network }) => isMeant(config, network));
      return [connection?.network.name ?? config.network, endpointSettings(container, config, connection)];
    }),
  );
}

function isMeant(config: EndpointConfig, network: { id: string; name: string }): boolean {
  return config.networkId === network.id || config.network === network.name;
}

function endpointSettings(
  container: SeenContainer,
  config: EndpointConfig,
  connection?: SeenConnection,
): EndpointSettings {
  const { ipv4, ipv6, linkLocal } = config;
  const addresses = {
    ...(ipv4 === '' ? {} : { IPv4Address: ipv4 }),
    ...(ipv6 === '' ? {} : { IPv6Address: ipv6 }),
    ...(linkLocal === undefined ? {} : { LinkLocalIPs: [...linkLocal] }),
  };
  const isUserDefined = !['bridge', 'host', 'none'].includes(config.network);
  // Docker looks a network up when the container is connected for the first time.
  const known = container.hasStarted ? config : { ...config, networkId: '' };
  return {
    IPAMConfig: Object.keys(addresses).length === 0 ? null : addresses,
    Links: config.links === null ? null : [...config.links],
    Aliases: config.aliases === null ? null : [...config.aliases],
    DriverOpts: config.driverOptions,
    GwPriority: config.gatewayPriority,
    ...(connection === undefined ? nothing(known) : connected(connection)),
    DNSNames: isUserDefined && container.hasStarted ? namesOf(container, config) : null,
  };
}

function namesOf({ record }: SeenContainer, { aliases }: EndpointConfig): string[] {
  const names = [record.name, ...(aliases ?? []), record.id.slice(0, 12), record.spec.hostname];
  return [...new Set(names.filter((name) => name !== ''))];
}

type Addresses = Pick<
  EndpointSettings,
  | 'NetworkID'
  | 'EndpointID'
  | 'Gateway'
  | 'IPAddress'
  | 'IPPrefixLen'
  | 'MacAddress'
  | 'IPv6Gateway'
  | 'GlobalIPv6Address'
  | 'GlobalIPv6PrefixLen'
>;

function nothing({ networkId, mac }: EndpointConfig): Addresses {
  return {
    NetworkID: networkId,
    EndpointID: '',
    Gateway: '',
    IPAddress: '',
    IPPrefixLen: 0,
    MacAddress: mac,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
  };
}

function connected({ network, endpoint }: SeenConnection): Addresses {
  const prefix = (family: 4 | 6) => {
    const pool = poolOf(network, family);
    return pool === undefined ? 0 : prefixOf(pool);
  };
  const { ipv4, ipv6 } = endpoint;
  return {
    NetworkID: network.id,
    EndpointID: endpoint.endpointId,
    Gateway: ipv4 === undefined ? '' : (gatewayOf(network, 4) ?? ''),
    IPAddress: ipv4 ?? '',
    IPPrefixLen: ipv4 === undefined ? 0 : prefix(4),
    MacAddress: endpoint.mac,
    IPv6Gateway: ipv6 === undefined ? '' : (gatewayOf(network, 6) ?? ''),
    GlobalIPv6Address: ipv6 ?? '',
    GlobalIPv6PrefixLen: ipv6 === undefined ? 0 : prefix(6),
  };
}

export function networkSettings(container: InspectedContainer): NetworkSettings {
  const { sandbox, state, isRunning } = container;
  const onDefault = sandbox?.connections.find(({ network }) => network.name === 'bridge' && isPredefined(network));
  const { NetworkID: _, ...legacy } = onDefault === undefined ? nothing(plainEndpoint('')) : connected(onDefault);
  return {
    Bridge: bridgeNameOf(container),
    SandboxID: sandbox?.sandboxId ?? '',
    SandboxKey: isRunning && state.pid > 0 ? `/proc/${state.pid}/ns/net` : '',
    Ports: isRunning ? portMap(container, sandbox?.ports ?? []) : {},
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    ...legacy,
    Networks: networksOf(container),
  };
}

/** The default bridge's, of a container that was on it, when the name is the user's own (--bridge). */
function bridgeNameOf({ defaultBridge, hasStarted, record }: InspectedContainer): string {
  if (!hasStarted || !defaultBridge?.isNameAsked) return '';
  return record.endpoints.some(({ network }) => network === 'bridge') ? defaultBridge.name : '';
}

type PortMap = NetworkSettings['Ports'];

function portMap({ record }: SeenContainer, published: readonly PublishedPort[]): PortMap {
  const ports = new Map<string, { HostIp: string; HostPort: string }[]>();
  for (const { containerPort, protocol, hostIp, hostPort } of published) {
    const key = `${containerPort}/${protocol}`;
    const bindings = ports.get(key) ?? [];
    bindings.push({ HostIp: hostIp, HostPort: String(hostPort) });
    ports.set(key, bindings);
  }
  // There may be 65,535 of them, and everybody waits: one pass.
  const map: PortMap = {};
  for (const { containerPort, protocol } of exposedPorts(record.spec.ports.exposed)) {
    const key = `${containerPort}/${protocol}`;
    if (!ports.has(key)) map[key] = null;
  }
  for (const [key, bindings] of ports) map[key] = bindings;
  return map;
}

/** As in the list: a line for each published port, and one for what is only exposed. */
export function summaryPorts({ isRunning, record, sandbox }: SeenContainer): Port[] {
  if (!isRunning) return [];
  const published = sandbox?.ports ?? [];
  const isPublished = new Set(published.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`));
  const ports: Port[] = published.map(({ hostIp, hostPort, containerPort, protocol }) => ({
    IP: hostIp,
    PrivatePort: containerPort,
    PublicPort: hostPort,
    Type: protocol,
  }));
  for (const { containerPort, protocol } of exposedPorts(record.spec.ports.exposed)) {
    if (isPublished.size > 0 && isPublished.has(`${containerPort}/${protocol}`)) continue;
    ports.push({ PrivatePort: containerPort, Type: protocol });
  }
  return ports;
}
