// Which networks a create request wants, and what does not go together with which: docker's rules, in its words. Pure but for looking
// networks up.
import type { ContainerConfig } from '../../docker-types/container-config.ts';
import type { EndpointRequest } from '../../docker-types/network.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { checkAgainstNetwork, type EndpointConfig, parseEndpoint, parseMac } from '../../networks/endpoint-config.ts';
import type { NetworkEntry } from '../../networks/network-entry.ts';
import type { NetworkRegistry } from '../../networks/network-registry.ts';
import type { ContainerSpec } from '../../spec/container-spec.ts';
import type { RequestedContainer } from '../../spec/docker/from-request.ts';
import { type NetworkMode, networkOfMode } from '../../spec/network-mode.ts';
import { portRequests } from '../../spec/ports.ts';

/** A container is on so many networks at the most; each has an interface. */
const networksLimit = 128;

type AskedNetworks = Pick<RequestedContainer, 'spec' | 'network' | 'asked' | 'endpoints'>;

/** Throws EngineError with docker's words. A network that is not there is no error before the start. */
export function planEndpoints(
  registry: NetworkRegistry,
  { spec, network: mode, asked: own, endpoints }: AskedNetworks,
): { endpoints: EndpointConfig[]; warnings: string[] } {
  const warnings = checkMode(mode, spec, own);
  portRequests(spec.ports);
  const main = networkOfMode(mode);
  if (main === undefined || spec.isNetworkDisabled) return { endpoints: [], warnings };
  const asked = Object.entries(endpoints);
  if (asked.length > networksLimit) throw new EngineError('invalid', `more than ${networksLimit} networks`);
  const list = (asked.length > 0 ? asked : [[main, null] as const])
    .map(([name, request]) => planEndpoint(registry, name === 'default' ? 'bridge' : name, request))
    .sort((a, b) => Number(isOf(registry, b, main)) - Number(isOf(registry, a, main)));
  checkTogether(list);
  return { endpoints: withOldMac(list, own.MacAddress ?? ''), warnings };
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

function checkMode(
  mode: NetworkMode,
  { ports, links, dns, extraHosts }: ContainerSpec,
  config: ContainerConfig,
): string[] {
  const conflict = (what: string) => new EngineError('invalid', `conflicting options: ${what}`);
  const hasPorts = ports.published.length > 0 || ports.publishesExposed;
  const hasLinks = links.length > 0;
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
  if (dns.servers.length > 0) throw conflict('dns and the network mode');
  if (extraHosts.length > 0) throw conflict('custom host-to-IP mapping and the network mode');
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
