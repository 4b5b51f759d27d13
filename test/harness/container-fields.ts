// What each field of POST /containers/create does, and how that is seen: of the kernel, never of inspect. See body-fields.test.ts.
// Those of control groups are in group-fields.ts.
import type { Body } from './containers.ts';

/** Accepted and shown, and without effect on a container: in docker too. */
export const without: Readonly<Record<string, string>> = {
  AttachStdin: 'what the client that made it attached',
  AttachStdout: 'the same',
  AttachStderr: 'the same',
  ArgsEscaped: 'Windows',
  OnBuild: 'for images made of it by commit',
  'HostConfig.ContainerIDFile': 'where the client wrote the id',
  'HostConfig.Annotations': 'for tools: in the list, and in the OCI spec',
  'HostConfig.Mounts[].Consistency': 'macOS',
};
/** Proved in a file of its own. */
export const elsewhere: Readonly<Record<string, string>> = {
  Image: 'every test',
  'Healthcheck.Interval': 'health',
  'Healthcheck.Timeout': 'health',
  'Healthcheck.StartPeriod': 'health',
  'Healthcheck.StartInterval': 'health',
  'Healthcheck.Retries': 'health',
  'HostConfig.RestartUnhealthy': 'health',
};

export interface Row {
  /** What is asked beside the field, for the field to mean anything. */
  base?: Body;
  body: Body;
  /** Among the lines that the field changes. */
  shows?: RegExp;
  /** In an error of create or start. */
  refused?: RegExp;
  /** In the warnings of create: told that it cannot be had here. */
  warns?: RegExp;
  /** Looked at in both containers as well. */
  inside?: string;
}

export const host = (HostConfig: Record<string, unknown>): Body => ({ HostConfig });
export const mount = (fields: object): Body =>
  host({ Mounts: [{ Type: 'bind', Source: '/sys/fs', Target: '/m', ...fields }] });
export const volume = (VolumeOptions: object, fields: object = {}): Body =>
  host({ Mounts: [{ Type: 'volume', Target: '/etc', ...fields, VolumeOptions }] });
