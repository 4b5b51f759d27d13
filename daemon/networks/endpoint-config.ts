// How a container shall be connected to one network: what a client asked, checked. Kept in the container's record; what came of it while
// the container runs is an Endpoint.

import type { EndpointRequest } from '../docker-types/network.ts';
import { EngineError } from '../errors/engine-error.ts';
import { contains, formatAddress, parseAddress, parseSubnet } from '../protocols/addresses/ip-address.ts';
import { checkDnsName, parseLink } from '../spec/docker/parse-names.ts';
import { checkInterfaceName } from './drivers/bridge-options.ts';
import { isPredefined, type NetworkRecord, poolOf } from './network-record.ts';

export interface EndpointConfig {
  /** Name of the network as it was when this was made; the key that clients see. */
  readonly network: string;
  /** Its id; empty while no network of that name has been there. */
  readonly networkId: string;
  readonly aliases: readonly string[] | null;
  /** "container:alias", as asked. */
  readonly links: readonly string[] | null;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Further addresses of the interface, of both families. Records of before have none. */
  readonly linkLocal?: readonly string[];
  /** Lower case, with colons; empty for one of the engine's choice. */
  readonly mac: string;
  readonly driverOptions: Record<string, string> | null;
  /** The network with the highest has the default route. */
  readonly gatewayPriority: number;
}

const aliasLimit = 256;
const linkLocalLimit = 16;
const interfaceNameKey = 'com.docker.network.endpoint.ifname';
const sysctlsKey = 'com.docker.network.endpoint.sysctls';

export function plainEndpoint(network: string): EndpointConfig {
  return {
    network,
    networkId: '',
    aliases: null,
    links: null,
    ipv4: '',
    ipv6: '',
    mac: '',
    driverOptions: null,
    gatewayPriority: 0,
  };
}

/** What can be judged without the network. Throws 'invalid' in docker's words, 'not-implemented' for what this engine lacks. */
export function parseEndpoint(network: string, asked: EndpointRequest | null | undefined): EndpointConfig {
  const { IPAMConfig, Links, Aliases, MacAddress, DriverOpts, GwPriority } = asked ?? {};
  const ipv4 = checkAddress(IPAMConfig?.IPv4Address ?? '', 4);
  const ipv6 = checkAddress(IPAMConfig?.IPv6Address ?? '', 6);
  const linkLocal = [...new Set((IPAMConfig?.LinkLocalIPs ?? []).map(checkLinkLocal))];
  if (linkLocal.length > linkLocalLimit) {
    throw new EngineError('invalid', `more than ${linkLocalLimit} link-local addresses on network ${network}`);
  }
  if ((Aliases?.length ?? 0) > aliasLimit || (Links?.length ?? 0) > aliasLimit) {
    throw new EngineError('invalid', `more than ${aliasLimit} aliases or links on network ${network}`);
  }
  for (const alias of Aliases ?? []) checkDnsName(alias);
  for (const link of Links ?? []) parseLink(link);
  const config = {
    ...plainEndpoint(network),
    aliases: Aliases?.length ? [...Aliases] : null,
    links: Links?.length ? [...Links] : null,
    ipv4,
    ipv6,
    ...(linkLocal.length === 0 ? {} : { linkLocal }),
    mac: parseMac(MacAddress ?? ''),
    driverOptions: DriverOpts ?? null,
    gatewayPriority: GwPriority ?? 0,
  };
  checkDriverOptions(config);
  return config;
}

/** In docker's words. */
function wrongSettings(what: string): EngineError {
  return new EngineError('invalid', `invalid endpoint settings:\n${what}`);
}

function checkAddress(text: string, family: 4 | 6): string {
  if (text === '') return '';
  const address = parseAddress(text);
  if (address?.family !== family) throw wrongSettings(`invalid IPv${family} address: ${text}`);
  return formatAddress(address);
}

/** RFC 3927, RFC 4291 section 2.5.6. */
const linkLocalSubnets = { 4: parseSubnet('169.254.0.0/16'), 6: parseSubnet('fe80::/10') } as const;

