// What HostConfig may say and what comes of it: capabilities, ulimits, sysctls, namespaces, security options, everything else.
import { describe, expect, test } from 'vitest';
import type { ResolvedConfig } from '../../../daemon/docker-types/container-config.ts';
import type { HostConfig } from '../../../daemon/docker-types/host-config.ts';
import { capabilityMask, DEFAULT_CAPABILITIES, effectiveCapabilities } from '../../../daemon/runtime/capabilities.ts';
import { checkOnHost } from '../../../daemon/runtime/check-on-host.ts';
import { deviceNumber, resolveDevices } from '../../../daemon/runtime/devices.ts';
import { type HostFacts, parseLimits } from '../../../daemon/runtime/host-facts.ts';
import { resolveRlimits } from '../../../daemon/runtime/rlimits.ts';
import { resolveSysctls, sysctlPath } from '../../../daemon/runtime/sysctls.ts';
import { checkHostConfig } from '../../../daemon/spec/docker/check-host-config.ts';
import { parseNamespaceModes } from '../../../daemon/spec/docker/parse-namespaces.ts';
import { parseSecurityOptions } from '../../../daemon/spec/docker/security-options.ts';
import { specOf } from '../spec/spec-of.ts';

const ALL = (1n << 41n) - 1n;
const RESOURCE = 1n << 24n;
const facts: HostFacts = {
  lastCapability: 40,
  capabilities: ALL,
  limits: new Map([['RLIMIT_NOFILE', { soft: 1024, hard: 4096 }]]),
  oomScoreAdj: 0,
  arch: 'x64',
  kernel: [6, 1],
  hostname: 'host',
  cpus: 2,
  seccomp: true,
  apparmor: false,
  timeNamespaces: true,
};

describe('capabilities', () => {
  const of = (add: string[], drop: string[], privileged = false, available = ALL) =>
    effectiveCapabilities(specOf({ CapAdd: add, CapDrop: drop, Privileged: privileged }).security, available);

  test('Docker’s order of precedence', () => {
    expect(new Set(of([], []))).toEqual(new Set(DEFAULT_CAPABILITIES));
    expect(of([], ['all'])).toEqual([]);
    expect(of(['sys_admin'], ['ALL'])).toEqual(['CAP_SYS_ADMIN']);
    expect(of(['ALL'], ['CAP_SYS_ADMIN'])).toHaveLength(40);
    expect(of(['CAP_NET_ADMIN'], ['chown'])).toHaveLength(14);
    expect(of([], ['ALL'], true)).toHaveLength(41);
  });

  test('never more than the engine has', () => {
    expect(of(['ALL'], [], false, ALL & ~RESOURCE)).not.toContain('CAP_SYS_RESOURCE');
    expect(() => of(['SYS_RESOURCE'], [], false, ALL & ~RESOURCE)).toThrow(
      'capability not supported by your kernel or not available in the current environment: "CAP_SYS_RESOURCE"',
    );
  });

  test('unknown names', () => {
    expect(() => of(['foo'], [])).toThrow('invalid CapAdd: unknown capability: "CAP_FOO"');
    expect(() => of([], ['__proto__'])).toThrow('invalid CapDrop: unknown capability: "CAP___PROTO__"');
  });

  test('the default mask is the kernel’s a80425fb', () => {
    expect(capabilityMask(DEFAULT_CAPABILITIES).toString(16)).toBe('a80425fb');
  });
});

