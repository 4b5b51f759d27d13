import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDevice, parseGpus } from '../../../../cli/options/devices.ts';
import { filtersQuery, validateFilter } from '../../../../cli/options/filters.ts';
import { parseMount, splitVolumes, tmpfsMounts } from '../../../../cli/options/mount.ts';
import { endpointSettings, parseNetwork } from '../../../../cli/options/network.ts';
import { platformJson } from '../../../../cli/options/platform.ts';
import { parsePorts } from '../../../../cli/options/ports.ts';
import { familiarReference, parseReference } from '../../../../cli/options/reference.ts';
import { parseSecurityOptions } from '../../../../cli/options/security.ts';
import {
  parseRestartPolicy,
  parseUlimit,
  validateExtraHost,
  validateSysctl,
} from '../../../../cli/options/validators.ts';
import { collectLabels, collectVariables, validateVariable } from '../../../../cli/options/variables.ts';
import { usualMs, workMs } from '../../../harness/pace.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsdocker-cli-options-'));
});
afterAll(() => rmSync(directory, { recursive: true }));
const file = (name: string, text: string | Buffer) => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};

describe('variables and labels', () => {
  it('reads files: comments, own values, what stands behind the first =', () => {
    process.env.TSDOCKER_TEST_OWN = 'own';
    const path = file('e.env', '\uFEFF# comment\n\n  A=1 = 2 \nTSDOCKER_TEST_OWN\nTSDOCKER_TEST_NONE\nB=\r\n');
    expect(collectVariables([path], ['C=3'])).toEqual(['A=1 = 2 ', 'TSDOCKER_TEST_OWN=own', 'B=', 'C=3']);
    expect(validateVariable('TSDOCKER_TEST_OWN')).toBe('TSDOCKER_TEST_OWN=own');
    expect(validateVariable('TSDOCKER_TEST_NONE')).toBe('TSDOCKER_TEST_NONE');
    delete process.env.TSDOCKER_TEST_OWN;
  });

  it('says which line is wrong', () => {
    expect(() => validateVariable('=x')).toThrow('invalid environment variable: =x');
    expect(() => collectVariables([file('s.env', 'a b=c')], [])).toThrow(/variable 'a b' contains whitespaces$/);
    expect(() => collectVariables([file('n.env', '=c')], [])).toThrow(/no variable name on line '=c'$/);
    expect(() => collectVariables([file('u.env', Buffer.from([0x41, 0xff]))], [])).toThrow(
      'invalid utf8 bytes at line 1',
    );
    expect(() => collectVariables([join(directory, 'absent')], [])).toThrow(
      /^open .*absent: no such file or directory$/,
    );
  });

  it('keeps labels that are named like members of objects', () => {
    const labels = collectLabels([], ['__proto__=x', 'constructor', 'a=b=c']);
    expect(JSON.stringify(labels)).toBe('{"__proto__":"x","constructor":"","a":"b=c"}');
  });
});

describe('mounts', () => {
  it('reads every kind', () => {
    expect(parseMount('type=bind,src=/x,dst=/y,ro,bind-propagation=rslave')).toEqual({
      Type: 'bind',
      Source: '/x',
      Target: '/y',
      ReadOnly: true,
      BindOptions: { Propagation: 'rslave' },
    });
    expect(parseMount('type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777').TmpfsOptions).toEqual({
      SizeBytes: 1048576,
      Mode: 0o1777,
    });
    expect(parseMount('"dst=/with,comma"').Target).toBe('/with,comma');
    expect(parseMount('type=bind,source=.,target=/y').Source).toBe(resolve('.'));
  });

  it.each([
    ['type=bind', 'target is required'],
    ['foo', "invalid field 'foo' must be a key=value pair"],
    ['type=bind,dst=/x,__proto__=1', "unexpected key '__proto__'"],
    ['type=bind,dst=/x,tmpfs-size=1', "cannot mix 'tmpfs-*' options with mount type 'bind'"],
    ['type=bind,dst=/x,ro=maybe', 'invalid value for ro: maybe'],
    ['type=tmpfs,dst=/x,tmpfs-mode=9', 'invalid value for tmpfs-mode: 9'],
    ['a"b', 'bare " in non-quoted-field'],
    ['"a', 'in quoted-field'],
  ])('refuses %s', (text, message) => expect(() => parseMount(text)).toThrow(message));

  it('tells binds from anonymous volumes and makes relative sources absolute', () => {
    expect(splitVolumes(['/a:/b:ro', './x:/y', '/anon', 'name:/z'])).toEqual({
      binds: ['/a:/b:ro', `${resolve('x')}:/y`, 'name:/z'],
      volumes: { '/anon': {} },
    });
    expect(() => splitVolumes([''])).toThrow('invalid empty volume spec');
    expect(() => splitVolumes(['a::b'])).toThrow('empty section between colons');
    expect(tmpfsMounts(['/t:size=1m,mode=1777', '/u'])).toEqual({ '/t': 'size=1m,mode=1777', '/u': '' });
  });
});

