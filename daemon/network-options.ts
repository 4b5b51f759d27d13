// The daemon's options about networks: dockerd's names and defaults.
import { isIP } from 'node:net';
import { type Static, Type } from '@sinclair/typebox';
import { EngineError } from './errors/engine-error.ts';
import type { NetworkOptions } from './networks/open-networks.ts';
import { boolFlag, integerFlag, listFlag, parsedListFlag, stringFlag } from './protocols/flags/flag.ts';

const text = Type.Optional(Type.String());
const bool = Type.Optional(Type.Boolean());
const strings = Type.Optional(Type.Array(Type.String(), { maxItems: 256 }));

/** Keys of the configuration file. */
export const networkFileOptions = {
  bridge: text,
  bip: text,
  'fixed-cidr': text,
  'fixed-cidr-v6': text,
  ipv6: bool,
  mtu: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
  icc: bool,
  ip: text,
  'ip-forward': bool,
  'ip-masq': bool,
  'default-address-pools': Type.Optional(
    Type.Array(Type.Object({ base: Type.String(), size: Type.Integer() }, { additionalProperties: false }), {
      maxItems: 256,
    }),
  ),
  dns: strings,
  'dns-search': strings,
  'dns-opts': strings,
  'host-gateway-ips': strings,
};
const NetworkFileOptions = Type.Object(networkFileOptions);
type NetworkFileOptions = Static<typeof NetworkFileOptions>;

/** Their flags, by key. */
export const networkFlags = {
  bip: stringFlag('bip', 'Address and prefix of the default bridge, as in 10.1.0.1/16'),
  bridge: stringFlag('bridge,b', 'Existing bridge for the default network; none for no bridge'),
  'default-address-pools': parsedListFlag(
    'default-address-pool',
    'Where subnets come from: base=CIDR,size=N',
    parsePool,
    { typeName: 'pool-options' },
  ),
  dns: listFlag('dns', 'DNS servers of containers'),
  'dns-opts': listFlag('dns-opt', 'DNS options of containers'),
  'dns-search': listFlag('dns-search', 'DNS search domains of containers'),
  'fixed-cidr': stringFlag('fixed-cidr', 'Part of the default bridge that addresses come from'),
  'fixed-cidr-v6': stringFlag('fixed-cidr-v6', 'IPv6 subnet of the default bridge'),
  'host-gateway-ips': listFlag('host-gateway-ip', 'What host-gateway in --add-host stands for'),
  icc: boolFlag('icc', 'Containers of the default bridge reach each other (default true)'),
  ip: stringFlag('ip', 'Where ports are published when -p names no address (default 0.0.0.0)'),
  'ip-forward': boolFlag('ip-forward', 'Turn forwarding on in the kernel (default true)'),
  'ip-masq': boolFlag('ip-masq', "Default bridge: outgoing traffic has the host's address (default true)"),
  ipv6: boolFlag('ipv6', 'IPv6 on the default bridge'),
  mtu: integerFlag('mtu', 'MTU of the default bridge'),
};

export interface NetworkDaemonOptions extends NetworkOptions {
  /** false: the kernel's forwarding is left as it is. */
  readonly isForwardingSet: boolean;
  readonly dns: {
    readonly servers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  readonly hostGateways: readonly string[];
}

/** Throws 'invalid'. What a subnet or an interface means is checked when the networks are opened. */
export function networkOptions(given: NetworkFileOptions): NetworkDaemonOptions {
  for (const address of [...(given.dns ?? []), ...(given['host-gateway-ips'] ?? [])]) {
    if (isIP(address) === 0) throw new EngineError('invalid', `${address} is not an ip address`);
  }
  return Object.freeze({
    defaultBridge: Object.freeze({
      bridge: given.bridge ?? '',
      bip: given.bip ?? '',
      fixedCidr: given['fixed-cidr'] ?? '',
      fixedCidr6: given['fixed-cidr-v6'] ?? '',
      isIpv6Enabled: given.ipv6 ?? false,
      mtu: given.mtu ?? 0,
      isIccEnabled: given.icc ?? true,
      isMasqueraded: given['ip-masq'] ?? true,
      hostIp: given.ip ?? '',
    }),
    addressPools: given['default-address-pools'] ?? [],
    isForwardingSet: given['ip-forward'] ?? true,
    dns: Object.freeze({
      servers: given.dns ?? [],
      search: given['dns-search'] ?? [],
      options: given['dns-opts'] ?? [],
    }),
    hostGateways: given['host-gateway-ips'] ?? [],
  });
}

/** "base=10.0.0.0/8,size=24" */
function parsePool(value: string): { base: string; size: number } {
  const fields = new Map(value.split(',').map((field) => field.split('=', 2) as [string, string]));
  const base = fields.get('base');
  const size = fields.get('size') ?? '';
  if (base === undefined || !/^\d{1,3}$/.test(size) || fields.size !== 2) {
    throw new Error('expected base=<subnet>,size=<prefix>');
  }
  return { base, size: Number(size) };
}
