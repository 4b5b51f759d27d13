// What a request for a network comes to: everything checked, subnets chosen. Pure: what is taken comes in, a record comes out.
import { randomBytes } from 'node:crypto';
import type { NetworkCreateRequest } from '../docker-types/network.ts';
import { EngineError } from '../errors/engine-error.ts';
import {
  contains,
  formatAddress,
  formatSubnet,
  type IpAddress,
  lastOf,
  overlaps,
  parseAddress,
  parseSubnet,
  type Subnet,
} from '../protocols/addresses/ip-address.ts';
import { type AddressPool, chooseSubnet } from './address-pools.ts';
import type { NetworkDriver } from './drivers/network-driver.ts';
import type { NetworkDrivers } from './drivers/network-drivers.ts';
import { type IpamConfig, type NetworkPool, type NetworkRecord, predefined } from './network-record.ts';

/** What is there already. */
export interface Surroundings {
  pools: readonly AddressPool[];
  /** Subnets of other networks: asked ones must not overlap them. */
  ofNetworks: readonly Subnet[];
  /** The host's routes: chosen subnets stay clear of them too. */
  ofHost: readonly Subnet[];
}

const nameLimit = 255;
const auxiliaryLimit = 4096;

/** Throws EngineError in docker's words. */
export function planNetwork(
  request: NetworkCreateRequest,
  drivers: NetworkDrivers,
  around: Surroundings,
  created: string,
): NetworkRecord {
  const name = checkName(request.Name ?? '');
  const driver = driverOf(request, drivers);
  const id = randomBytes(32).toString('hex');
  const options = request.Options ?? {};
  const asked = (request.IPAM?.Config ?? []).filter((config) => !isEmpty(config));
  const isIpv6Enabled = request.EnableIPv6 ?? false;
  const isIpv4Enabled = request.EnableIPv4 ?? true;
  if (!isIpv4Enabled && !isIpv6Enabled) {
    throw new EngineError('invalid', 'IPv4 or IPv6 must be enabled');
  }
  const { hasAddresses, bridge } = driver.plan({ id, options, isIpv6Enabled });
  if (!hasAddresses && asked.length > 0) {
    throw new EngineError('invalid', `network driver ${driver.name}: its networks have no subnet: ask for none`);
  }
  checkNotation(asked);
  const pools = hasAddresses
    ? planPools(asked, { driver: driver.name, 4: isIpv4Enabled, 6: isIpv6Enabled }, around)
    : [];
  return {
    id,
    name,
    created,
    driver: driver.name,
    isIpv4Enabled,
    isIpv6Enabled,
    isInternal: request.Internal ?? false,
    isAttachable: request.Attachable ?? false,
    ipamOptions: request.IPAM?.Options ?? null,
    ipamConfig: asked,
    pools,
    ...(bridge === undefined ? {} : { bridge }),
    options,
    labels: request.Labels ?? {},
  };
}

function checkName(name: string): string {
  if (name === 'default' || predefined.has(name)) {
    throw new EngineError('forbidden', `operation is not permitted on predefined ${name} network`);
  }
  if (name.trim() === '') throw new EngineError('invalid', 'invalid name: name is empty');
  if (/\p{Cc}/u.test(name) || name.length > nameLimit || /^[0-9a-f]{64}$/.test(name)) {
    throw new EngineError(
      'invalid',
      `invalid name ${JSON.stringify(name.slice(0, nameLimit))}: at most ${nameLimit} characters, none of control, and nothing that reads like an id`,
    );
  }
  return name;
}

function driverOf(request: NetworkCreateRequest, drivers: NetworkDrivers): NetworkDriver {
  if (request.Scope === 'swarm' || request.Scope === 'global') {
    throw new EngineError('forbidden', 'cannot create a swarm scoped network when swarm is not active');
  }
  if (request.Ingress) throw new EngineError('forbidden', 'Ingress network can only be global scope network');
  if (request.ConfigOnly || request.ConfigFrom?.Network) {
    throw new EngineError(
      'not-implemented',
      'create a network from the configuration of another: this engine does not do that: give the options themselves',
    );
  }
  const driver = drivers.get(request.Driver || 'bridge');
  if (driver.only !== undefined) {
    throw new EngineError('forbidden', `only one instance of "${driver.name}" network is allowed`);
  }
  const ipam = request.IPAM?.Driver || 'default';
  if (ipam !== 'default') throw new EngineError('not-found', `plugin "${ipam}" not found`);
  return driver;
}

function isEmpty(config: IpamConfig): boolean {
  const { Subnet, IPRange, Gateway, AuxiliaryAddresses } = config;
  return !Subnet && !IPRange && !Gateway && Object.keys(AuxiliaryAddresses ?? {}).length === 0;
}

/** All that is not written as a subnet: docker names every one of them. Bits below the prefix are a mistake, and could mean two things. */
function checkNotation(asked: readonly IpamConfig[]): void {
  const wrong = asked.flatMap(({ Subnet, IPRange }) =>
    [
      ['subnet', Subnet],
      ['ip-range', IPRange],
    ].flatMap(([what, text]) => {
      if (!text) return [];
      const subnet = parseSubnet(text);
      if (subnet === undefined) return [`invalid ${what} ${text}: invalid CIDR block notation`];
      const exact = formatSubnet(subnet);
      const given = parseAddress(text.slice(0, text.indexOf('/')));
      return given?.value === subnet.base ? [] : [`invalid ${what} ${text}: it should be ${exact}`];
    }),
  );
  const [first] = wrong;
  if (first === undefined) return;
  const list = wrong.length === 1 ? first : wrong.map((line) => `* ${line}`).join('\n');
  throw new EngineError('invalid', `invalid network config:\n${list}`);
}

