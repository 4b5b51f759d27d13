// The one way from Docker's body to a spec, and what is stored of it.
import { describe, expect, test } from 'vitest';
import { decodeRecord, encodeRecord } from '../../../daemon/containers/container-record.ts';
import type { ResolvedConfig } from '../../../daemon/docker-types/container-config.ts';
import type { HostConfig } from '../../../daemon/docker-types/host-config.ts';
import { isSpec } from '../../../daemon/spec/check-spec.ts';
import { limitsFromDocker, limitsToDocker } from '../../../daemon/spec/docker/docker-limits.ts';
import { inspectedBody, withLimits, withLinks, withNames } from '../../../daemon/spec/docker/to-docker.ts';
import { specOf } from './spec-of.ts';

const MB = 1024 * 1024;

/** Something in every part of a spec. */
const hostConfig: HostConfig = {
  Annotations: { a: 'b' },
  AutoRemove: false,
  BlkioDeviceReadBps: [{ Path: '/dev/sda', Rate: 5 }],
  BlkioWeightDevice: [{ Path: '/dev/sda', Weight: 20 }],
  CapAdd: ['net_admin'],
  CapDrop: ['ALL'],
  CgroupParent: '/p',
  CgroupnsMode: 'private',
  ConsoleSize: [24, 80],
  CpuQuota: -1,
  DeviceCgroupRules: ['a 1:* rw'],
  Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/x' }],
  Dns: ['10.0.0.1'],
  ExtraHosts: ['db:10.0.0.2', 'gw=host-gateway'],
  GroupAdd: ['audio', '7'],
  Init: true,
  IpcMode: 'container:c',
  Links: ['other:alias'],
  LogConfig: { Type: 'local', Config: { 'max-size': '1m' } },
  Memory: 64 * MB,
  MemorySwap: -1,
  NetworkMode: 'mine',
  OomScoreAdj: 5,
  PidMode: 'host',
  PidsLimit: 10,
  PortBindings: { '80/tcp': [{ HostPort: '8080-8081' }], '53/udp': null },
  PublishAllPorts: true,
  ReadonlyRootfs: true,
  RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
  RestartUnhealthy: true,
  SecurityOpt: [
    'no-new-privileges',
    'seccomp={"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}',
  ],
  ShmSize: MB,
  Sysctls: { 'net.core.somaxconn': '5' },
  Tmpfs: { '/t': 'size=1m' },
  UTSMode: '',
  Ulimits: [{ Name: 'NOFILE', Soft: 1, Hard: -1 }],
};
const config: Partial<ResolvedConfig> = {
  Cmd: ['x', 'y'],
  Domainname: 'example',
  Entrypoint: ['/e'],
  Env: ['A=b'],
  ExposedPorts: { '80/tcp': {}, '81/tcp': {}, '9/udp': {} },
  Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 2e9 },
  Hostname: 'h',
  Image: 'busybox',
  Labels: JSON.parse('{"__proto__":"x","l":"m"}'),
  OpenStdin: true,
  StdinOnce: true,
  StopSignal: 'INT',
  StopTimeout: 3,
  Tty: true,
  User: 'u:g',
  Volumes: { '/v': {} },
  WorkingDir: '/w',
};