describe('ulimits', () => {
  const of = (Ulimits: NonNullable<HostConfig['Ulimits']>, capabilities = ALL) =>
    resolveRlimits(specOf({ Ulimits }).process.rlimits, { ...facts, capabilities });

  test('become rlimits', () => {
    expect(of([{ Name: 'nofile', Soft: 10, Hard: -1 }]).rlimits).toEqual([
      { type: 'RLIMIT_NOFILE', soft: 10, hard: -1 },
    ]);
  });

  test('are lowered to what the engine may give, with a warning', () => {
    const { rlimits, warnings } = of([{ Name: 'nofile', Soft: 9999, Hard: 9999 }], ALL & ~RESOURCE);
    expect(rlimits).toEqual([{ type: 'RLIMIT_NOFILE', soft: 4096, hard: 4096 }]);
    expect(warnings).toHaveLength(1);
  });

  test.each([
    [{ Name: 'files', Soft: 1, Hard: 1 }, 'invalid ulimit type: files'],
    [{ Name: 'as', Soft: 1, Hard: 1 }, 'invalid ulimit type: as'],
    [{ Name: 'nofile', Soft: 2, Hard: 1 }, 'ulimit soft limit must be less than or equal to hard limit: 2 > 1'],
    [{ Name: 'nofile', Soft: -1, Hard: 1 }, 'ulimit soft limit must be'],
    [{ Name: 'nofile', Soft: -2, Hard: 1 }, 'must not be below -1'],
  ])('%j is refused', (ulimit, message) => expect(() => of([ulimit])).toThrow(message));

  test('the kernel’s table is read', () => {
    const text = `${'Limit'.padEnd(26)}Soft Limit           Hard Limit           Units\n${'Max open files'.padEnd(26)}1024                 unlimited            files\n`;
    expect(parseLimits(text)).toEqual(new Map([['RLIMIT_NOFILE', { soft: 1024, hard: -1 }]]));
  });
});

describe('sysctls', () => {
  const own = { network: true, ipc: true, uts: true, ownNetwork: false };
  const of = (Sysctls: Record<string, string>, namespaces = own) =>
    resolveSysctls(specOf({ Sysctls }).sysctls, namespaces);

  test('of the container’s namespaces are taken', () => {
    expect([
      ...of({ 'net.core.somaxconn': '5', 'kernel.shmmax': '1', 'fs.mqueue.queues_max': '2' }).keys(),
    ]).toHaveLength(3);
    expect(of({}, { ...own, ownNetwork: true }).get('net.ipv4.ip_unprivileged_port_start')).toBe('0');
  });

  test.each([
    'kernel.core_pattern',
    'vm.swappiness',
    'kernel.hostname',
    'fs.file-max',
    'net',
    '../net.x',
    'net/../kernel/core_pattern',
    'net..x',
    '',
    'net.ipv4.conf\u0000',
    'kernel/core_pattern',
  ])('%j is refused', (key) => {
    expect(() => of({ [key]: '1' })).toThrow(expect.objectContaining({ code: 'invalid' }));
  });

  test('of the host’s namespaces are refused', () => {
    expect(() => of({ 'net.core.somaxconn': '5' }, { ...own, network: false })).toThrow('host network namespace');
    expect(() => of({ 'kernel.shmmax': '5' }, { ...own, ipc: false })).toThrow('host ipc namespace');
    expect(() => of({ 'kernel.domainname': 'x' }, { ...own, uts: false })).toThrow('host uts namespace');
  });

  test('the first separator separates', () => {
    expect(sysctlPath('net.ipv4.conf.eth0/1.forwarding')).toBe('net/ipv4/conf/eth0.1/forwarding');
    expect(sysctlPath('net/ipv4/conf/eth0.1/forwarding')).toBe('net/ipv4/conf/eth0.1/forwarding');
  });
});

