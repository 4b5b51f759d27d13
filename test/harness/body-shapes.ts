// What bodies of an engine look like: which keys are there, and of what kind each value is. Collected by the same requests from this engine and,
// once, from a dockerd (test/fixtures/golden/docker-shapes.json: 28.5.2; TSD_REFERENCE=/path/to/docker.sock records it anew).
import type { ApiClient } from './api-client.ts';
import { eventually } from './eventually.ts';

/** null, [], {}, "", text, number or boolean; objects by their keys; lists by their first element. */
export type Shape = string | { [key: string]: Shape } | [Shape];

export function shapeOf(value: unknown): Shape {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? '[]' : [shapeOf(value[0])];
  if (typeof value !== 'object') return value === '' ? '""' : typeof value === 'string' ? 'text' : typeof value;
  const entries = Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return '{}';
  return Object.fromEntries(entries.map(([key, inner]) => [/^[0-9a-f]{64}$/.test(key) ? 'ID' : key, shapeOf(inner)]));
}

/** The paths at which two shapes differ, each with both. */
export function differences(theirs: Shape | undefined, ours: Shape | undefined, at = ''): string[] {
  if (isKeyed(theirs) && isKeyed(ours)) {
    const keys = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])];
    const entries = (shape: typeof theirs) => shape as Record<string, Shape>;
    return keys.flatMap((key) => differences(entries(theirs)[key], entries(ours)[key], `${at}.${key}`));
  }
  const [a, b] = [theirs, ours].map((shape) => JSON.stringify(shape) ?? 'absent');
  return a === b ? [] : [`${at}: docker ${a}, here ${b}`];
}

function isKeyed(shape: Shape | undefined): shape is { [key: string]: Shape } | [Shape] {
  return typeof shape === 'object';
}

const sleeps = { Image: 'busybox', Cmd: ['sleep', '1000'], Env: ['A=b'] };
const bodies: Record<string, object> = {
  plain: sleeps,
  full: {
    ...sleeps,
    ...{
      Entrypoint: ['env'],
      Env: ['A=b'],
      Labels: { x: 'y' },
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/anon': {} },
    },
    ...{ WorkingDir: '/tmp', User: '0', Tty: true, OpenStdin: true, StopSignal: 'SIGUSR1', StopTimeout: 3 },
    ...{ Hostname: 'hh', Domainname: 'dd', Healthcheck: { Test: ['CMD', 'true'], Interval: 1e9 }, OnBuild: ['RUN x'] },
    Shell: ['/bin/sh'],
    HostConfig: {
      ...{ Binds: ['shapes-vol:/v:ro'], PortBindings: { '80/tcp': [{ HostPort: '19911' }] } },
      ...{ RestartPolicy: { Name: 'always' }, CapAdd: ['NET_ADMIN'], CapDrop: ['MKNOD'], Dns: ['1.1.1.1'] },
      ...{ DnsSearch: ['x.y'], DnsOptions: ['ndots:2'], ExtraHosts: ['a:1.2.3.4'], GroupAdd: ['5'], Memory: 67108864 },
      ...{ CpuShares: 512, PidsLimit: 50, Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }], ShmSize: 1048576 },
      ...{ Sysctls: { 'net.ipv4.ip_forward': '0' }, Tmpfs: { '/tt': 'size=1m' }, SecurityOpt: ['no-new-privileges'] },
      ...{ Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/xnull', CgroupPermissions: 'rwm' }] },
      ...{ Annotations: { q: 'w' }, ReadonlyRootfs: true, OomScoreAdj: 100 },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
    },
  },
  host: { ...sleeps, HostConfig: { NetworkMode: 'host' } },
  none: { ...sleeps, HostConfig: { NetworkMode: 'none' } },
  user: {
    ...sleeps,
    HostConfig: { NetworkMode: 'shapes-net' },
    NetworkingConfig: {
      EndpointsConfig: { 'shapes-net': { Aliases: ['al'], IPAMConfig: { IPv4Address: '10.99.0.77' } } },
    },
  },
  disabled: { ...sleeps, NetworkDisabled: true },
  published: { ...sleeps, ExposedPorts: { '81/tcp': {} }, HostConfig: { PublishAllPorts: true } },
  fails: { ...sleeps, Cmd: ['/nosuch'] },
};
const networks = [
  {
    Name: 'shapes-net',
    Labels: { a: 'b' },
    IPAM: {
      Config: [
        {
          ...{ Subnet: '10.99.0.0/24', IPRange: '10.99.0.0/25', Gateway: '10.99.0.3' },
          AuxiliaryAddresses: { r: '10.99.0.9' },
        },
      ],
    },
  },
  { Name: 'shapes-six', EnableIPv6: true, Internal: true, Attachable: true },
];
const volumes = [
  { Name: 'shapes-vol' },
  { Name: 'shapes-tmp', Labels: { k: 'v' }, DriverOpts: { type: 'tmpfs', device: 'tmpfs' } },
];

