import { describe, expect, it } from 'vitest';
import {
  checkDns,
  editHosts,
  embeddedResolvConf,
  hostsFile,
  resolvConf,
} from '../../../daemon/networks/managed-files.ts';
import { parseExtraHost } from '../../../daemon/spec/docker/parse-names.ts';
import { parseNetworkMode } from '../../../daemon/spec/docker/parse-network-mode.ts';

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
  it('on user networks names the engine’s own server, with ndots:0 unless asked otherwise', () => {
    const hostFile = 'nameserver 9.9.9.9\nsearch a\noptions edns0\n';
    expect(embeddedResolvConf({ hostFile, search: [], options: [] })).toBe(
      'nameserver 127.0.0.11\nsearch a\noptions edns0 ndots:0\n',
    );
    expect(embeddedResolvConf({ hostFile, search: ['.'], options: ['ndots:2'] })).toBe(
      'nameserver 127.0.0.11\noptions ndots:2\n',
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
    const text = hostsFile({
      extraHosts: ['db:10.0.0.2', 'v6=[::2]', 'w6:::3'].map(parseExtraHost),
      gateways: [],
      lines: [],
    });
    expect(text).toContain('127.0.0.1\tlocalhost\n');
    expect(text.endsWith('10.0.0.2\tdb\n::2\tv6\n::3\tw6\n')).toBe(true);
  });
  it('puts the host in for host-gateway, own and linked addresses last', () => {
    const text = hostsFile({
      extraHosts: [parseExtraHost('gw:host-gateway')],
      gateways: ['10.0.0.1', 'fd00::1'],
      lines: [{ address: '10.0.0.2', names: ['me.example', 'me'] }],
    });
    expect(text.endsWith('10.0.0.1\tgw\nfd00::1\tgw\n10.0.0.2\tme.example me\n')).toBe(true);
  });
  it('is changed line by line: what the container wrote stays', () => {
    const line = (address: string) => ({ address, names: ['me'] });
    const text = '127.0.0.1\tlocalhost\n10.0.0.2\tme\n10.0.0.2 mine # as I like it';
    expect(editHosts(text, [line('10.0.0.2')], [line('10.0.0.3')])).toBe(
      '127.0.0.1\tlocalhost\n10.0.0.2 mine # as I like it\n10.0.0.3\tme\n',
    );
  });
  it('refuses what is no address or more than one word', () => {
    expect(() => parseExtraHost('db')).toThrow('bad format for add-host: "db"');
    expect(() => parseExtraHost('db:nope')).toThrow('invalid IP address in add-host: "nope"');
    expect(() => parseExtraHost('a b:1.1.1.1')).toThrow('bad format');
  });
});

it('reads the modes', () => {
  expect(parseNetworkMode('')).toEqual({ kind: 'bridge' });
  expect(parseNetworkMode('container:x')).toEqual({ kind: 'container', ref: 'x' });
  expect(() => parseNetworkMode('container:')).toThrow('invalid container format');
  expect(parseNetworkMode('mine')).toEqual({ kind: 'network', ref: 'mine' });
});