const tmpfs = (TmpfsOptions: object): Body => host({ Mounts: [{ Type: 'tmpfs', Target: '/m', TmpfsOptions }] });
const endpoint = (fields: object): Body => ({
  HostConfig: { NetworkMode: 'fields' },
  NetworkingConfig: { EndpointsConfig: { fields } },
});
const onTwo = (GwPriority: number): Body => ({
  HostConfig: { NetworkMode: 'fields' },
  NetworkingConfig: { EndpointsConfig: { fields: { GwPriority }, bridge: {} } },
});
export const rows: Record<string, Row> = {
  Hostname: { body: { Hostname: 'other' }, shows: /\+ uts other/ },
  Domainname: { body: { Domainname: 'of.it' }, shows: /\+ uts SHORT of\.it/ },
  User: { body: { User: '1000:1001' }, shows: /\+ status Uid:\s+1000/ },
  ExposedPorts: {
    base: host({ PublishAllPorts: true }),
    body: { ExposedPorts: { '80/tcp': {} } },
    shows: /\+ listen 0\.0\.0\.0:/,
  },
  Tty: { body: { Tty: true }, shows: /\+ fd0 \/dev\/pts/ },
  OpenStdin: { body: { OpenStdin: true }, shows: /\+ fd0 (pipe|socket)/ },
  Env: { body: { Env: ['A=b'] }, shows: /\+ env A=b/ },
  Cmd: { body: { Cmd: ['sleep', '1001'] }, shows: /\+ cmdline sleep 1001/ },
  Entrypoint: { body: { Entrypoint: ['sleep'], Cmd: ['1002'] }, shows: /\+ cmdline sleep 1002/ },
  Volumes: { body: { Volumes: { '/v': {} } }, shows: /\+ mount .* \/v / },
  WorkingDir: { body: { WorkingDir: '/tmp' }, shows: /\+ cwd \/tmp/ },
  NetworkDisabled: { body: { NetworkDisabled: true }, shows: /- addr eth0/ },
  MacAddress: { body: { MacAddress: '02:aa:bb:cc:dd:ee' }, shows: /\+ link eth0.*02:aa:bb:cc:dd:ee/ },
  'HostConfig.Binds': { body: host({ Binds: ['/sys/fs:/m'] }), shows: /\+ mount \/fs \/m / },
  'HostConfig.LogConfig.Type': { body: host({ LogConfig: { Type: 'syslog' } }), refused: /syslog/ },
  'HostConfig.LogConfig.Config': {
    body: host({ LogConfig: { Type: 'json-file', Config: { nosuch: 'x' } } }),
    refused: /nosuch/,
  },
  'HostConfig.NetworkMode': { body: host({ NetworkMode: 'none' }), shows: /- addr eth0/ },
  'HostConfig.PortBindings{}[].HostIp': {
    body: host({ PortBindings: { '80/tcp': [{ HostIp: '127.0.0.2' }] } }),
    shows: /\+ listen 127\.0\.0\.2:/,
  },
  'HostConfig.PortBindings{}[].HostPort': {
    body: host({ PortBindings: { '80/tcp': [{ HostPort: '9955' }] } }),
    shows: /\+ listen 0\.0\.0\.0:9955/,
  },
  'HostConfig.VolumeDriver': {
    base: { Volumes: { '/v': {} } },
    body: host({ VolumeDriver: 'nosuch' }),
    refused: /nosuch/,
  },
  'HostConfig.VolumesFrom': { body: host({ VolumesFrom: ['donor'] }), shows: /\+ mount .* \/donated / },
  'HostConfig.ConsoleSize': { base: { Tty: true }, body: host({ ConsoleSize: [33, 99] }), shows: /\+ stty 33 99/ },
  'HostConfig.CapAdd': { body: host({ CapAdd: ['SYS_TIME'] }), shows: /\+ status CapBnd/ },
  'HostConfig.CapDrop': { body: host({ CapDrop: ['CHOWN'] }), shows: /\+ status CapBnd/ },
  'HostConfig.Dns': { body: host({ Dns: ['9.9.9.9'] }), shows: /\+ resolv nameserver 9\.9\.9\.9/ },
  'HostConfig.DnsOptions': { body: host({ DnsOptions: ['ndots:3'] }), shows: /\+ resolv options ndots:3/ },
  'HostConfig.DnsSearch': { body: host({ DnsSearch: ['of.it'] }), shows: /\+ resolv search of\.it/ },
  'HostConfig.ExtraHosts': { body: host({ ExtraHosts: ['there:1.2.3.4'] }), shows: /\+ hosts 1\.2\.3\.4\tthere/ },
  'HostConfig.GroupAdd': { body: host({ GroupAdd: ['777'] }), shows: /\+ status Groups:.*777/ },
  'HostConfig.IpcMode': { body: host({ IpcMode: 'host' }), shows: /\+ namespace ipc of the host/ },
  'HostConfig.Cgroup': { body: host({ Cgroup: 'x' }), refused: /Cgroup/ },
  'HostConfig.Links': { body: host({ Links: ['donor:linked'] }), shows: /\+ env LINKED_NAME=/ },
  'HostConfig.OomScoreAdj': { body: host({ OomScoreAdj: 500 }), shows: /\+ oom 500/ },
  'HostConfig.PidMode': {
    body: host({ PidMode: 'host' }),
    shows: /\+ namespace pid of the host/,
    inside: 'readlink /proc/self',
  },
  'HostConfig.Privileged': { body: host({ Privileged: true }), shows: /\+ status Seccomp:\s+0/ },
  'HostConfig.PublishAllPorts': {
    base: { ExposedPorts: { '80/tcp': {} } },
    body: host({ PublishAllPorts: true }),
    shows: /\+ listen 0\.0\.0\.0:/,
  },
  'HostConfig.ReadonlyRootfs': { body: host({ ReadonlyRootfs: true }), shows: /\+ mount \/ \/ ro/ },
  'HostConfig.SecurityOpt': { body: host({ SecurityOpt: ['no-new-privileges'] }), shows: /\+ status NoNewPrivs:\s+1/ },
  'HostConfig.StorageOpt': { body: host({ StorageOpt: { size: '1g' } }), refused: /storage-opt/ },
  'HostConfig.Tmpfs': { body: host({ Tmpfs: { '/m': 'size=1m' } }), shows: /\+ mount \/ \/m .*size=1024k/ },
  'HostConfig.UTSMode': { body: host({ UTSMode: 'host' }), shows: /\+ namespace uts of the host/ },
  'HostConfig.UsernsMode': { body: host({ UsernsMode: 'nosuch' }), refused: /user/i },
  'HostConfig.ShmSize': { body: host({ ShmSize: 1 << 20 }), shows: /\+ mount \/ \/dev\/shm .*size=1024k/ },
  'HostConfig.Sysctls': { body: host({ Sysctls: { 'net.ipv4.ip_default_ttl': '99' } }), shows: /\+ ttl 99/ },
  'HostConfig.Runtime': { body: host({ Runtime: 'nosuch' }), refused: /nosuch/ },
  'HostConfig.Isolation': { body: host({ Isolation: 'hyperv' }), refused: /hyperv/ },
  'HostConfig.Devices[].PathOnHost': {
    body: host({ Devices: [{ PathOnHost: '/dev/kvm-nosuch', PathInContainer: '/dev/x', CgroupPermissions: 'rwm' }] }),
    refused: /kvm-nosuch/,
  },
  'HostConfig.Devices[].PathInContainer': {
    body: host({ Devices: [{ PathOnHost: '/dev/kmsg', PathInContainer: '/dev/other', CgroupPermissions: 'rwm' }] }),
    shows: /\+ dev \/dev\/other/,
  },
  'HostConfig.DeviceRequests': { body: host({ DeviceRequests: [{ Driver: 'nvidia' }] }), refused: /gpus/ },
  'HostConfig.Ulimits[].Name': { body: host({ Ulimits: [{ Name: 'nosuch', Soft: 1, Hard: 1 }] }), refused: /nosuch/ },
  'HostConfig.Ulimits[].Soft': {
    body: host({ Ulimits: [{ Name: 'nofile', Soft: 111, Hard: 222 }] }),
    shows: /\+ limits Max open files\s+111/,
  },
  'HostConfig.Ulimits[].Hard': {
    body: host({ Ulimits: [{ Name: 'nofile', Soft: 111, Hard: 222 }] }),
    shows: /files\s+111\s+222/,
  },
  'HostConfig.CpuCount': { body: host({ CpuCount: 1 }), refused: /CpuCount/ },
  'HostConfig.CpuPercent': { body: host({ CpuPercent: 1 }), refused: /CpuPercent/ },
  'HostConfig.IOMaximumIOps': { body: host({ IOMaximumIOps: 1 }), refused: /IOMaximumIOps/ },
  'HostConfig.IOMaximumBandwidth': { body: host({ IOMaximumBandwidth: 1 }), refused: /IOMaximumBandwidth/ },
  'HostConfig.Mounts[].Type': { body: mount({ Type: 'nosuch' }), refused: /nosuch|mount type/i },
  'HostConfig.Mounts[].Source': { body: mount({}), shows: /\+ mount \/fs \/m / },
  'HostConfig.Mounts[].Target': { base: mount({}), body: mount({ Target: '/n' }), shows: /\+ mount \/fs \/n / },
  'HostConfig.Mounts[].ReadOnly': { base: mount({}), body: mount({ ReadOnly: true }), shows: /\+ mount \/fs \/m ro/ },
  'HostConfig.Mounts[].BindOptions.Propagation': {
    base: mount({}),
    body: mount({ BindOptions: { Propagation: 'nosuch' } }),
    refused: /propagation/i,
  },
  'HostConfig.Mounts[].BindOptions.CreateMountpoint': {
    base: mount({}),
    body: mount({ Source: '/nosuch/of/it', BindOptions: { CreateMountpoint: false } }),
    refused: /nosuch/,
  },
  'HostConfig.Mounts[].BindOptions.ReadOnlyForceRecursive': {
    base: mount({}),
    body: mount({ BindOptions: { ReadOnlyForceRecursive: true } }),
    refused: /ReadOnlyForceRecursive/,
  },
  'HostConfig.Mounts[].VolumeOptions.NoCopy': {
    base: volume({}),
    body: volume({ NoCopy: true }),
    inside: 'ls /etc',
    shows: /- passwd/,
  },
  'HostConfig.Mounts[].VolumeOptions.DriverConfig.Name': {
    body: volume({ DriverConfig: { Name: 'nosuch' } }),
    refused: /nosuch/,
  },
  'HostConfig.Mounts[].VolumeOptions.DriverConfig.Options': {
    base: volume({}),
    body: volume({ DriverConfig: { Name: 'local', Options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' } } }),
    shows: /\+ mount \/ \/etc .*size=1024k/,
  },
  'HostConfig.Mounts[].VolumeOptions.Subpath': {
    body: volume({ Subpath: 'nosuch' }, { Source: 'kept' }),
    refused: /nosuch/,
  },
  'HostConfig.Mounts[].TmpfsOptions.SizeBytes': {
    base: tmpfs({}),
    body: tmpfs({ SizeBytes: 1 << 20 }),
    shows: /\+ mount \/ \/m .*size=1024k/,
  },
  'HostConfig.Mounts[].TmpfsOptions.Mode': {
    base: tmpfs({}),
    body: tmpfs({ Mode: 0o700 }),
    inside: 'stat -c %a /m',
    shows: /\+ 700/,
  },
  'HostConfig.Mounts[].TmpfsOptions.Options': {
    base: tmpfs({}),
    body: tmpfs({ Options: [['exec']] }),
    shows: /- mount \/ \/m \S*noexec/,
  },
  'HostConfig.Mounts[].ImageOptions.Subpath': {
    body: host({ Mounts: [{ Type: 'image', Source: 'busybox', Target: '/m', ImageOptions: { Subpath: 'nosuch' } }] }),
    refused: /nosuch/,
  },
  'HostConfig.MaskedPaths': { body: host({ MaskedPaths: ['/proc/uptime'] }), shows: /\+ mount \S+ \/proc\/uptime / },
  'HostConfig.ReadonlyPaths': { body: host({ ReadonlyPaths: ['/proc/tty'] }), shows: /\+ mount \S+ \/proc\/tty ro/ },
  'HostConfig.Init': { body: host({ Init: true }), shows: /- cmdline sleep 1000/ },
  'NetworkingConfig.EndpointsConfig{}.IPAMConfig.IPv4Address': {
    base: endpoint({}),
    body: endpoint({ IPAMConfig: { IPv4Address: '10.98.0.77' } }),
    shows: /\+ addr eth0\s+inet 10\.98\.0\.77\/24/,
  },
  'NetworkingConfig.EndpointsConfig{}.IPAMConfig.IPv6Address': {
    base: endpoint({}),
    body: endpoint({ IPAMConfig: { IPv6Address: 'fd98::77' } }),
    shows: /\+ addr eth0\s+inet6 fd98::77\/64/,
  },
  'NetworkingConfig.EndpointsConfig{}.IPAMConfig.LinkLocalIPs': {
    base: endpoint({}),
    body: endpoint({ IPAMConfig: { LinkLocalIPs: ['169.254.7.7'] } }),
    shows: /\+ addr eth0\s+inet 169\.254\.7\.7/,
  },
  'NetworkingConfig.EndpointsConfig{}.Links': {
    base: endpoint({}),
    body: endpoint({ Links: ['neighbour:linked'] }),
    inside: 'nslookup linked 127.0.0.11 2>&1 | grep -c 10.98',
    shows: /\+ 1/,
  },
  'NetworkingConfig.EndpointsConfig{}.Aliases': {
    base: endpoint({}),
    body: endpoint({ Aliases: ['aka'] }),
    inside: 'nslookup aka 127.0.0.11 2>&1 | grep -c 10.98',
    shows: /\+ 1/,
  },
  'NetworkingConfig.EndpointsConfig{}.MacAddress': {
    base: endpoint({}),
    body: endpoint({ MacAddress: '02:aa:bb:cc:dd:ee' }),
    shows: /\+ link eth0.*02:aa:bb:cc:dd:ee/,
  },
  'NetworkingConfig.EndpointsConfig{}.DriverOpts': {
    base: endpoint({}),
    body: endpoint({ DriverOpts: { 'com.docker.network.endpoint.ifname': 'named7' } }),
    shows: /\+ addr named7/,
  },
  'NetworkingConfig.EndpointsConfig{}.GwPriority': {
    base: onTwo(0),
    body: onTwo(7),
    shows: /\+ route default via 10\.98/,
  },
};