function planPools(
  asked: readonly IpamConfig[],
  enabled: { readonly driver: string; readonly 4: boolean; readonly 6: boolean },
  around: Surroundings,
): NetworkPool[] {
  const pools: NetworkPool[] = [];
  const subnets: Subnet[] = [];
  for (const config of asked) {
    const { pool, subnet } = planAskedPool(config);
    if (!enabled[subnet.family]) {
      const flag = subnet.family === 6 ? '--ipv6' : '--ipv4';
      throw new EngineError('invalid', `subnet ${pool.subnet}: IPv${subnet.family} is not enabled: add ${flag}`);
    }
    if (pools.some(({ family }) => family === subnet.family)) {
      throw new EngineError(
        'invalid',
        `a ${enabled.driver} network has one subnet of IPv${subnet.family}: ${pool.subnet} is one more`,
      );
    }
    if (around.ofNetworks.some((other) => overlaps(other, subnet))) {
      throw new EngineError('forbidden', 'invalid pool request: Pool overlaps with other one on this address space');
    }
    pools.push(pool);
    subnets.push(subnet);
  }
  for (const family of [4, 6] as const) {
    if (!enabled[family] || pools.some((pool) => pool.family === family)) continue;
    const subnet = chooseSubnet(around.pools, family, [...around.ofNetworks, ...around.ofHost, ...subnets]);
    pools.push({ family, subnet: formatSubnet(subnet), gateway: firstAddress(subnet, []), auxiliary: [] });
  }
  return pools.sort((a, b) => a.family - b.family);
}

export function planAskedPool(config: IpamConfig): { pool: NetworkPool; subnet: Subnet } {
  const subnet = parseSubnet(config.Subnet ?? '');
  const invalid = (what: string) => new EngineError('invalid', `invalid network config:\n${what}`);
  if (subnet === undefined) throw invalid(`invalid subnet ${config.Subnet ?? ''}: invalid CIDR block notation`);
  const text = formatSubnet(subnet);
  checkUsable(subnet, text);
  const { range, gateway } = config.IPRange || config.Gateway ? parseParts(config, subnet) : {};
  const named = Object.entries(config.AuxiliaryAddresses ?? {});
  if (named.length > auxiliaryLimit) throw invalid(`more than ${auxiliaryLimit} auxiliary addresses`);
  const auxiliary = named.map(([name, value]) => {
    const address = parseAddress(value);
    if (address === undefined) throw invalid(`invalid auxiliary address ${name}: invalid address`);
    if (!contains(subnet, address)) {
      throw invalid(`invalid auxiliary address ${name}: parent subnet ${text} doesn't contain this address`);
    }
    if (gateway?.value === address.value) throw invalid(`auxiliary address ${name}: ${value} is the gateway`);
    return address;
  });
  return {
    subnet,
    pool: {
      family: subnet.family,
      subnet: text,
      gateway: gateway === undefined ? firstAddress(range ?? subnet, auxiliary, subnet) : formatAddress(gateway),
      ...(range === undefined ? {} : { range: formatSubnet(range) }),
      auxiliary: auxiliary.map(formatAddress),
    },
  };
}

function parseParts(config: IpamConfig, subnet: Subnet): { range?: Subnet; gateway?: IpAddress } {
  const invalid = (what: string) => new EngineError('invalid', `invalid network config:\n${what}`);
  const text = formatSubnet(subnet);
  const parts: { range?: Subnet; gateway?: IpAddress } = {};
  if (config.IPRange) {
    const range = parseSubnet(config.IPRange);
    if (range === undefined) throw invalid(`invalid ip-range ${config.IPRange}: invalid CIDR address`);
    if (range.prefix < subnet.prefix || !contains(subnet, { family: range.family, value: range.base })) {
      throw invalid(`invalid ip-range ${config.IPRange}: parent subnet ${text} doesn't contain ip-range`);
    }
    parts.range = range;
  }
  if (config.Gateway) {
    const gateway = parseAddress(config.Gateway);
    if (gateway === undefined) throw invalid(`invalid gateway ${config.Gateway}: invalid address`);
    if (!contains(subnet, gateway)) {
      throw invalid(`invalid gateway ${config.Gateway}: parent subnet ${text} doesn't contain this address`);
    }
    const isEdge = gateway.value === subnet.base || (gateway.family === 4 && gateway.value === lastOf(subnet));
    if (isEdge) throw invalid(`invalid gateway ${config.Gateway}: no host of ${text} can have it`);
    parts.gateway = gateway;
  }
  return parts;
}

/** Room for a gateway and one container, and no addresses that the kernel keeps for itself. */
function checkUsable(subnet: Subnet, text: string): void {
  const longest = subnet.family === 4 ? 30 : 126;
  if (subnet.prefix > longest) {
    throw new EngineError(
      'invalid',
      `invalid network config: subnet ${text} is too small: /${longest} is the smallest`,
    );
  }
  const unusable = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/96', 'ff00::/8'].map((words) => parseSubnet(words));
  if (unusable.some((other) => other !== undefined && overlaps(other, subnet))) {
    throw new EngineError(
      'invalid',
      `invalid network config: subnet ${text} is not one of addresses that hosts can have`,
    );
  }
}

/** Where docker puts the gateway: the first address of the range that a host can have. */
function firstAddress(range: Subnet, taken: readonly IpAddress[], subnet: Subnet = range): string {
  for (let value = range.base === subnet.base ? range.base + 1n : range.base; value <= lastOf(range); value++) {
    if (taken.some((address) => address.value === value)) continue;
    return formatAddress({ family: range.family, value });
  }
  throw new EngineError(
    'invalid',
    `invalid network config: ${formatSubnet(range)} has no address left for the gateway`,
  );
}
