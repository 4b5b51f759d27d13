// The default bridge, as the daemon's options shape it.
import { EngineError } from '../../errors/engine-error.ts';
import { formatAddress, overlaps, parseAddress, parseSubnet, subnetOf } from '../../protocols/addresses/ip-address.ts';
import { chooseSubnet } from '../address-pools.ts';
import { fixedRecord } from '../fixed-networks.ts';
import type { BridgeSettings, IpamConfig, NetworkPool, NetworkRecord } from '../network-record.ts';
import { planAskedPool, type Surroundings } from '../plan-network.ts';
import { checkInterfaceName, checkIpv6Mtu } from './bridge-options.ts';

/** dockerd's options about its default bridge. */
export interface DefaultBridgeOptions {
  /** Name of a bridge that is there already, or 'none': containers of the default network then have loopback only. */
  readonly bridge: string;
  /** "172.26.0.1/16": the bridge's own address. */
  readonly bip: string;
  /** Parts of the subnets that containers' addresses come from. */
  readonly fixedCidr: string;
  readonly fixedCidr6: string;
  readonly isIpv6Enabled: boolean;
  readonly mtu: number;
  readonly isIccEnabled: boolean;
  readonly isMasqueraded: boolean;
  /** Where ports are published when -p names no address. */
  readonly hostIp: string;
}

export const defaultBridgeName = 'tsdocker0';

/** `stored` is what an earlier start chose: kept when it still fits the options and the host. Throws 'invalid'. */
export function planDefaultBridge(
  options: DefaultBridgeOptions,
  identity: { id: string; created: string },
  around: Surroundings,
  stored: NetworkRecord | undefined,
): NetworkRecord {
  const isNone = options.bridge === 'none';
  checkIpv6Mtu(options.isIpv6Enabled, options.mtu > 0 ? options.mtu : undefined);
  const settings: BridgeSettings = {
    name: options.bridge === '' ? defaultBridgeName : checkInterfaceName(options.bridge),
    ...(options.mtu > 0 ? { mtu: options.mtu } : {}),
    isIccEnabled: options.isIccEnabled,
    isMasqueraded: options.isMasqueraded,
    hostIp: checkHostIp(options.hostIp),
    interfacePrefix: 'eth',
    isNameAsked: options.bridge !== '',
  };
  const pools = isNone ? [] : defaultPools(options, around, stored?.pools ?? []);
  return {
    ...fixedRecord('bridge', 'bridge', identity),
    isIpv6Enabled: pools.some(({ family }) => family === 6),
    pools,
    ipamConfig: pools.map(
      ({ subnet, gateway, range }): IpamConfig => ({
        Subnet: subnet,
        Gateway: gateway,
        ...(range === undefined ? {} : { IPRange: range }),
      }),
    ),
    ...(isNone ? {} : { bridge: settings }),
    options: {
      'com.docker.network.bridge.default_bridge': 'true',
      'com.docker.network.bridge.enable_icc': String(settings.isIccEnabled),
      'com.docker.network.bridge.enable_ip_masquerade': String(settings.isMasqueraded),
      'com.docker.network.bridge.host_binding_ipv4': settings.hostIp || '0.0.0.0',
      'com.docker.network.bridge.name': settings.name,
      'com.docker.network.driver.mtu': String(settings.mtu ?? 1500),
    },
  };
}

function checkHostIp(text: string): string {
  const address = parseAddress(text === '' ? '0.0.0.0' : text);
  if (address === undefined) throw new EngineError('invalid', `invalid default bind address --ip=${text}`);
  return address.value === 0n ? '' : text;
}

function defaultPools(
  options: DefaultBridgeOptions,
  around: Surroundings,
  stored: readonly NetworkPool[],
): NetworkPool[] {
  const pools = [pool4(options, around, stored)];
  if (options.isIpv6Enabled) {
    const range = options.fixedCidr6;
    pools.push(range === '' ? chosenPool(6, around, stored) : planAskedPool({ Subnet: range }).pool);
  }
  return pools;
}

function pool4(
  { bip, fixedCidr }: DefaultBridgeOptions,
  around: Surroundings,
  stored: readonly NetworkPool[],
): NetworkPool {
  const range = fixedCidr === '' ? {} : { IPRange: fixedCidr };
  if (bip !== '') {
    const subnet = parseSubnet(bip);
    const gateway = parseAddress(bip.slice(0, bip.indexOf('/')));
    if (subnet?.family !== 4 || gateway === undefined) {
      throw new EngineError(
        'invalid',
        `invalid --bip=${bip}: an IPv4 address and a prefix are expected, as in 10.1.0.1/16`,
      );
    }
    return planAskedPool({ Subnet: bip, Gateway: formatAddress(gateway), ...range }).pool;
  }
  const chosen = chosenPool(4, around, stored);
  if (fixedCidr === '') return chosen;
  const part = parseSubnet(fixedCidr);
  if (part?.family !== 4)
    throw new EngineError('invalid', `invalid --fixed-cidr=${fixedCidr}: an IPv4 subnet is expected`);
  // As dockerd: without --bip the part says where the whole is.
  return planAskedPool({ Subnet: fixedCidr }).pool;
}

function chosenPool(family: 4 | 6, around: Surroundings, stored: readonly NetworkPool[]): NetworkPool {
  const taken = [...around.ofNetworks, ...around.ofHost];
  const old = stored.find((pool) => pool.family === family);
  const oldSubnet = parseSubnet(old?.subnet ?? '');
  if (old !== undefined && oldSubnet !== undefined && !taken.some((other) => overlaps(other, oldSubnet))) return old;
  const subnet = chooseSubnet(around.pools, family, taken);
  const text = `${formatAddress({ family, value: subnetOf({ family, value: subnet.base }, subnet.prefix).base })}/${subnet.prefix}`;
  return planAskedPool({ Subnet: text }).pool;
}
