import { describe, expect, it } from 'vitest';
import { networkView } from '../../../daemon/docker-api/views/network-view.ts';
import type { NetworkCreateRequest } from '../../../daemon/docker-types/network.ts';
import { addressPools } from '../../../daemon/networks/address-pools.ts';
import { BridgeDriver } from '../../../daemon/networks/drivers/bridge-driver.ts';
import { hostDriver, nullDriver } from '../../../daemon/networks/drivers/fixed-drivers.ts';
import { NetworkDrivers } from '../../../daemon/networks/drivers/network-drivers.ts';
import { hostSubnets } from '../../../daemon/networks/host-subnets.ts';
import { planNetwork } from '../../../daemon/networks/plan-network.ts';
import { parseSubnet, type Subnet } from '../../../daemon/protocols/addresses/ip-address.ts';
import { fakeKernel } from './fake-kernel.ts';

const subnets = (...texts: string[]): Subnet[] => texts.map((text) => parseSubnet(text)).filter((s) => s !== undefined);
const drivers = new NetworkDrivers([new BridgeDriver(fakeKernel()), hostDriver, nullDriver]);
const plan = (request: NetworkCreateRequest, ofNetworks: string[] = ['172.17.0.0/16'], ofHost: string[] = []) =>
  planNetwork(
    { Name: 'n', ...request },
    drivers,
    { pools: addressPools('engine', []), ofNetworks: subnets(...ofNetworks), ofHost: subnets(...ofHost) },
    '2026-01-01T00:00:00.000Z',
  );
const withPool = (...Config: NonNullable<NonNullable<NetworkCreateRequest['IPAM']>['Config']>) =>
  plan({ IPAM: { Config } });