test('all that a container is, in words of our own', () => {
  const spec = specOf(hostConfig, config);
  expect(spec).toMatchObject({
    imageName: 'busybox',
    labels: { l: 'm' },
    annotations: { a: 'b' },
    hostname: 'h',
    domainname: 'example',
    isRootReadonly: true,
    mounts: [
      { type: 'tmpfs', target: '/t' },
      { type: 'volume', target: '/v' },
    ],
    namespaces: {
      pid: { kind: 'host' },
      ipc: { kind: 'container', ref: 'c', shmBytes: MB, isShareable: true },
      uts: { kind: 'private' },
      cgroup: 'private',
    },
    network: { kind: 'network', ref: 'mine' },
    isNetworkDisabled: false,
    dns: { servers: ['10.0.0.1'], search: [], options: [] },
    extraHosts: [
      { name: 'db', address: '10.0.0.2' },
      { name: 'gw', address: 'host-gateway' },
    ],
    links: [{ target: 'other', alias: 'alias' }],
    ports: {
      exposed: [
        { first: 80, last: 81, protocol: 'tcp' },
        { first: 9, last: 9, protocol: 'udp' },
      ],
      published: [
        { containerPort: 80, protocol: 'tcp', hostIp: '', hostPorts: { first: 8080, last: 8081 } },
        { containerPort: 53, protocol: 'udp', hostIp: '' },
      ],
      publishesExposed: true,
    },
    devices: {
      mappings: [{ hostPath: '/dev/null', containerPath: '/dev/x', access: 'rwm' }],
      rules: [
        { type: 'b', major: 1, minor: 'all', access: 'rw' },
        { type: 'c', major: 1, minor: 'all', access: 'rw' },
      ],
    },
    cgroupParent: '/p',
    sysctls: { 'net.core.somaxconn': '5' },
    log: { driver: 'local', options: { 'max-size': '1m' } },
    healthCheck: { args: ['/bin/sh', '-c', 'true'], intervalMs: 2000, retries: 3 },
    restart: { kind: 'on-failure', maxRetries: 3 },
    restartsUnhealthy: true,
    removesItself: false,
    stop: { signal: 'INT', timeoutSeconds: 3 },
  });
  expect(Object.entries(spec.labels)).toContainEqual(['__proto__', 'x']);
  expect(spec.limits).toEqual({
    memoryBytes: 64 * MB,
    memorySwapBytes: 'max',
    cpuQuotaUs: -1,
    pids: 10,
    blkioReadBps: [{ path: '/dev/sda', value: 5 }],
    blkioWeightDevices: [{ path: '/dev/sda', value: 20 }],
  });
  expect(spec.process).toEqual({
    args: ['/e', 'x', 'y'],
    env: ['A=b'],
    workingDir: '/w',
    user: 'u:g',
    groups: ['audio', '7'],
    hasTerminal: true,
    consoleSize: { height: 24, width: 80 },
    stdin: 'first',
    hasInit: true,
    rlimits: [{ name: 'nofile', soft: 1, hard: -1 }],
    oomScoreAdj: 5,
  });
  expect(spec.security).toMatchObject({
    isPrivileged: false,
    capabilities: { add: ['CAP_NET_ADMIN'], drop: ['ALL'] },
    noNewPrivileges: true,
    seccomp: { kind: 'profile', profile: { defaultAction: 'SCMP_ACT_ERRNO' } },
    hasWritableCgroups: false,
    hasOpenSystemPaths: false,
  });
  expect(spec.security.maskedPaths).toContain('/proc/kcore');
});

test('what is not said is nothing asked for', () => {
  const spec = specOf();
  expect(spec.limits).toEqual({});
  expect(spec).not.toHaveProperty('healthCheck');
  expect(spec).toMatchObject({
    network: { kind: 'bridge' },
    restart: { kind: 'no' },
    stop: {},
    log: { driver: 'json-file' },
  });
  expect(spec.process.stdin).toBe('none');
});

test('a network that is disabled is none, whatever the mode says', () => {
  expect(specOf({ NetworkMode: 'host' }, { NetworkDisabled: true })).toMatchObject({
    network: { kind: 'none' },
    isNetworkDisabled: true,
  });
});

test('the capabilities of a privileged container are not even read, as in Docker', () => {
  expect(specOf({ Privileged: true, CapAdd: ['nonsense'] }).security.capabilities).toEqual({ add: [], drop: [] });
  expect(() => specOf({ CapAdd: ['nonsense'] })).toThrow('invalid CapAdd: unknown capability: "CAP_NONSENSE"');
});

describe('limits between Docker and us', () => {
  test('zeros, nulls and empty lists are nothing asked for', () => {
    const body = {
      Memory: 0,
      MemorySwap: 0,
      MemorySwappiness: -1,
      CpusetCpus: '',
      PidsLimit: null,
      BlkioDeviceReadBps: [],
    };
    expect(limitsFromDocker(body)).toEqual({});
    expect(limitsToDocker(body, {})).toEqual({ ...body, MemorySwappiness: null });
  });

  test('what is granted in part is shown in part', () => {
    const body = { Memory: 5, MemorySwap: 9, CpuShares: 1, PidsLimit: 7, CpusetCpus: '0', OomKillDisable: true };
    expect(limitsToDocker(body, { memoryBytes: 5, memorySwapBytes: 'max', cpuShares: 2 })).toEqual({
      ...{ Memory: 5, MemorySwap: -1, CpuShares: 2, PidsLimit: null, CpusetCpus: '', OomKillDisable: false },
    });
  });

  test('there and back nothing is lost', () => {
    expect(limitsToDocker(hostConfig, limitsFromDocker(hostConfig))).toEqual(hostConfig);
  });
});

describe('a change is one of the spec and of what Docker is shown', () => {
  const whole = { spec: specOf(hostConfig, config), body: { config: config as ResolvedConfig, hostConfig } };

  test('names', () => {
    const { spec, body } = withNames(whole, { hostname: 'n', domainname: '' });
    expect([spec.hostname, spec.domainname, body.config.Hostname, body.config.Domainname]).toEqual(['n', '', 'n', '']);
  });

  test('links', () => {
    expect(withLinks(whole, []).body.hostConfig.Links).toBeNull();
    const links = [{ target: 'a', alias: 'b' }];
    const { spec, body } = withLinks(whole, links);
    expect([spec.links, body.hostConfig.Links]).toEqual([links, ['a:b']]);
    expect(inspectedBody(body, ['/a:/c/b']).HostConfig.Links).toEqual(['/a:/c/b']);
  });

  test('limits', () => {
    const { spec, body } = withLimits(whole, { memoryBytes: 7 * MB });
    expect(spec.limits).toEqual({ memoryBytes: 7 * MB });
    expect(body.hostConfig).toMatchObject({ Memory: 7 * MB, MemorySwap: 0, PidsLimit: null });
  });
});

