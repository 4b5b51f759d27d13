import { describe, expect, it } from 'vitest';
import { ipamConfig } from '../../../cli/options/ipam.ts';

const none = { subnet: [], ipRange: [], gateway: [], auxAddress: [] };

describe('--subnet and its kin', () => {
  it('each goes to the subnet that it belongs to', () => {
    expect(
      ipamConfig({
        subnet: ['10.1.0.0/16', 'fd00::/64'],
        ipRange: ['10.1.4.0/24'],
        gateway: ['fd00::9', '10.1.0.9'],
        auxAddress: ['a=10.1.0.3', 'b=fd00::3'],
      }),
    ).toEqual([
      { Subnet: '10.1.0.0/16', IPRange: '10.1.4.0/24', Gateway: '10.1.0.9', AuxiliaryAddresses: { a: '10.1.0.3' } },
      { Subnet: 'fd00::/64', Gateway: 'fd00::9', AuxiliaryAddresses: { b: 'fd00::3' } },
    ]);
    expect(ipamConfig(none)).toEqual([]);
  });
  it.each([
    [{ gateway: ['10.0.0.1'] }, 'every ip-range or gateway must have a corresponding subnet'],
    [{ subnet: ['10.0.0.0/8', '10.1.0.0/16'] }, 'multiple overlapping subnet configuration is not supported'],
    [{ subnet: ['10.0.0.0/24'], gateway: ['10.0.1.1'] }, 'no matching subnet for gateway 10.0.1.1'],
    [{ subnet: ['10.0.0.0/24'], auxAddress: ['a=10.0.1.1'] }, 'no matching subnet for aux-address 10.0.1.1'],
    [
      { subnet: ['10.0.0.0/24', '10.1.0.0/24'], gateway: ['10.0.0.1', '10.0.0.2'] },
      'cannot configure multiple gateways (10.0.0.2, 10.0.0.1) for the same subnet (10.0.0.0/24)',
    ],
    [{ subnet: ['10.0.0.0/33'], gateway: ['10.0.0.1'] }, 'invalid CIDR address: 10.0.0.0/33'],
    [{ subnet: ['foo'], gateway: ['10.0.0.1'] }, 'invalid CIDR address: foo'],
  ])('refuses %j', (flags, message) => {
    expect(() => ipamConfig({ ...none, ...flags })).toThrow(message);
  });
});
