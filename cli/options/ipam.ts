// --subnet, --ip-range, --gateway and --aux-address, each to the subnet that it belongs to. Errors are docker's.
import { CliError } from '../errors.ts';

export interface IpamConfig {
  Subnet: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

export interface IpamFlags {
  subnet: readonly string[];
  ipRange: readonly string[];
  gateway: readonly string[];
  /** "name=address" */
  auxAddress: readonly string[];
}

export function ipamConfig({ subnet, ipRange, gateway, auxAddress }: IpamFlags): IpamConfig[] {
  if (subnet.length < ipRange.length || subnet.length < gateway.length) {
    throw new CliError('every ip-range or gateway must have a corresponding subnet');
  }
  const configs: IpamConfig[] = [];
  for (const text of subnet) {
    if (configs.some((other) => isIn(other.Subnet, text) || isIn(text, other.Subnet))) {
      throw new CliError('multiple overlapping subnet configuration is not supported');
    }
    configs.push({ Subnet: text });
  }
  const find = (what: string, text: string): IpamConfig => {
    const found = configs.find((config) => isIn(config.Subnet, text));
    if (found === undefined) throw new CliError(`no matching subnet for ${what} ${text}`);
    return found;
  };
  for (const range of ipRange) {
    const config = find('range', range);
    if (config.IPRange !== undefined) {
      throw new CliError(
        `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet})`,
      );
    }
    config.IPRange = range;
  }
  for (const address of gateway) {
    const config = find('gateway', address);
    if (config.Gateway !== undefined) {
      throw new CliError(
        `cannot configure multiple gateways (${address}, ${config.Gateway}) for the same subnet (${config.Subnet})`,
      );
    }
    config.Gateway = address;
  }
  for (const text of auxAddress) {
    const at = text.indexOf('=');
    const config = find('aux-address', text.slice(at + 1));
    config.AuxiliaryAddresses ??= Object.create(null) as Record<string, string>;
    config.AuxiliaryAddresses[text.slice(0, at)] = text.slice(at + 1);
  }
  return configs;
}

/** The address, or the address of the subnet, lies in `subnet`. What is no address is left for the daemon to refuse. */
function isIn(subnet: string, text: string): boolean {
  const { BlockList, isIP } = process.getBuiltinModule('node:net');
  const [base = '', prefix = ''] = subnet.split('/');
  const [address = ''] = text.split('/');
  const family = (ip: string) => (isIP(ip) === 6 ? 'ipv6' : 'ipv4');
  if (isIP(base) === 0 || isIP(address) === 0)
    throw new CliError(`invalid CIDR address: ${isIP(base) === 0 ? subnet : text}`);
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > (isIP(base) === 6 ? 128 : 32)) {
    throw new CliError(`invalid CIDR address: ${subnet}`);
  }
  if (family(base) !== family(address)) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(prefix), family(base));
  return list.check(address, family(address));
}

/** "key=value" flags that become a map. */
export function keyValueMap(texts: readonly string[]): Record<string, string> {
  const map: Record<string, string> = Object.create(null);
  for (const text of texts) {
    const at = text.indexOf('=');
    map[at < 0 ? text : text.slice(0, at)] = at < 0 ? '' : text.slice(at + 1);
  }
  return map;
}

export function validateKeyValue(text: string): string {
  if (text.indexOf('=') < 1) throw new Error(`invalid key=value: ${text}`);
  return text;
}
