import { describe, expect, it } from 'vitest';
import { FixedNetworks } from '../../../daemon/networks/fixed-networks.ts';
import { checkDns, hostsFile, parseExtraHost, resolvConf } from '../../../daemon/networks/managed-files.ts';
import { parseNetworkMode } from '../../../daemon/networks/network-mode.ts';

const none = { servers: [], search: [], options: [] };

describe('resolv.conf', () => {
  it('leaves out resolvers on the host loopback, and falls back when nothing is left', () => {
    const hostFile = 'nameserver 127.0.0.53\nnameserver 10.0.0.1 # x\nsearch a b\noptions edns0\n';
    expect(resolvConf({ hostFile, keepLoopback: false, ...none })).toBe(
      'nameserver 10.0.0.1\nsearch a b\noptions edns0\n',
    );
    expect(resolvConf({ hostFile: 'nameserver ::1\n', keepLoopback: false, ...none })).toBe(
      'nameserver 8.8.8.8\nnameserver 8.8.4.4\n',
    );
    expect(resolvConf({ hostFile: 'nameserver 127.0.0.53\n', keepLoopback: true, ...none })).toBe(
      'nameserver 127.0.0.53\n',
    );
  });
  it('takes what was asked, kind by kind; "." is no search list', () => {
    const asked = { servers: ['1.1.1.1'], search: ['.'], options: ['ndots:2'] };
    expect(resolvConf({ hostFile: 'nameserver 9.9.9.9\nsearch x\n', keepLoopback: false, ...asked })).toBe(
      'nameserver 1.1.1.1\noptions ndots:2\n',
    );
  });
  it.each([
    [['x'], [], []],
    [[], ['a\nnameserver 6.6.6.6'], []],
    [[], [], ['a b']],
  ])('refuses %j %j %j', (servers, search, options) => {
    expect(() => checkDns(servers, search, options)).toThrow();
  });
});

describe('hosts', () => {
  it('adds extra hosts', () => {
    const text = hostsFile({ extraHosts: ['db:10.0.0.2', 'v6=[::2]', 'w6:::3'] });
    expect(text).toContain('127.0.0.1\tlocalhost\n');
    expect(text.endsWith('10.0.0.2\tdb\n::2\tv6\n::3\tw6\n')).toBe(true);
  });
  it('refuses what is no address or more than one word', () => {
    expect(() => parseExtraHost('db')).toThrow('bad format for add-host: "db"');
    expect(() => parseExtraHost('db:nope')).toThrow('invalid IP address in add-host: "nope"');
    expect(() => parseExtraHost('a b:1.1.1.1')).toThrow('bad format');
    expect(() => parseExtraHost('h:host-gateway')).toThrow('not there yet');
  });
});

describe('networks', () => {
  it('reads the modes', () => {
    expect(parseNetworkMode('')).toEqual({ kind: 'bridge' });
    expect(parseNetworkMode('container:x')).toEqual({ kind: 'container', ref: 'x' });
    expect(() => parseNetworkMode('container:')).toThrow('invalid container format');
    expect(() => parseNetworkMode('mine')).toThrow('not there yet');
  });
  it('has fixed ones, found by id, name and prefix', () => {
    const networks = new FixedNetworks('engine', '2026-01-01T00:00:00Z', () => []);
    expect(networks.list(new Map()).map(({ Name }) => Name)).toEqual(['bridge', 'host', 'none']);
    expect(networks.list(new Map([['name', ['host']]]))).toHaveLength(1);
    const { Id } = networks.inspect('host');
    expect(Id).toMatch(/^[0-9a-f]{64}$/);
    expect(networks.inspect(Id.slice(0, 12)).Name).toBe('host');
    expect(() => networks.inspect('')).toThrow('network  not found');
    expect(() => networks.inspect('__proto__')).toThrow('not found');
  });
});