describe('namespace words', () => {
  test('what is not said of control groups is the version’s to say, but for privileged containers', () => {
    expect(parseNamespaceModes({})).not.toHaveProperty('cgroup');
    expect(parseNamespaceModes({ CgroupnsMode: 'private', Privileged: true }).cgroup).toBe('private');
    expect(parseNamespaceModes({ Privileged: true }).cgroup).toBe('host');
  });

  test('memory that is shared: of which size, and with whom', () => {
    const ipcOf = (IpcMode: string, ShmSize = 0) => parseNamespaceModes({ IpcMode, ShmSize }).ipc;
    expect(ipcOf('')).toEqual({ kind: 'private', shmBytes: 64 * 1024 * 1024, isShareable: false });
    expect(ipcOf('none')).toEqual({ kind: 'private', shmBytes: 0, isShareable: false });
    expect(ipcOf('shareable', 1 << 20)).toEqual({ kind: 'private', shmBytes: 1 << 20, isShareable: true });
    expect(ipcOf('host')).toMatchObject({ kind: 'host', isShareable: true });
  });

  test('container:X keeps the reference', () => {
    const modes = parseNamespaceModes({ PidMode: 'container:a', IpcMode: 'container:b' });
    expect(modes.pid).toEqual({ kind: 'container', ref: 'a' });
    expect(modes.ipc).toMatchObject({ kind: 'container', ref: 'b' });
  });

  test.each([
    [{ PidMode: 'x' }, 'invalid PID mode: x'],
    [{ PidMode: 'container:' }, 'invalid PID mode: container:'],
    [{ IpcMode: 'x' }, 'invalid IPC mode: x'],
    [{ UTSMode: 'container:x' }, 'invalid UTS mode: container:x'],
    [{ CgroupnsMode: 'x' }, 'invalid cgroup namespace mode: x'],
    [{ UsernsMode: 'x' }, 'invalid USER mode: x'],
  ])('%j', (hostConfig, message) => expect(() => parseNamespaceModes(hostConfig)).toThrow(message));
});

describe('security options', () => {
  const of = (...words: string[]) => parseSecurityOptions(words);

  test('both spellings', () => {
    expect(of('no-new-privileges').noNewPrivileges).toBe(true);
    expect(of('no-new-privileges:true').noNewPrivileges).toBe(true);
    expect(of('no-new-privileges=false').noNewPrivileges).toBe(false);
    expect(of('seccomp:unconfined').seccomp).toEqual({ kind: 'unconfined' });
    expect(of('systempaths=unconfined').systemPathsUnconfined).toBe(true);
    expect(of('label=disable', 'apparmor=unconfined', 'seccomp=builtin').seccomp).toEqual({ kind: 'default' });
  });

  test.each([
    ['foo', 'invalid --security-opt 1: "foo"'],
    ['foo=bar', 'invalid --security-opt 2: "foo=bar"'],
    ['no-new-privileges=maybe', 'invalid --security-opt 2'],
    ['seccomp={', 'seccomp profile:'],
  ])('%s is refused', (word, message) => expect(() => of(word)).toThrow(message));

  test.each(['apparmor=mine', 'label=type:x'])('%s is not implemented', (word) => {
    expect(() => of(word)).toThrow(expect.objectContaining({ code: 'not-implemented' }));
  });

  test('paths: null is the default, [] is none, privileged has none', () => {
    const of = (hostConfig: HostConfig) => specOf(hostConfig).security;
    expect(of({}).maskedPaths).toContain('/proc/kcore');
    expect(of({ MaskedPaths: null }).maskedPaths).toContain('/proc/kcore');
    expect(of({ MaskedPaths: [] }).maskedPaths).toEqual([]);
    expect(of({ Privileged: true })).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
    expect(of({ SecurityOpt: ['systempaths=unconfined'] }).readonlyPaths).toEqual([]);
  });
});

describe('devices', () => {
  const devicesOf = (...Devices: NonNullable<HostConfig['Devices']>) =>
    resolveDevices(specOf({ Devices }).devices.mappings);

  test('are what the host has there', () => {
    const [device] = devicesOf({
      PathOnHost: '/dev/zero',
      PathInContainer: '/dev/x/../y',
      CgroupPermissions: 'r',
    });
    expect(device).toMatchObject({ path: '/dev/y', type: 'c', major: 1, minor: 5, permissions: 'r' });
  });

  test.each([
    [
      { PathOnHost: '/dev/none' },
      'error gathering device information while adding custom device "/dev/none": no such file or directory',
    ],
    [{ PathOnHost: '/etc/passwd' }, 'not a device node'],
    [{ PathOnHost: 'dev/zero' }, 'both paths must be absolute'],
    [{ PathOnHost: '/dev/zero', CgroupPermissions: 'rx' }, 'invalid device mode: rx'],
    [{ PathOnHost: '/dev/zero', PathInContainer: '/dev/../proc/zero' }, 'a device cannot have its place there'],
    [{ PathOnHost: '/dev/zero', PathInContainer: '/dev/' }, 'a device cannot have its place there'],
  ])('%j is refused', (device, message) => expect(() => devicesOf(device)).toThrow(message));

  test('numbers are makedev(3)’s', () => {
    expect(deviceNumber(136, 0)).toBe(0x8800n);
    expect(deviceNumber(8, 300)).toBe(0x10082cn);
  });
});

