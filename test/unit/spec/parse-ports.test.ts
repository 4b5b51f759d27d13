import { describe, expect, it } from 'vitest';
import { exposedRanges, type PortWishes, parsePorts } from '../../../daemon/spec/docker/parse-ports.ts';
import { exposedPorts, portRequests } from '../../../daemon/spec/ports.ts';

const requests = (wishes: PortWishes) => portRequests(parsePorts(wishes));
const exposedOf = (exposed: PortWishes['exposed']) => exposedPorts(exposedRanges(exposed));
const bindings = (asked: Record<string, { HostIp?: string; HostPort?: string }[] | null>) =>
  requests({ exposed: null, bindings: asked, publishAll: false });

describe('published ports', () => {
  it('in all forms', () => {
    expect(
      bindings({
        '80': [{ HostPort: '8080' }],
        '53/udp': [{ HostIp: '127.0.0.1', HostPort: '53' }],
        '443/tcp': [{ HostIp: '[::1]', HostPort: '9000-9010' }],
        '81/tcp': [{}],
        '82/tcp': null,
        '83/tcp': [{ HostPort: '0' }, { HostPort: '8083' }],
      }),
    ).toEqual([
      { containerPort: 53, protocol: 'udp', hostIp: '127.0.0.1', hostPorts: { first: 53, last: 53 } },
      { containerPort: 80, protocol: 'tcp', hostIp: '', hostPorts: { first: 8080, last: 8080 } },
      { containerPort: 81, protocol: 'tcp', hostIp: '' },
      { containerPort: 82, protocol: 'tcp', hostIp: '' },
      { containerPort: 83, protocol: 'tcp', hostIp: '' },
      { containerPort: 83, protocol: 'tcp', hostIp: '', hostPorts: { first: 8083, last: 8083 } },
      { containerPort: 443, protocol: 'tcp', hostIp: '::1', hostPorts: { first: 9000, last: 9010 } },
    ]);
  });
  it('-P publishes what is exposed and not bound', () => {
    const exposed = { '80/tcp': {}, '90-91/udp': {} };
    expect(requests({ exposed, bindings: { '80/tcp': [{ HostPort: '8' }] }, publishAll: true })).toEqual([
      { containerPort: 80, protocol: 'tcp', hostIp: '', hostPorts: { first: 8, last: 8 } },
      { containerPort: 90, protocol: 'udp', hostIp: '' },
      { containerPort: 91, protocol: 'udp', hostIp: '' },
    ]);
    expect(requests({ exposed, bindings: {}, publishAll: false })).toEqual([]);
  });
  it('are each published once, however often an image exposes them', () => {
    const exposed = { '80': {}, '80/tcp': {}, '79-80/TCP': {} };
    expect(requests({ exposed, bindings: {}, publishAll: true }).map(({ containerPort }) => containerPort)).toEqual([
      79, 80,
    ]);
  });
  it('are counted before they are made out of the ranges of an image', () => {
    const exposed = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`${i + 1}-65535/tcp`, {}]));
    for (const publishAll of [true, false]) {
      expect(() => requests({ exposed, bindings: {}, publishAll })).toThrow('more than 131072 exposed ports');
    }
  });
  it.each([
    [{ '80/tcp': [{ HostPort: '70000' }] }, 'invalid port specification: "70000"'],
    [{ '80/tcp': [{ HostPort: 'abc' }] }, 'invalid port specification: "abc"'],
    [{ '80/tcp': [{ HostPort: '-1' }] }, 'invalid port specification: "-1"'],
    [{ '80/tcp': [{ HostPort: '90-80' }] }, 'invalid port specification: "90-80"'],
    [{ '70000/tcp': [{}] }, 'invalid port specification: "70000"'],
    [{ '0/tcp': [{}] }, 'invalid port specification: "0"'],
    [{ '80-82/tcp': [{}] }, 'invalid port specification: "80-82"'],
    [{ '80/foo': [{}] }, 'invalid proto: foo'],
    [{ '80/tcp/x': [{}] }, 'invalid proto'],
    [{ __proto__x: [{}] }, 'invalid port specification'],
    [{ '80/tcp': [{ HostIp: 'bad' }] }, 'invalid IP address: bad'],
    [{ '80/tcp': [{ HostIp: 'fe80::1%eth0' }] }, 'invalid IP address'],
  ])('refuses %j', (asked, message) => {
    expect(() => bindings(asked)).toThrow(message);
  });
});

describe('exposed ports', () => {
  it('are kept as few ranges, whatever an image names', () => {
    const all = Object.fromEntries(Array.from({ length: 65_535 }, (_, i) => [`${i + 1}/tcp`, {}]));
    expect(exposedRanges(all)).toEqual([{ first: 1, last: 65_535, protocol: 'tcp' }]);
    expect(exposedRanges({ '80': {}, '81/udp': {}, '82/udp': {}, '84/udp': {} })).toEqual([
      { first: 80, last: 80, protocol: 'tcp' },
      { first: 81, last: 82, protocol: 'udp' },
      { first: 84, last: 84, protocol: 'udp' },
    ]);
  });

  it('are each there once, in the order in which they are named first', () => {
    const exposed = {
      '00080': {},
      '80/tcp': {},
      '80/TCP': {},
      '53/udp': {},
      '9/sctp': {},
      '79-81/tcp': {},
      '65535/tcp': {},
    };
    expect(exposedOf(exposed).map(({ containerPort, protocol }) => `${containerPort}/${protocol}`)).toEqual([
      ...['80/tcp', '53/udp', '9/sctp', '79/tcp', '81/tcp', '65535/tcp'],
    ]);
  });

  it.each([
    '',
    '/tcp',
    '0',
    '65536/tcp',
    '123456',
    '000080/tcp',
    '80x/tcp',
    '80/',
    '80/tcpx',
    '80/stcp',
    '80 /tcp',
    '81-80',
  ])('refuses "%s"', (port) => {
    expect(() => exposedOf({ [port]: {} })).toThrow(/^invalid (port specification|proto)/);
  });

  it('are no more than there can be', () => {
    const exposed = { '1-65535/tcp': {}, '1-65535/udp': {}, '1/sctp': {}, '2/sctp': {}, '3/sctp': {} };
    expect(() => exposedOf(exposed)).toThrow('more than 131072 exposed ports');
  });
});
