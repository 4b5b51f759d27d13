import { describe, expect, it } from 'vitest';
import { portElements } from '../../../../daemon/networks/kernel/firewall-elements.ts';
import { engineNames } from '../../../../daemon/networks/kernel/names.ts';
import { isSamePort, portTargets } from '../../../../daemon/networks/kernel/plan-ports.ts';
import { decodePort, encodePort, FRAME_BYTES } from '../../../../daemon/networks/kernel/port-keeper.ts';
import type { PublishedPort, PublishRequest } from '../../../../daemon/networks/kernel/published-port.ts';

const port: PublishedPort = {
  containerId: 'c'.repeat(64),
  protocol: 'tcp',
  hostIp: '0.0.0.0',
  hostPort: 8080,
  containerIp: '172.17.0.2',
  containerPort: 80,
};
const request: PublishRequest = {
  containerId: port.containerId,
  containerName: 'web',
  endpointId: 'e',
  bridge: 'br0',
  ipv4: '172.17.0.2',
  ports: [],
};
const asked = { protocol: 'tcp', containerPort: 80, hostIp: '' } as const;

describe('where a port is published', () => {
  it('is both families without an address, and IPv4 alone on a host without IPv6', () => {
    expect(portTargets(request, asked, true)).toEqual([
      { hostIp: '0.0.0.0', containerIp: '172.17.0.2' },
      { hostIp: '::', containerIp: '172.17.0.2' },
    ]);
    expect(portTargets({ ...request, ipv6: 'fd00::2' }, asked, true)[1]?.containerIp).toBe('fd00::2');
    expect(portTargets(request, asked, false)).toHaveLength(1);
  });

  it('is one address when one is given, in brackets or not', () => {
    expect(portTargets(request, { ...asked, hostIp: '[::1]' }, true)).toEqual([
      { hostIp: '::1', containerIp: '172.17.0.2' },
    ]);
    expect(() => portTargets(request, { ...asked, hostIp: 'host' }, true)).toThrow('invalid IP address: host');
  });

  it('is the same for all addresses and one of them, of a family and protocol', () => {
    expect(isSamePort(port, { ...port, hostIp: '127.0.0.1' })).toBe(true);
    expect(isSamePort({ ...port, hostIp: '127.0.0.2' }, { ...port, hostIp: '127.0.0.1' })).toBe(false);
    expect(isSamePort(port, { ...port, hostIp: '::' })).toBe(false);
    expect(isSamePort(port, { ...port, protocol: 'udp' })).toBe(false);
    expect(isSamePort(port, { ...port, hostPort: 8081 })).toBe(false);
  });
});

describe('a port in the firewall', () => {
  const words = (published: PublishedPort) =>
    portElements(published).map(
      ({ set, key, value }) => `${set} ${key.toString('hex')} ${value?.toString('hex') ?? ''}`,
    );

  it('is a key of protocol and port, with the address when it is one', () => {
    expect(words(port)).toEqual(['anyPorts4 060000001f900000 ac11000200500000', 'self4 ac110002ac110002 ']);
    expect(words({ ...port, hostIp: '127.0.0.1', protocol: 'udp' })[0]).toBe(
      'ports4 7f000001110000001f900000 ac11000200500000',
    );
    expect(words({ ...port, hostIp: '::', containerIp: 'fd00::2' })[0]).toBe(
      'anyPorts6 060000001f900000 fd00000000000000000000000000000200500000',
    );
  });

  it('is nothing between families: the port keeper serves that', () => {
    expect(words({ ...port, hostIp: '::' })).toEqual([]);
  });
});

describe('a port for the port keeper', () => {
  it.each([
    port,
    { ...port, hostIp: '::', protocol: 'udp' as const },
    { ...port, hostIp: '::1', containerIp: 'fd00::2' },
  ])('is read as it was written: %j', (published) => {
    const frame = encodePort(published);
    expect(frame.length).toBe(FRAME_BYTES);
    expect(decodePort(frame)).toEqual(published);
  });
});

describe('names of kernel objects', () => {
  it('fit, and differ between engines', () => {
    const one = engineNames('one');
    const two = engineNames('two');
    expect(one.veth('e'.repeat(64)).length).toBeLessThanOrEqual(15);
    expect(one.table).not.toBe(two.table);
    expect(one.veth('e')).not.toBe(two.veth('e'));
    expect(one.bridgeAlias('n').startsWith(two.aliasStart)).toBe(false);
    expect(one.vethAlias('c'.repeat(64), 'e'.repeat(64)).length).toBeLessThan(256);
  });
});