function checkLinkLocal(text: string): string {
  const address = parseAddress(text);
  if (address === undefined) throw wrongSettings(`invalid link-local IP address: ${text}`);
  const subnet = linkLocalSubnets[address.family];
  if (subnet === undefined || !contains(subnet, address)) {
    throw wrongSettings(`invalid link local IP address: ${text}`);
  }
  return formatAddress(address);
}

/** What goes into a hosts file or an answer of the name server: one word. */
/** Forty-eight bits, not a group address (IEEE 802). */
export function parseMac(text: string): string {
  if (text === '') return '';
  const mac = text.toLowerCase().replaceAll('-', ':');
  const isUnicast = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) || !isUnicast || mac === '00:00:00:00:00:00') {
    throw new EngineError('invalid', `invalid MAC address ${text}`);
  }
  return mac;
}

export function interfaceNameOf({ driverOptions }: EndpointConfig): string {
  return driverOptions?.[interfaceNameKey] ?? '';
}

/** Paths below /proc/sys with the name of the interface put in, and values. Docker's command line sends IFNAME in lower case. */
export function endpointSysctls({ driverOptions }: EndpointConfig, interfaceName: string): Map<string, string> {
  const sysctls = new Map<string, string>();
  const text = driverOptions?.[sysctlsKey] ?? '';
  for (const part of text === '' ? [] : text.split(',')) {
    const match =
      /^(net\.(?:ipv4|ipv6|mpls)\.(?:conf|neigh))\.(?:IFNAME|ifname)\.([a-z0-9_]{1,64})=([\x20-\x7e]{0,256})$/.exec(
        part.trim(),
      );
    if (match === null) {
      throw wrongSettings(
        `unrecognised network interface sysctl '${part}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
      );
    }
    const [, folder = '', name = '', value = ''] = match;
    sysctls.set(`${folder.replaceAll('.', '/')}/${interfaceName}/${name}`, value);
  }
  return sysctls;
}

function checkDriverOptions(config: EndpointConfig): void {
  for (const key of Object.keys(config.driverOptions ?? {})) {
    if (key === interfaceNameKey || key === sysctlsKey || !key.startsWith('com.docker.network.')) continue;
    throw new EngineError('not-implemented', `endpoint option ${key}: this engine does not have it: leave it out`);
  }
  const name = interfaceNameOf(config);
  if (name !== '') checkInterfaceName(name);
  endpointSysctls(config, 'eth0');
}

/** What the network allows. Throws 'invalid' in docker's words. */
export function checkAgainstNetwork(config: EndpointConfig, record: NetworkRecord): void {
  const isUserDefined = !isPredefined(record);
  const addresses = [
    [4, config.ipv4],
    [6, config.ipv6],
  ] as const;
  for (const [family, text] of addresses) {
    if (text === '') continue;
    if (!isUserDefined) {
      throw wrongSettings('user specified IP address is supported on user defined networks only');
    }
    const pool = poolOf(record, family);
    const isAsked = record.ipamConfig.some(({ Subnet }) => parseSubnet(Subnet ?? '')?.family === family);
    if (pool === undefined || !isAsked) {
      throw wrongSettings(
        'user specified IP address is supported only when connecting to networks with user configured subnets',
      );
    }
    const subnet = parseSubnet(pool.subnet);
    const address = parseAddress(text);
    if (subnet === undefined || address === undefined || !contains(subnet, address)) {
      throw wrongSettings(`Invalid address ${text}: It does not belong to any of this network's subnets`);
    }
  }
  if (config.linkLocal?.some((text) => text.includes(':')) && poolOf(record, 6) === undefined) {
    throw wrongSettings(`link-local addresses of IPv6: network ${record.name} has no IPv6`);
  }
  if (!isUserDefined && config.aliases !== null) {
    throw wrongSettings('network-scoped alias is supported only for containers in user defined networks');
  }
}