describe('the rest', () => {
  const config = { Volumes: null, Hostname: '', Domainname: '' } as ResolvedConfig;
  const check = (hostConfig: HostConfig, more: Partial<ResolvedConfig> = {}) => {
    checkHostConfig(hostConfig, { ...config, ...more });
    return checkOnHost(specOf(hostConfig, { ...config, ...more }), facts);
  };

  test('an empty HostConfig is fine', () => expect(check({}).warnings).toEqual([]));

  test.each<[HostConfig, string[]]>([
    [{ Binds: ['/dev:/dev'] }, []],
    [{ Binds: ['/dev/null:/dev/zap'] }, []],
    [{ Tmpfs: { '/dev': 'size=1m' } }, []],
    [{ Binds: ['/etc:/dev'] }, ['no device node /dev/zero: /etc is mounted on /dev and has none of that name']],
    [{ Tmpfs: { '/dev': 'nodev' } }, ['device nodes in /dev cannot be opened (/dev/zero): its tmpfs is nodev']],
  ])('--device where the user’s mounts are: %j', (hostConfig, warnings) => {
    expect(check({ ...hostConfig, Devices: [{ PathOnHost: '/dev/zero' }] }).warnings).toEqual(warnings);
  });

  test('--device below a mount that covers it', () => {
    const Devices = [{ PathOnHost: '/dev/zero', PathInContainer: '/dev/sub/zero' }];
    expect(check({ Devices, Tmpfs: { '/dev/sub': '' } }).warnings).toEqual([
      'no device node /dev/sub/zero: the tmpfs on /dev/sub covers it',
    ]);
  });

  test.each<[HostConfig, string]>([
    [{ ShmSize: -1 }, 'SHM size can not be less than 0'],
    [{ OomScoreAdj: 1001 }, 'Invalid value 1001, range for oom score adj is [-1000, 1000]'],
    [{ RestartPolicy: { Name: 'maybe' } }, "unknown policy 'maybe'"],
    [{ RestartPolicy: { Name: 'always', MaximumRetryCount: 3 } }, 'maximum retry count'],
    [
      { AutoRemove: true, RestartPolicy: { Name: 'always' } },
      "can't create 'AutoRemove' container with restart policy",
    ],
    [{ Runtime: 'kata' }, 'unknown or invalid runtime name: kata'],
    [{ AutoRemove: true, RestartUnhealthy: true }, "can't create 'AutoRemove' container with RestartUnhealthy"],
    [{ IOMaximumIOps: 1 }, 'for Windows only'],
    [{ CpuPercent: 1 }, 'for Windows only'],
    [{ Isolation: 'hyperv' }, "invalid isolation 'hyperv' on linux"],
    [{ MaskedPaths: ['x'] }, 'must be absolute'],
    [{ Binds: Array.from({ length: 1025 }, (_, index) => `/a:/${index}`) }, 'Binds has more than 1024 entries'],
  ])('%j is invalid', (hostConfig, message) => {
    expect(() => check(hostConfig)).toThrow(
      expect.objectContaining({ code: 'invalid', message: expect.stringContaining(message) }),
    );
  });

  test.each<HostConfig>([
    { UsernsMode: 'auto' },
    { DeviceRequests: [{}] },
    { StorageOpt: { size: '1G' } },
    { CpuRealtimeRuntime: 1 },
  ])('%j is not implemented', (hostConfig) => {
    expect(() => check(hostConfig)).toThrow(expect.objectContaining({ code: 'not-implemented' }));
  });

  test('a host name conflicts with the host’s UTS namespace', () => {
    expect(() => check({ UTSMode: 'host' }, { Hostname: 'x' })).toThrow(
      'conflicting options: hostname and the UTS mode',
    );
  });
});