/** Makes containers, networks and volumes whose names begin with "shapes-", looks at them in each state, and removes them. */
export async function collectShapes(api: ApiClient): Promise<Record<string, Shape>> {
  const shapes: Record<string, Shape> = {};
  const get = (path: string) => api.get<Record<string, unknown> & unknown[]>(path);
  const look = async (what: string, body: Promise<unknown>) => {
    shapes[what] = shapeOf(withoutPlaces(await body));
  };
  const listed = async (name: string, query: string) =>
    (await get(`/containers/json?all=1&${query}`)).find((one) => (one as { Names: string[] }).Names[0] === name);
  try {
    for (const network of networks) await look(`${network.Name}: create`, api.post('/networks/create', network));
    for (const volume of volumes) await look(`${volume.Name}: create`, api.post('/volumes/create', volume));
    for (const [name, body] of Object.entries(bodies)) {
      const path = `/containers/shapes-${name}`;
      await look(`${name}: create`, api.post(`/containers/create?name=shapes-${name}`, body));
      await look(`${name}: inspect, created`, get(`${path}/json`));
      await look(`${name}: list, created`, listed(`/shapes-${name}`, ''));
      await api.send('POST', `${path}/start`);
      if (name === 'full') {
        const isChecked = async () => JSON.stringify(await get(`${path}/json`)).includes('"Status":"healthy"');
        await eventually('a health check', isChecked, { timeoutMs: 20_000 }).catch(() => undefined);
      }
      await look(`${name}: inspect, started`, get(`${path}/json?size=1`));
      await look(`${name}: list, started`, listed(`/shapes-${name}`, ''));
    }
    await look('exec', execShapes(api));
    await look('update', api.post('/containers/shapes-plain/update', { CpuShares: 300 }));
    const own = ({ Name }: { Name: string }) => /^(shapes-.*|host|none)$/.test(Name);
    await look(
      'networks',
      get('/networks').then((list) =>
        Object.fromEntries((list as { Name: string }[]).filter(own).map((one) => [one.Name, one])),
      ),
    );
    for (const name of ['shapes-net', 'shapes-six', 'host', 'none'])
      await look(`network ${name}`, get(`/networks/${name}`));
    for (const { Name } of volumes) await look(`volume ${Name}`, get(`/volumes/${Name}`));
    for (const name of Object.keys(bodies)) {
      await api.send('POST', `/containers/shapes-${name}/stop?t=0`);
      await look(`${name}: inspect, stopped`, get(`/containers/shapes-${name}/json`));
      await look(`${name}: list, stopped`, listed(`/shapes-${name}`, ''));
    }
    await look('stats, stopped', get('/containers/shapes-plain/stats?stream=0'));
    const nothing = encodeURIComponent('{"label":["no-such-label"]}');
    for (const kind of ['containers', 'networks', 'volumes', 'images']) {
      await look(`${kind}: prune`, api.post(`/${kind}/prune?filters=${nothing}`));
    }
  } finally {
    for (const name of Object.keys(bodies)) await api.send('DELETE', `/containers/shapes-${name}?force=1&v=1`);
    for (const { Name } of networks) await api.send('DELETE', `/networks/${Name}`);
    for (const { Name } of volumes) await api.send('DELETE', `/volumes/${Name}`);
  }
  return shapes;
}

async function execShapes(api: ApiClient): Promise<object> {
  const body = { Cmd: ['true'], AttachStdout: true, Env: ['a=b'], User: '0', WorkingDir: '/tmp' };
  const made = await api.post<{ Id: string }>('/containers/shapes-plain/exec', body);
  const look = () => api.get<{ Running: boolean; ExitCode: number | null }>(`/exec/${made.Id}/json`);
  const created = await look();
  await api.post(`/exec/${made.Id}/start`, { Detach: true });
  const ended = await eventually('the end', async () => {
    const state = await look();
    return state.ExitCode === null ? undefined : state;
  });
  return { made, created, ended: { ...ended, CanRemove: (ended as { CanRemove?: boolean }).CanRemove ? 'yes' : 'no' } };
}

/** Where a layer lies is each engine's own; the order of mounts is no one's; whether a check runs just now is chance. */
function withoutPlaces(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !('Mounts' in body)) return body;
  const { GraphDriver, ExecIDs, ...rest } = body as unknown as Record<string, unknown> & {
    Mounts: { Destination: string }[];
  };
  const mounts = Object.fromEntries(rest.Mounts.map((mount) => [mount.Destination, mount]));
  return { ...rest, Mounts: mounts };
}