describe('what is stored', () => {
  const spec = specOf(hostConfig, config);
  const record = {
    ...{ id: 'i', name: 'n', createdNs: '1', imageId: 'sha256:0', endpoints: [] },
    ...{ spec, body: { config: config as ResolvedConfig, hostConfig } },
  };
  const stored = () => JSON.parse(encodeRecord(record)) as Record<string, unknown> & { spec: Record<string, unknown> };

  test('is read as it was', () => {
    expect(decodeRecord(encodeRecord(record))).toEqual({ record });
    expect(Object.entries(decodeRecord(encodeRecord(record)).record.spec.labels)).toContainEqual(['__proto__', 'x']);
  });

  test('is not derived again: what is stored is what counts', () => {
    const text = JSON.stringify({ ...stored(), spec: { ...stored().spec, removesItself: true } });
    expect(decodeRecord(text).record.spec.removesItself).toBe(true);
  });

  test('of an engine that had no specs, or another version of them, is derived from the body, with the mounts as they were decided', () => {
    const { spec: _, specVersion: __, ...old } = stored();
    const mounts = [{ ...(spec.mounts[1] as object), source: '/var/x', volume: { name: 'named' } }];
    for (const text of [
      { ...old, mounts },
      { ...old, mounts, specVersion: 0, spec: { removesItself: 'yes' } },
    ]) {
      const { record: found, ...told } = decodeRecord(JSON.stringify(text));
      expect(told).toEqual({});
      expect(found.spec).toEqual({ ...spec, mounts });
    }
  });

  test.each([
    ['a field that is not there', (it: Record<string, unknown>) => delete it.process],
    ['another kind of value', (it: Record<string, unknown>) => Object.assign(it, { limits: { memoryBytes: '5' } })],
    [
      'a word that nobody knows',
      (it: Record<string, unknown>) => Object.assign(it, { restart: { kind: 'sometimes' } }),
    ],
    ['something else', (it: Record<string, unknown>) => Object.assign(it, { namespaces: [] })],
  ])('and damaged (%s) it is derived, too', (_, damage) => {
    const text = stored();
    damage(text.spec);
    expect(isSpec({ ...text.spec, mounts: text.mounts })).toBe(false);
    expect(decodeRecord(JSON.stringify(text))).toEqual({ record, isMended: true });
  });

  test('beside a body that an older engine has changed since it was made is derived from that', () => {
    const { record: found, ...told } = decodeRecord(
      JSON.stringify({ ...stored(), hostConfig: { ...hostConfig, AutoRemove: true } }),
    );
    expect(told).toEqual({});
    expect(found.spec).toEqual({ ...spec, removesItself: true });
  });

  test('of an engine that took everything an image said passes over what cannot be used of it', () => {
    const { spec: _, specVersion: __, ...old } = stored();
    const strange = { ...config, ExposedPorts: { foo: {}, '0/tcp': {}, '99999/tcp': {}, '80/tcp': {} } };
    const { record: found, ...told } = decodeRecord(JSON.stringify({ ...old, config: strange }));
    expect(told).toEqual({});
    expect(found.spec.process).toEqual(spec.process);
    expect(found.body.config.ExposedPorts).toEqual(strange.ExposedPorts);
  });

  test('has integers beyond those that are exact, as a request may', () => {
    expect(isSpec(specOf({}, { StopTimeout: 2 ** 63 }))).toBe(true);
  });

  test('of which no spec can be made keeps its mounts and what Docker knows, and says why', () => {
    const { spec: _, ...old } = stored();
    const wrong = { ...old, hostConfig: { ...hostConfig, PidMode: 'nonsense' } };
    const { record: found, damage } = decodeRecord(JSON.stringify(wrong));
    expect(String(damage)).toContain('invalid PID mode: nonsense');
    expect(found.spec.mounts).toEqual(spec.mounts);
    expect(found.body.hostConfig.PidMode).toBe('nonsense');
    // What stands for the spec is not stored as one: another daemon may know what to make of the body.
    expect(JSON.parse(encodeRecord(found))).not.toHaveProperty('specVersion');
    expect(JSON.parse(encodeRecord(found))).not.toHaveProperty('spec');
  });
});
