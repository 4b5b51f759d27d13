// The driver options of a bridge network (com.docker.network.*): read, checked, and what is not there refused by name.
import { EngineError } from '../../errors/engine-error.ts';
import { parseAddress } from '../../protocols/addresses/ip-address.ts';
import type { BridgeSettings } from '../network-record.ts';

const bridgePrefix = 'com.docker.network.bridge.';
const interfaceLimitBytes = 15;
/** What the kernel takes for a bridge; 68 is IPv4's least (RFC 791), 1280 IPv6's. */
const mtuLimits = { least: 68, leastIpv6: 1280, most: 65535 } as const;

type Option = (value: string, key: string) => Partial<BridgeSettings>;

const options: ReadonlyMap<string, Option> = new Map<string, Option>([
  [`${bridgePrefix}name`, (value) => ({ name: checkInterfaceName(value), isNameAsked: true })],
  [`${bridgePrefix}enable_icc`, (value, key) => ({ isIccEnabled: parseBool(value, key) })],
  [`${bridgePrefix}enable_ip_masquerade`, (value, key) => ({ isMasqueraded: parseBool(value, key) })],
  [`${bridgePrefix}host_binding_ipv4`, (value, key) => ({ hostIp: parseHostIp(value, key) })],
  [`${bridgePrefix}gateway_mode_ipv4`, checkGatewayMode],
  [`${bridgePrefix}gateway_mode_ipv6`, checkGatewayMode],
  ['com.docker.network.container_iface_prefix', (value) => ({ interfacePrefix: checkPrefix(value) })],
  ['com.docker.network.container_interface_prefix', (value) => ({ interfacePrefix: checkPrefix(value) })],
  ['com.docker.network.driver.mtu', (value, key) => ({ mtu: parseMtu(value, key) })],
]);

/** Options outside com.docker.network. mean nothing here and are kept for whoever reads them. Throws 'invalid' or 'not-implemented'. */
export function parseBridgeOptions(asked: Readonly<Record<string, string>>, networkId: string): BridgeSettings {
  let settings: BridgeSettings = {
    name: `br-${networkId.slice(0, 12)}`,
    isIccEnabled: true,
    isMasqueraded: true,
    hostIp: '',
    interfacePrefix: 'eth',
    isNameAsked: false,
  };
  for (const [key, value] of Object.entries(asked)) {
    const option = options.get(key);
    if (option !== undefined) settings = { ...settings, ...option(value, key) };
    else if (key.startsWith('com.docker.network.')) {
      throw new EngineError('not-implemented', `network option ${key}: this engine does not have it: leave it out`);
    }
  }
  return settings;
}

/** Throws 'invalid' for a network whose packets of IPv6 would not fit (RFC 8200, section 5). */
export function checkIpv6Mtu(isIpv6Enabled: boolean, mtu: number | undefined): void {
  if (!isIpv6Enabled || mtu === undefined || mtu >= mtuLimits.leastIpv6) return;
  throw new EngineError('invalid', `an MTU of ${mtu} is too small for IPv6: ${mtuLimits.leastIpv6} is the smallest`);
}

export function checkInterfaceName(name: string): string {
  if (Buffer.byteLength(name) > interfaceLimitBytes || !/^[A-Za-z0-9_.-]+$/.test(name) || /^\.{1,2}$/.test(name)) {
    throw new EngineError(
      'invalid',
      `invalid interface name "${name}": 1 to ${interfaceLimitBytes} letters, digits, dots, dashes or underscores`,
    );
  }
  return name;
}

/** A number follows it. */
function checkPrefix(value: string): string {
  if (value.length > interfaceLimitBytes - 3) {
    throw new EngineError(
      'invalid',
      `invalid interface prefix "${value}": at most ${interfaceLimitBytes - 3} characters`,
    );
  }
  if (value === 'lo') throw new EngineError('invalid', 'invalid interface prefix "lo": it is the loopback interface');
  return checkInterfaceName(value);
}

/** As Go's strconv.ParseBool. */
function parseBool(value: string, key: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw new EngineError('invalid', `failed to parse ${key} value: ${value} (true or false is expected)`);
}

function parseHostIp(value: string, key: string): string {
  const address = parseAddress(value);
  if (address?.family !== 4) {
    throw new EngineError('invalid', `failed to parse ${key} value: ${value} (an IPv4 address is expected)`);
  }
  return address.value === 0n ? '' : value;
}

function parseMtu(value: string, key: string): number {
  const mtu = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN;
  if (mtu === 0) return 1500;
  if (!(mtu >= mtuLimits.least && mtu <= mtuLimits.most)) {
    throw new EngineError(
      'invalid',
      `failed to parse ${key} value: ${value} (a number from ${mtuLimits.least} to ${mtuLimits.most} is expected)`,
    );
  }
  return mtu;
}

function checkGatewayMode(value: string, key: string): Partial<BridgeSettings> {
  if (value === 'nat' || value === '') return {};
  if (['routed', 'nat-unprotected', 'isolated'].includes(value)) {
    throw new EngineError('not-implemented', `network option ${key}=${value}: this engine has nat only`);
  }
  throw new EngineError('invalid', `unknown gateway mode ${value} for ${key}`);
}
