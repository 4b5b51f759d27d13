// Which networks a create request wants, and what does not go together with which: docker's rules, in its words. Pure but for looking
// networks up.
import type { ContainerConfig, ResolvedConfig } from '../docker-types/container-config.ts';
import type { HostConfig } from '../docker-types/host-config.ts';
import type { EndpointRequest } from '../docker-types/network.ts';
import { EngineError } from '../errors/engine-error.ts';
import {
  checkAgainstNetwork,
  type EndpointConfig,
  parseEndpoint,
  parseLink,
  parseMac,
} from '../networks/endpoint-config.ts';
import type { NetworkEntry } from '../networks/network-entry.ts';
import type { NetworkRegistry } from '../networks/network-registry.ts';
import { type NetworkMode, networkOfMode, parseNetworkMode } from '../spec/network-mode.ts';
import { portRequests } from '../spec/port-requests.ts';

/** A container is on so many networks at the most; each has an interface. */
const networksLimit = 128;

export interface AskedNetworks {
  hostConfig: HostConfig;
  config: ResolvedConfig;
  /** As the client sent it: what an image exposes is no conflict. */
  asked: ContainerConfig;
  endpoints: Readonly<Record<string, EndpointRequest | null>> | null | undefined;
}

/** Throws EngineError with docker's words. A network that is not there is no error before the start. */
export function planEndpoints(
  registry: NetworkRegistry,
  { hostConfig, config, asked: own, endpoints }: AskedNetworks,
): { endpoints: EndpointConfig[]; warnings: string[] } {
  const mode = parseNetworkMode(hostConfig.NetworkMode ?? '');
  const warnings = checkMode(mode, hostConfig, own);
  for (const link of hostConfig.Links ?? []) parseLink(link);
  portRequests({
    exposed: config.ExposedPorts,
    bindings: hostConfig.PortBindings,
    publishAll: hostConfig.PublishAllPorts ?? false,
  });
  const main = networkOfMode(mode);
  if (main === undefined || config.NetworkDisabled) return { endpoints: [], warnings };
  const asked = Object.entries(endpoints ?? {});
  if (asked.length > networksLimit) throw new EngineError('invalid', `more than ${networksLimit} networks`);
  const list = (asked.length > 0 ? asked : [[main, null] as const])
    .map(([name, request]) => planEndpoint(registry, name === 'default' ? 'bridge' : name, request))
    .sort((a, b) => Number(isOf(registry, b, main)) - Number(isOf(registry, a, main)));
  checkTogether(list);
  return { endpoints: withOldMac(list, config.MacAddress ?? ''), warnings };
}

/** What the network would refuse at the start is refused now, when it is there to be asked; and which of several it is, is said. */
function planEndpoint(registry: NetworkRegistry, name: string, request: EndpointRequest | null): EndpointConfig {
  try {
    const config = resolved(registry, parseEndpoint(name, request));
    const entry = findNetwork(registry, config);
    if (entry !== undefined) checkAgainstNetwork(config, entry.record);
    return config;
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'invalid') throw error;
    throw new EngineError('invalid', `invalid config for network ${name}: ${error.message}`, { cause: error });
  }
}

/** With the name that the network has, and its id. */
export function resolved(registry: NetworkRegistry, config: EndpointConfig): EndpointConfig {
  const entry = findNetwork(registry, config);
  return entry === undefined ? config : { ...config, network: entry.record.name, networkId: entry.record.id };
}

export function findNetwork(registry: NetworkRegistry, config: EndpointConfig): NetworkEntry | undefined {
  try {
    return registry.byId(config.networkId) ?? registry.get(config.network);
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

function isOf(registry: NetworkRegistry, config: EndpointConfig, name: string): boolean {
  return (
    config.network === name ||
    (config.networkId !== '' &&
      findNetwork(registry, { ...config, networkId: '', network: name })?.record.id === config.networkId)
  );
}

function checkMode(mode: NetworkMode, hostConfig: HostConfig, config: ContainerConfig): string[] {
  const conflict = (what: string) => new EngineError('invalid', `conflicting options: ${what}`);
  const hasPorts = Object.keys(hostConfig.PortBindings ?? {}).length > 0 || hostConfig.PublishAllPorts === true;
  const hasLinks = (hostConfig.Links ?? []).length > 0;
  const undefinedLinks = "networking can't be used with links. This would result in undefined behavior";
  if (mode.kind === 'host') {
    if (hasLinks) throw conflict(`host type ${undefinedLinks}`);
    if (config.MacAddress) throw conflict('mac-address and the network mode');
    return hasPorts ? ['Published ports are discarded when using host network mode'] : [];
  }
  if (mode.kind !== 'container') return [];
  if (config.Hostname) throw conflict('hostname and the network mode');
  if (hasLinks)
    throw conflict("container type network can't be used with links. This would result in undefined behavior");
  if ((hostConfig.Dns ?? []).length > 0) throw conflict('dns and the network mode');
  if ((hostConfig.ExtraHosts ?? []).length > 0) throw conflict('custom host-to-IP mapping and the network mode');
  if (config.MacAddress) throw conflict('mac-address and the network mode');
  if (hasPorts) throw conflict('port publishing and the container type network mode');
  if (Object.keys(config.ExposedPorts ?? {}).length > 0) {
    throw conflict('port exposing and the container type network mode');
  }
  return [];
}

function checkTogether(list: readonly EndpointConfig[]): void {
  const names = list.map(({ network }) => network);
  const doubled = names.find((name, i) => names.indexOf(name) !== i);
  if (doubled !== undefined) throw new EngineError('invalid', `network ${doubled} is specified multiple times`);
  if (list.length < 2) return;
  if (names.includes('none')) {
    throw new EngineError(
      'invalid',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
  if (names.includes('host')) {
    throw new EngineError('invalid', 'container cannot be disconnected from host network or connected to host network');
  }
}

/** Config.MacAddress of older clients is the first network's. */
function withOldMac(list: readonly EndpointConfig[], text: string): EndpointConfig[] {
  const mac = parseMac(text);
  return list.map((config, i) => {
    if (i > 0 || mac === '') return config;
    if (config.mac !== '' && config.mac !== mac) {
      throw new EngineError(
        'invalid',
        'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
      );
    }
    return { ...config, mac };
  });
}