describe('a network', () => {
  it('gets a subnet that neither a network nor the host has', () => {
    const { pools } = plan({}, ['172.17.0.0/16'], ['172.18.0.0/15']);
    expect(pools).toEqual([{ family: 4, subnet: '172.20.0.0/16', gateway: '172.20.0.1', auxiliary: [] }]);
  });
  it('passes over a default route in two halves and its own interfaces', () => {
    const routes = ['0.0.0.0/1', '128.0.0.0/1', '10.0.0.0/8'].map((destination) => ({
      destination,
      interfaceName: 'tun0',
    }));
    const found = hostSubnets(
      [...routes, { destination: '172.17.0.0/16', interfaceName: 'tsdocker0' }],
      new Set(['tsdocker0']),
    );
    expect(found).toEqual(subnets('10.0.0.0/8'));
  });
  it('shows what was asked, and what it got where nothing was', () => {
    const asked = withPool({ Subnet: '10.5.0.0/16', IPRange: '10.5.8.0/24', AuxiliaryAddresses: { a: '10.5.8.1' } });
    expect(asked.pools).toEqual([
      { family: 4, subnet: '10.5.0.0/16', gateway: '10.5.8.0', range: '10.5.8.0/24', auxiliary: ['10.5.8.1'] },
    ]);
    expect(networkView({ record: asked, endpoints: [] }).IPAM.Config).toEqual([
      { Subnet: '10.5.0.0/16', IPRange: '10.5.8.0/24', AuxiliaryAddresses: { a: '10.5.8.1' } },
    ]);
    expect(networkView({ record: plan({}), endpoints: [] }).IPAM.Config).toEqual([
      { Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' },
    ]);
  });
  it('with --ipv6 has a subnet of each family', () => {
    const dual = plan({ EnableIPv6: true, IPAM: { Config: [{ Subnet: 'fd00:7::/64' }] } });
    expect(dual.pools.map(({ subnet }) => subnet)).toEqual(['172.18.0.0/16', 'fd00:7::/64']);
    const six = plan({ EnableIPv4: false, EnableIPv6: true });
    expect(six.pools.map(({ family }) => family)).toEqual([6]);
  });
  it.each([
    [[{ Subnet: '10.0.0.0' }], 'invalid CIDR block notation'],
    [[{ Subnet: '10.0.0.0/33' }], 'invalid CIDR block notation'],
    [[{ Gateway: '10.0.0.1' }], 'invalid CIDR block notation'],
    [[{ Subnet: '10.0.0.0/31' }], 'too small'],
    [[{ Subnet: '10.0.0.1/24' }], 'invalid network config:\ninvalid subnet 10.0.0.1/24: it should be 10.0.0.0/24'],
    [[{ Subnet: '10.0.0.0/24', IPRange: '10.0.0.5/28' }], 'invalid ip-range 10.0.0.5/28: it should be 10.0.0.0/28'],
    [
      [{ Subnet: 'fd00::1/64' }, { Subnet: '10.0.0.0/33' }],
      '\n* invalid subnet fd00::1/64: it should be fd00::/64\n* invalid subnet 10.0.0.0/33: invalid CIDR block notation',
    ],
    [[{ Subnet: '127.0.0.0/8' }], 'not one of addresses that hosts can have'],
    [[{ Subnet: '224.0.0.0/24' }], 'not one of addresses that hosts can have'],
    [[{ Subnet: '0.0.0.0/0' }], 'not one of addresses that hosts can have'],
    [[{ Subnet: '10.0.0.0/24', Gateway: '10.0.1.1' }], 'invalid gateway 10.0.1.1'],
    [[{ Subnet: '10.0.0.0/24', Gateway: 'x' }], 'invalid gateway x'],
    [[{ Subnet: '10.0.0.0/24', Gateway: '10.0.0.255' }], 'no host of 10.0.0.0/24 can have it'],
    [[{ Subnet: '10.0.0.0/24', IPRange: '10.0.1.0/25' }], "doesn't contain ip-range"],
    [[{ Subnet: '10.0.0.0/24', IPRange: '10.0.0.0/16' }], "doesn't contain ip-range"],
    [
      [{ Subnet: '10.0.0.0/24', AuxiliaryAddresses: { a: '10.9.0.1' } }],
      "parent subnet 10.0.0.0/24 doesn't contain this address",
    ],
    [[{ Subnet: '10.0.0.0/24' }, { Subnet: '10.1.0.0/24' }], 'one subnet of IPv4'],
    [[{ Subnet: '172.17.9.0/24' }], 'Pool overlaps with other one on this address space'],
    [[{ Subnet: 'fd00::/64' }], 'IPv6 is not enabled'],
  ])('refuses %j', (config, message) => {
    expect(() => withPool(...config)).toThrow(message);
  });
  it.each(['', ' ', 'x\n', 'x'.repeat(256), '0'.repeat(64)])('refuses the name %j', (Name) => {
    expect(() => plan({ Name })).toThrow(/invalid name/);
  });
  it.each(['a b', 'a/b', '../x', '-x', 'ü'])('takes the name %j', (Name) => {
    expect(plan({ Name }).name).toBe(Name);
  });
  it.each(['bridge', 'host', 'none', 'default'])('refuses the predefined name %s', (Name) => {
    expect(() => plan({ Name })).toThrow(`operation is not permitted on predefined ${Name} network`);
  });
  it('can be called __proto__ or constructor', () => {
    for (const Name of ['__proto__', 'constructor']) expect(plan({ Name }).name).toBe(Name);
  });
  it.each([
    [{ Driver: 'overlay' }, 'overlay'],
    [{ Driver: 'macvlan' }, 'macvlan'],
    [{ Driver: 'frob' }, 'plugin "frob" not found'],
    [{ Driver: 'host' }, 'only one instance of "host"'],
    [{ Scope: 'swarm' }, 'swarm is not active'],
    [{ ConfigFrom: { Network: 'x' } }, 'does not do that'],
    [{ Options: { 'com.docker.network.bridge.name': 'a'.repeat(16) } }, 'invalid interface name'],
    [{ Options: { 'com.docker.network.bridge.name': 'a/b' } }, 'invalid interface name'],
    [{ Options: { 'com.docker.network.bridge.enable_icc': 'maybe' } }, 'failed to parse'],
    [{ Options: { 'com.docker.network.driver.mtu': '12' } }, 'failed to parse'],
    [{ EnableIPv6: true, Options: { 'com.docker.network.driver.mtu': '1279' } }, 'too small for IPv6'],
    [{ Options: { 'com.docker.network.bridge.frob': '1' } }, 'this engine does not have it'],
    [{ EnableIPv4: false }, 'IPv4 or IPv6 must be enabled'],
  ])('refuses %j', (request, message) => {
    expect(() => plan(request)).toThrow(message);
  });
  it('reads the options of its bridge', () => {
    const { bridge, options } = plan({
      Options: {
        'com.docker.network.bridge.name': 'br7',
        'com.docker.network.bridge.enable_icc': 'false',
        'com.docker.network.bridge.enable_ip_masquerade': 'false',
        'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1',
        'com.docker.network.driver.mtu': '1400',
        'com.docker.network.container_iface_prefix': 'net',
        'my.own': 'x',
      },
    });
    expect(bridge).toEqual({
      name: 'br7',
      isNameAsked: true,
      isIccEnabled: false,
      isMasqueraded: false,
      hostIp: '127.0.0.1',
      mtu: 1400,
      interfacePrefix: 'net',
    });
    expect(options['my.own']).toBe('x');
  });
});
