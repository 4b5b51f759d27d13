// `--network` and the flags around it.
import { CliError } from '../errors.ts';
import { cut, parseCsvLine } from './csv.ts';

export interface NetworkAttachment {
  target: string;
  aliases: string[];
  driverOptions: Record<string, string> | undefined;
  links: string[];
  ipv4: string;
  ipv6: string;
  linkLocalIps: string[];
  macAddress: string;
  gatewayPriority: number;
}

/** A name, or `name=…,alias=…,ip=…`. */
export function parseNetwork(text: string): NetworkAttachment {
  const network: NetworkAttachment = {
    target: text,
    aliases: [],
    driverOptions: undefined,
    links: [],
    ipv4: '',
    ipv6: '',
    linkLocalIps: [],
    macAddress: '',
    gatewayPriority: 0,
  };
  if (!/\w+=\w+(,\w+=\w+)*/.test(text)) return network;
  network.target = '';
  for (const field of parseCsvLine(text)) {
    const [rawKey, rawValue] = cut(field, '=');
    if (rawValue === undefined || rawKey === '') throw new Error(`invalid field ${field}`);
    setField(network, rawKey.trim().toLowerCase(), rawValue.trim());
  }
  if (network.target === '') throw new Error('network name/id is not specified');
  return network;
}

function setField(network: NetworkAttachment, key: string, value: string): void {
  if (key === 'name') network.target = value;
  else if (key === 'alias') network.aliases.push(value);
  else if (key === 'ip') network.ipv4 = value;
  else if (key === 'ip6') network.ipv6 = value;
  else if (key === 'mac-address') {
    if (!isMacAddress(value)) throw new Error(`${value} is not a valid mac address`);
    network.macAddress = value;
  } else if (key === 'link-local-ip') network.linkLocalIps.push(value);
  else if (key === 'gw-priority') {
    if (!/^[+-]?\d{1,9}$/.test(value)) throw new Error(`invalid gw-priority (${value}): invalid syntax`);
    network.gatewayPriority = Number(value);
  } else if (key === 'driver-opt') {
    const [option, setting] = cut(value, '=');
    if (setting === undefined || option === '') throw new Error('invalid key value pair format in driver options');
    network.driverOptions ??= Object.create(null) as Record<string, string>;
    network.driverOptions[option.trim()] = setting.trim();
  } else throw new Error(`invalid field key ${key}`);
}

export function isMacAddress(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text) || /^[0-9a-f]{2}(-[0-9a-f]{2}){5}$/i.test(text);
}

/** The older flags that describe the first network. */
export interface FirstNetworkFlags {
  aliases: readonly string[];
  links: readonly string[];
  ipv4: string;
  ipv6: string;
  linkLocalIps: readonly string[];
  macAddress: string;
}

export function endpointSettings(networks: NetworkAttachment[], first: FirstNetworkFlags): Record<string, object> {
  const endpoints: Record<string, object> = Object.create(null);
  const list = networks.length > 0 ? networks : [parseNetwork('default')];
  for (const [i, given] of list.entries()) {
    const network = i === 0 ? withFirstFlags(given, first) : given;
    checkAttachment(network);
    if (Object.hasOwn(endpoints, network.target)) {
      throw new CliError(`network ${JSON.stringify(network.target)} is specified multiple times`);
    }
    // One plain network is said by NetworkMode alone.
    if (list.length > 1 || !isPlain(network)) endpoints[network.target] = endpoint(network);
  }
  const userDefined = list.filter((network) => isUserDefined(network.target)).length;
  if (userDefined > 0 && userDefined < list.length) {
    throw new CliError('conflicting options: cannot attach both user-defined and non-user-defined network-modes');
  }
  return endpoints;
}

function withFirstFlags(network: NetworkAttachment, flags: FirstNetworkFlags): NetworkAttachment {
  const conflict = (flag: string, what: string) =>
    new CliError(`conflicting options: cannot specify both ${flag} and per-network ${what}`);
  if (network.aliases.length > 0 && flags.aliases.length > 0) throw conflict('--network-alias', 'alias');
  if (network.links.length > 0 && flags.links.length > 0) throw conflict('--link', 'links');
  if (network.ipv4 && flags.ipv4) throw conflict('--ip', 'IPv4 address');
  if (network.ipv6 && flags.ipv6) throw conflict('--ip6', 'IPv6 address');
  if (network.macAddress && flags.macAddress) throw conflict('--mac-address', 'MAC address');
  if (network.linkLocalIps.length > 0 && flags.linkLocalIps.length > 0) {
    throw conflict('--link-local-ip', 'link-local IP addresses');
  }
  return {
    ...network,
    aliases: flags.aliases.length > 0 ? [...flags.aliases] : network.aliases,
    links: flags.links.length > 0 && isUserDefined(network.target) ? [...flags.links] : network.links,
    ipv4: flags.ipv4 || network.ipv4,
    ipv6: flags.ipv6 || network.ipv6,
    macAddress: flags.macAddress || network.macAddress,
    linkLocalIps: flags.linkLocalIps.length > 0 ? [...flags.linkLocalIps] : network.linkLocalIps,
  };
}

function checkAttachment(network: NetworkAttachment): void {
  if (network.target.trim() === '') throw new CliError('no name set for network');
  if (isUserDefined(network.target)) return;
  if (network.aliases.length > 0) {
    throw new CliError('network-scoped aliases are only supported for user-defined networks');
  }
  if (network.links.length > 0) throw new CliError('links are only supported for user-defined networks');
}

export function isUserDefined(mode: string): boolean {
  return !['', 'default', 'bridge', 'host', 'none'].includes(mode) && !/^container(:|$)/.test(mode);
}

function isPlain(network: NetworkAttachment): boolean {
  const { target: _, driverOptions, gatewayPriority, ...rest } = network;
  return !driverOptions && gatewayPriority === 0 && Object.values(rest).every((value) => value.length === 0);
}

function endpoint(network: NetworkAttachment): object {
  const hasAddress = network.ipv4 || network.ipv6 || network.linkLocalIps.length > 0;
  return {
    IPAMConfig: hasAddress
      ? {
          ...(network.ipv4 ? { IPv4Address: network.ipv4 } : {}),
          ...(network.ipv6 ? { IPv6Address: network.ipv6 } : {}),
          ...(network.linkLocalIps.length > 0 ? { LinkLocalIPs: network.linkLocalIps } : {}),
        }
      : null,
    Links: network.links.length > 0 ? network.links : null,
    Aliases: network.aliases.length > 0 ? network.aliases : null,
    MacAddress: network.macAddress,
    DriverOpts: network.driverOptions ?? null,
    GwPriority: network.gatewayPriority,
    NetworkID: '',
    EndpointID: '',
    Gateway: '',
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
}