describe('ports', () => {
  it('reads addresses, ranges and protocols', () => {
    const { exposed, bindings } = parsePorts(
      ['8080:80', '127.0.0.1::53/udp', '9000-9001:9000-9001', '[::1]:81:82', '1000-2000:90', 'published=7,target=8'],
      ['1-2', '3/udp'],
    );
    expect(bindings).toEqual({
      '80/tcp': [{ HostIp: '', HostPort: '8080' }],
      '53/udp': [{ HostIp: '127.0.0.1', HostPort: '' }],
      '9000/tcp': [{ HostIp: '', HostPort: '9000' }],
      '9001/tcp': [{ HostIp: '', HostPort: '9001' }],
      '82/tcp': [{ HostIp: '::1', HostPort: '81' }],
      '90/tcp': [{ HostIp: '', HostPort: '1000-2000' }],
      '8/tcp': [{ HostIp: '', HostPort: '7' }],
    });
    expect(Object.keys(exposed)).toContain('3/udp');
  });

  it.each([
    ['x', 'invalid containerPort: x'],
    ['80:', 'no port specified: 80:<empty>'],
    ['80-81:80-82', 'invalid ranges specified for container and host Ports: 80-82 and 80-81'],
    ['1.2.3:80:80', 'invalid IP address: 1.2.3'],
    ['80/foo', 'invalid proto: foo'],
    ['70000', 'invalid containerPort: 70000'],
  ])('refuses -p %s', (spec, message) => expect(() => parsePorts([spec], [])).toThrow(message));

  it('refuses --expose with a mapping', () => {
    expect(() => parsePorts([], ['80:80'])).toThrow('invalid port format for --expose: 80:80');
    expect(() => parsePorts([], ['5-1'])).toThrow('invalid range format for --expose: 5-1');
  });
});

describe('networks', () => {
  const none = { aliases: [], links: [], ipv4: '', ipv6: '', linkLocalIps: [], macAddress: '' };

  it('says a plain network by its mode alone and describes others', () => {
    expect(endpointSettings([parseNetwork('host')], none)).toEqual({});
    const settings = endpointSettings([parseNetwork('name=net,alias=a,ip=1.2.3.4,driver-opt=k=v')], none);
    expect(settings.net).toMatchObject({
      Aliases: ['a'],
      IPAMConfig: { IPv4Address: '1.2.3.4' },
      DriverOpts: { k: 'v' },
    });
  });

  it('refuses what cannot be together', () => {
    const attach = (names: string[], more = {}) => endpointSettings(names.map(parseNetwork), { ...none, ...more });
    expect(() => attach(['a', 'a'])).toThrow('network "a" is specified multiple times');
    expect(() => attach(['a', 'host'])).toThrow('cannot attach both user-defined and non-user-defined');
    expect(() => attach(['none'], { aliases: ['x'] })).toThrow('only supported for user-defined networks');
    expect(() => attach(['name=a,ip=1.2.3.4'], { ipv4: '1.2.3.5' })).toThrow('cannot specify both --ip');
    expect(() => parseNetwork('name=a,foo=b')).toThrow('invalid field key foo');
  });
});

