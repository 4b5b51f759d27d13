// The fields of the smaller bodies (exec, networks, connections, volumes): each does something that is seen without asking the engine what it
// was told, or is refused, or stands in the list of what does nothing. A new field without a proof fails.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ExecBody, ExecStartBody, UpdateBody } from '../../daemon/docker-api/request/schemas.ts';
import {
  NetworkConnectRequest,
  NetworkCreateRequest,
  NetworkDisconnectRequest,
} from '../../daemon/docker-types/network.ts';
import { VolumeCreateRequest } from '../../daemon/docker-types/volume.ts';
import { changed, traitsOf } from '../harness/container-traits.ts';
import { create, exec, inspect, run, runDetached } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { disk } from '../harness/group-fields.ts';
import { hijack } from '../harness/raw-stream.ts';
import { fieldsOf } from '../harness/schema-fields.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const api = () => fixture.daemon.api;
const sleeping = (body: object = {}, name?: string) =>
  runDetached(fixture.daemon, ['sleep', '1000'], { ...body }, name);
const inside = async (id: string, command: string, body: object = {}) =>
  (await exec(fixture.daemon, id, command, { ...body })).stdout.trim();
type Proofs = Record<string, () => Promise<void>>;

const execs: Proofs = {
  AttachStdin: async () => {
    expect((await attached({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true }, 'typed')).of(1)).toBe('typed');
    expect((await attached({ Cmd: ['cat'], AttachStdout: true }, 'typed')).of(1)).toBe('');
  },
  AttachStdout: async () => {
    const words = ['sh', '-c', 'echo out; echo err >&2'];
    const stream = await attached({ Cmd: words, AttachStdout: true });
    expect([stream.of(1), stream.of(2)]).toEqual(['out\n', '']);
  },
  AttachStderr: async () => {
    const words = ['sh', '-c', 'echo out; echo err >&2'];
    const stream = await attached({ Cmd: words, AttachStderr: true });
    expect([stream.of(1), stream.of(2)]).toEqual(['', 'err\n']);
  },
  DetachKeys: async () => {
    const id = await sleeping();
    const refused = await api().send('POST', `/containers/${id}/exec`, {
      body: { Cmd: ['sh'], DetachKeys: 'ctrl-nosuch' },
    });
    expect(refused.status).toBe(400);
    const body = { Cmd: ['sh'], AttachStdin: true, AttachStdout: true, Tty: true, DetachKeys: 'x,y' };
    const { Id } = await api().post<{ Id: string }>(`/containers/${id}/exec`, body);
    const { stream } = await hijack(fixture.daemon.socketPath, `/exec/${Id}/start`, { body: { Tty: true } });
    stream.write('xy');
    await stream.ended();
    expect(await api().get(`/exec/${Id}/json`)).toMatchObject({ Running: true });
  },
  Tty: async () => expect(await inside(await sleeping(), 'tty', { Tty: true })).toMatch(/^\/dev\/pts\//),
  Env: async () => expect(await inside(await sleeping(), 'echo $A', { Env: ['A=b'] })).toBe('b'),
  Cmd: async () => expect(await inside(await sleeping(), 'echo said')).toBe('said'),
  Privileged: async () => {
    const id = await sleeping();
    const capabilities = (body: object) => inside(id, 'grep CapEff /proc/self/status', body);
    expect(await capabilities({ Privileged: true })).not.toBe(await capabilities({}));
  },
  User: async () => expect(await inside(await sleeping(), 'id -u', { User: '1234' })).toBe('1234'),
  WorkingDir: async () => expect(await inside(await sleeping(), 'pwd', { WorkingDir: '/tmp' })).toBe('/tmp'),
  ConsoleSize: async () => {
    const body = { Cmd: ['stty', 'size'], AttachStdout: true, Tty: true, ConsoleSize: [31, 97] };
    expect((await attached(body, '', { Tty: true, ConsoleSize: [31, 97] })).text.trim()).toBe('31 97');
  },
};
const execStarts: Proofs = {
  Detach: async () => {
    const id = await sleeping();
    const { Id } = await api().post<{ Id: string }>(`/containers/${id}/exec`, {
      Cmd: ['sleep', '1000'],
      AttachStdout: true,
    });
    expect((await api().send('POST', `/exec/${Id}/start`, { body: { Detach: true } })).status).toBe(200);
    expect(await api().get(`/exec/${Id}/json`)).toMatchObject({ Running: true });
  },
  Tty: async () => {
    const stream = await attached({ Cmd: ['echo', 'raw'], AttachStdout: true, Tty: true }, '', { Tty: true });
    expect(stream.text).toBe('raw\r\n');
  },
  ConsoleSize: async () => {
    const body = { Cmd: ['stty', 'size'], AttachStdout: true, Tty: true };
    expect((await attached(body, '', { Tty: true, ConsoleSize: [41, 98] })).text.trim()).toBe('41 98');
  },
};

/** An exec in a container of its own, to its end. */
async function attached(body: object, input = '', startBody: object = {}) {
  const { Id } = await api().post<{ Id: string }>(`/containers/${await sleeping()}/exec`, body);
  const { stream } = await hijack(fixture.daemon.socketPath, `/exec/${Id}/start`, { body: startBody });
  if (input !== '') stream.write(input);
  stream.halfClose();
  await stream.ended();
  return stream;
}

/** A container on a network that is made so; what `command` says in it. */
async function onNetwork(request: object, command: string): Promise<string> {
  const { Id } = await api().post<{ Id: string }>('/networks/create', { Name: 'made', ...request });
  try {
    return (await run(fixture.daemon, command, { HostConfig: { NetworkMode: Id } })).stdout;
  } finally {
    await api().delete(`/networks/${Id}`);
  }
}
const refusedNetwork = async (request: object, status: number) => {
  const answer = await api().send('POST', '/networks/create', { body: { Name: 'made', ...request } });
  expect(answer.status, answer.text).toBe(status);
};
const subnet = { Subnet: '10.97.0.0/24' };
const ipam = (config: object) => ({ IPAM: { Config: [{ ...subnet, ...config }] } });
const networks: Proofs = {
  Name: () => refusedNetwork({ Name: 'a\nb' }, 400),
  Driver: () => refusedNetwork({ Driver: 'nosuch' }, 404),
  Scope: () => refusedNetwork({ Scope: 'swarm' }, 403),
  EnableIPv4: async () =>
    expect(await onNetwork({ EnableIPv4: false, EnableIPv6: true }, 'ip addr show eth0')).not.toMatch(/inet /),
  EnableIPv6: async () => expect(await onNetwork({ EnableIPv6: true }, 'ip addr show eth0')).toMatch(/inet6 fd/),
  Internal: async () => {
    expect(await onNetwork({}, 'ip route')).toContain('default');
    expect(await onNetwork({ Internal: true }, 'ip route')).not.toContain('default');
  },
  Ingress: () => refusedNetwork({ Ingress: true }, 403),
  ConfigOnly: () => refusedNetwork({ ConfigOnly: true }, 501),
  'ConfigFrom.Network': () => refusedNetwork({ ConfigFrom: { Network: 'x' } }, 501),
  'IPAM.Driver': () => refusedNetwork({ IPAM: { Driver: 'nosuch' } }, 404),
  'IPAM.Config[].Subnet': async () =>
    expect(await onNetwork(ipam({}), 'ip addr show eth0')).toContain('inet 10.97.0.2/24'),
  'IPAM.Config[].IPRange': async () =>
    expect(await onNetwork(ipam({ IPRange: '10.97.0.128/25', Gateway: '10.97.0.1' }), 'ip addr show eth0')).toMatch(
      /inet 10\.97\.0\.1(2[89]|3\d)\/24/,
    ),
  'IPAM.Config[].Gateway': async () =>
    expect(await onNetwork(ipam({ Gateway: '10.97.0.9' }), 'ip route')).toContain('default via 10.97.0.9'),
  'IPAM.Config[].AuxiliaryAddresses': async () =>
    expect(await onNetwork(ipam({ AuxiliaryAddresses: { a: '10.97.0.2' } }), 'ip addr show eth0')).toContain(
      'inet 10.97.0.3/24',
    ),
  Options: async () =>
    expect(await onNetwork({ Options: { 'com.docker.network.driver.mtu': '1234' } }, 'ip link show eth0')).toContain(
      'mtu 1234',
    ),
  Labels: async () => {
    const { Id } = await api().post<{ Id: string }>('/networks/create', { Name: 'labelled', Labels: { a: 'b' } });
    const found = await api().get<{ Id: string }[]>(`/networks?filters=${encodeURIComponent('{"label":["a=b"]}')}`);
    expect(found.map((one) => one.Id)).toEqual([Id]);
    await api().delete('/networks/labelled');
  },
};
const networksWithout: Readonly<Record<string, string>> = {
  CheckDuplicate: 'old: names are never taken twice',
  Attachable: 'for swarms',
  'IPAM.Options': 'for drivers of IPAM; the one that is there has none',
};

/** Connects a running container so; what `command` says in it then. */
async function connected(EndpointConfig: object, command: string): Promise<string> {
  const id = await sleeping();
  await api().post('/networks/joined/connect', { Container: id, EndpointConfig });
  return inside(id, command);
}
const connections: Proofs = {
  Container: async () => {
    expect((await api().send('POST', '/networks/joined/connect', { body: { Container: 'nosuch' } })).status).toBe(404);
  },
  'EndpointConfig.IPAMConfig.IPv4Address': async () =>
    expect(await connected({ IPAMConfig: { IPv4Address: '10.96.0.77' } }, 'ip addr show eth1')).toContain(
      '10.96.0.77/24',
    ),
  'EndpointConfig.IPAMConfig.IPv6Address': async () =>
    expect(await connected({ IPAMConfig: { IPv6Address: 'fd96::77' } }, 'ip addr show eth1')).toContain('fd96::77/64'),
  'EndpointConfig.IPAMConfig.LinkLocalIPs': async () => {
    const LinkLocalIPs = ['169.254.7.7', 'fe80::77'];
    const shown = await connected({ IPAMConfig: { LinkLocalIPs } }, 'ip addr show eth1');
    expect(shown).toContain('inet 169.254.7.7/16');
    expect(shown).toContain('inet6 fe80::77/64');
    for (const [address, message] of [
      ['10.1.1.1', 'invalid endpoint settings:\ninvalid link local IP address: 10.1.1.1'],
      ['foo', 'invalid endpoint settings:\ninvalid link-local IP address: foo'],
    ]) {
      const EndpointConfig = { IPAMConfig: { LinkLocalIPs: [address] } };
      const body = { Container: await sleeping(), EndpointConfig };
      const answer = await api().send('POST', '/networks/joined/connect', { body });
      expect([answer.status, (answer.json as { message: string }).message]).toEqual([400, message]);
    }
  },
  'EndpointConfig.Links': async () => {
    await sleeping({ HostConfig: { NetworkMode: 'joined' } }, 'neighbour');
    expect(await connected({ Links: ['neighbour:linked'] }, 'ping -c 1 linked')).toContain('1 packets received');
  },
  'EndpointConfig.Aliases': async () =>
    expect(await connected({ Aliases: ['aka'] }, 'ping -c 1 aka')).toContain('1 packets received'),
  'EndpointConfig.MacAddress': async () =>
    expect(await connected({ MacAddress: '02:aa:bb:cc:dd:ee' }, 'ip link show eth1')).toContain('02:aa:bb:cc:dd:ee'),
  'EndpointConfig.DriverOpts': async () =>
    expect(await connected({ DriverOpts: { 'com.docker.network.endpoint.ifname': 'named7' } }, 'ip link')).toContain(
      'named7',
    ),
  'EndpointConfig.GwPriority': async () => {
    expect(await connected({}, 'ip route')).toContain('default via 172.17.0.1');
    expect(await connected({ GwPriority: 7 }, 'ip route')).toContain('default via 10.96.0.1');
  },
};
const disconnections: Proofs = {
  Container: async () => {
    const id = await sleeping({ HostConfig: { NetworkMode: 'joined' } });
    await api().post('/networks/joined/disconnect', { Container: id });
    expect(await inside(id, 'ls /sys/class/net; cat /proc/net/dev')).not.toContain('eth0');
  },
  Force: async () => {
    const { Id } = await api().post<{ Id: string }>('/networks/create', { Name: 'gone' });
    const id = await create(fixture.daemon, ['sleep', '1000']);
    await api().post('/networks/gone/connect', { Container: id });
    await api().delete('/networks/gone');
    await api().post(`/networks/${Id}/disconnect`, { Container: id, Force: true });
    expect(Object.keys((await inspect(fixture.daemon, id)).NetworkSettings.Networks as object)).toEqual(['bridge']);
  },
};

/** What an update of a running container changes of it, as it is seen from outside of the engine. */
async function updated(asked: object, had: object = {}): Promise<string> {
  const id = await sleeping({ HostConfig: had });
  const before = await traitsOf(fixture.daemon, id);
  const answer = await api().send('POST', `/containers/${id}/update`, { body: asked });
  const words = answer.status === 200 ? (answer.json as { Warnings: string[] | null }).Warnings : [answer.text];
  const after = await traitsOf(fixture.daemon, id);
  return [...changed(before, after), ...(words ?? [])].join('\n');
}
const shows = (asked: object, what: RegExp, had?: object) => async () =>
  expect(await updated(asked, had)).toMatch(what);
const ofDevice = (name: string) => ({
  [`${name}[].Path`]: shows({ [name]: [{ Path: '/nosuch', Rate: 1048576 }] }, /nosuch/),
  [`${name}[].Rate`]: shows(
    { [name]: [{ Path: disk ?? '/dev/null', Rate: 1048576 }] },
    /\+ (blkio|io)\..*1048576|not a (block )?device/,
  ),
});
const memory = { Memory: 64 << 20 };
const updates: Proofs = {
  CpuShares: shows({ CpuShares: 512 }, /\+ cpu\.(shares 512|weight 20)/),
  CpuPeriod: shows({ CpuPeriod: 50000 }, /\+ cpu\.(cfs_period_us 50000|max 20000 50000)/, { CpuQuota: 20000 }),
  CpuQuota: shows({ CpuQuota: 20000 }, /\+ cpu\.(cfs_quota_us 20000|max 20000 100000)/),
  CpuRealtimePeriod: shows({ CpuRealtimePeriod: 1000 }, /cpu-rt/),
  CpuRealtimeRuntime: shows({ CpuRealtimeRuntime: 1000 }, /cpu-rt/),
  NanoCpus: shows({ NanoCpus: 5e8 }, /\+ cpu\.(cfs_quota_us 50000|max 50000 100000)/),
  CpuPercent: shows({ CpuPercent: 1 }, /does not support CPU percent/),
  CpusetCpus: shows({ CpusetCpus: '0' }, /\+ cpuset\.cpus 0$/m),
  CpusetMems: shows({ CpusetMems: '63' }, /63/),
  Memory: shows(memory, /\+ memory\.(limit_in_bytes|max) 67108864/),
  MemoryReservation: shows({ MemoryReservation: 32 << 20 }, /\+ memory\.(soft_limit_in_bytes|low) 33554432/, memory),
  MemorySwap: shows(
    { MemorySwap: 100 << 20 },
    /\+ memory\.(memsw\.limit_in_bytes 104857600|swap\.max 37748736)|swap/,
    memory,
  ),
  OomKillDisable: shows({ OomKillDisable: true }, /\+ memory\.oom_control oom_kill_disable 1|OomKillDisable/, memory),
  PidsLimit: shows({ PidsLimit: 77 }, /\+ pids\.max 77/),
  BlkioWeight: shows({ BlkioWeight: 300 }, /\+ (blkio|io)\..*weight|weight/),
  'BlkioWeightDevice[].Path': shows({ BlkioWeightDevice: [{ Path: '/nosuch', Weight: 300 }] }, /nosuch|weight_device/),
  'BlkioWeightDevice[].Weight': shows(
    { BlkioWeightDevice: [{ Path: disk ?? '/dev/null', Weight: 1 }] },
    /weight|device/i,
  ),
  ...ofDevice('BlkioDeviceReadBps'),
  ...ofDevice('BlkioDeviceWriteBps'),
  ...ofDevice('BlkioDeviceReadIOps'),
  ...ofDevice('BlkioDeviceWriteIOps'),
  IOMaximumIOps: shows({ IOMaximumIOps: 1 }, /does not support Maximum IO/),
  IOMaximumBandwidth: shows({ IOMaximumBandwidth: 1 }, /does not support Maximum IO/),
  'RestartPolicy.Name': async () => {
    const id = await sleeping();
    await api().post(`/containers/${id}/update`, { RestartPolicy: { Name: 'always' } });
    process.kill((await inspect(fixture.daemon, id)).State.Pid, 'SIGKILL');
    await eventually('a restart', async () => (await inspect(fixture.daemon, id)).RestartCount > 0);
  },
  'RestartPolicy.MaximumRetryCount': shows(
    { RestartPolicy: { Name: 'always', MaximumRetryCount: 3 } },
    /maximum retry count can only be used with 'on-failure'/,
  ),
};
const updatesElsewhere: Readonly<Record<string, string>> = { RestartUnhealthy: 'health' };

const refusedVolume = async (body: object, status: number) =>
  expect((await api().send('POST', '/volumes/create', { body })).status).toBe(status);
const volumes: Proofs = {
  Name: () => refusedVolume({ Name: 'a/b' }, 400),
  Driver: () => refusedVolume({ Name: 'vol', Driver: 'nosuch' }, 404),
  DriverOpts: async () => {
    await api().post('/volumes/create', { Name: 'vol', DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' } });
    const { stdout } = await run(fixture.daemon, 'grep " /v " /proc/mounts', { HostConfig: { Binds: ['vol:/v'] } });
    expect(stdout).toMatch(/^tmpfs \/v tmpfs .*size=1024k/);
  },
  Labels: async () => {
    await api().post('/volumes/create', { Name: 'vol', Labels: { a: 'b' } });
    const path = `/volumes?filters=${encodeURIComponent('{"label":["a=b"]}')}`;
    expect((await api().get<{ Volumes: { Name: string }[] }>(path)).Volumes.map(({ Name }) => Name)).toEqual(['vol']);
  },
  ClusterVolumeSpec: () => refusedVolume({ Name: 'vol', ClusterVolumeSpec: { Group: 'x' } }, 503),
};

const joined = {
  Name: 'joined',
  EnableIPv6: true,
  IPAM: { Config: [{ Subnet: '10.96.0.0/24' }, { Subnet: 'fd96::/64' }] },
};
beforeAll(() => api().post('/networks/create', joined));
afterAll(() => api().delete('/networks/joined'));

describe.each([
  ['an exec', ExecBody, execs, {}],
  ['the start of an exec', ExecStartBody, execStarts, {}],
  ['a network', NetworkCreateRequest, networks, networksWithout],
  ['a connection', NetworkConnectRequest, connections, {}],
  ['a disconnection', NetworkDisconnectRequest, disconnections, {}],
  ['an update', UpdateBody, updates, updatesElsewhere],
  ['a volume', VolumeCreateRequest, volumes, {}],
])('%s', (_, schema, proofs, without) => {
  test('every field has a proof', () => {
    expect([...Object.keys(proofs), ...Object.keys(without)].sort()).toEqual(fieldsOf(schema).sort());
  });
  test.each(Object.entries(proofs))('%s', (_name, proof) => proof());
});