describe('devices', () => {
  it('reads mappings', () => {
    expect(parseDevice('/dev/null:/dev/n:r')).toEqual({
      PathOnHost: '/dev/null',
      PathInContainer: '/dev/n',
      CgroupPermissions: 'r',
    });
    expect(parseDevice('/dev/full:rw')).toMatchObject({ PathInContainer: '/dev/full', CgroupPermissions: 'rw' });
    expect(() => parseDevice('dev')).toThrow('dev is not an absolute path');
    expect(() => parseDevice('/dev/a:/b:z')).toThrow('bad mode specified: z');
  });

  it('reads requests for GPUs', () => {
    expect(parseGpus('all').Count).toBe(-1);
    expect(parseGpus('"device=0,1","capabilities=utility"')).toMatchObject({
      DeviceIDs: ['0', '1'],
      Capabilities: [['utility', 'gpu']],
    });
    expect(() => parseGpus('count=1,count=2')).toThrow("gpu request key 'count' can be specified only once");
  });
});

describe('other options', () => {
  it('inlines seccomp profiles and keeps unmasked paths on this side', () => {
    const path = file('p.json', '{ "a": [1, 2] }');
    expect(parseSecurityOptions([`seccomp=${path}`, 'no-new-privileges', 'systempaths=unconfined'])).toEqual({
      SecurityOpt: ['seccomp={"a":[1,2]}', 'no-new-privileges'],
      MaskedPaths: [],
      ReadonlyPaths: [],
    });
    expect(parseSecurityOptions([])).toEqual({ SecurityOpt: null, MaskedPaths: null, ReadonlyPaths: null });
    expect(() => parseSecurityOptions(['foo'])).toThrow('Invalid --security-opt: "foo"');
  });

  it('reads ulimits, restart policies, hosts, sysctls, platforms and filters', () => {
    expect(parseUlimit('nofile=10:20')).toEqual({ Name: 'nofile', Soft: 10, Hard: 20 });
    expect(() => parseUlimit('nofile=20:10')).toThrow('20 > 10');
    expect(() => parseUlimit('constructor=1')).toThrow('invalid ulimit type: constructor');
    expect(parseRestartPolicy('on-failure:3')).toEqual({ Name: 'on-failure', MaximumRetryCount: 3 });
    expect(() => parseRestartPolicy(':3')).toThrow('no policy provided before colon');
    expect(validateExtraHost('six=[::1]')).toBe('six:::1');
    expect(validateExtraHost('g:host-gateway')).toBe('g:host-gateway');
    expect(() => validateExtraHost('a:b')).toThrow('invalid IP address in add-host: "b"');
    expect(() => validateSysctl('foo=bar')).toThrow("sysctl 'foo=bar' is not allowed");
    expect(platformJson('linux/arm64/v8')).toBe('{"architecture":"arm64","os":"linux","variant":"v8"}');
    expect(filtersQuery(['status=running', 'status=exited', 'name=x'])).toBe(
      '{"name":{"x":true},"status":{"exited":true,"running":true}}',
    );
    expect(filtersQuery([])).toBeUndefined();
    expect(() => validateFilter('x')).toThrow('bad format of filter (expected name=value)');
  });
});

describe('image references', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox', 'busybox:latest'],
    ['index.docker.io/a/b:c', 'docker.io/a/b', 'a/b:c'],
    ['localhost/x', 'localhost/x', 'localhost/x:latest'],
    [`reg.io:5000/x/y@sha256:${'a'.repeat(64)}`, 'reg.io:5000/x/y', `reg.io:5000/x/y@sha256:${'a'.repeat(64)}`],
  ])('%s', (text, name, familiar) => {
    expect(parseReference(text).name).toBe(name);
    expect(familiarReference(text)).toBe(familiar);
  });

  it.each([
    ['UPPER', 'repository name (library/UPPER) must be lowercase'],
    ['a:b:c', 'invalid reference format'],
    ['', 'invalid reference format'],
    ['a..b/c d', 'invalid reference format'],
  ])('refuses %j', (text, message) => expect(() => familiarReference(text)).toThrow(message));

  it('takes linear time on hostile names', () => {
    const work = () => expect(() => parseReference(`${'a-'.repeat(50_000)}!`)).toThrow();
    expect(workMs(work)).toBeLessThan(1000 * usualMs());
  });
});
