// The network's kernel part against the kernel: a host, a neighbour, containers, all namespaces of this test.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LinuxNetworkKernel } from '../../../../daemon/networks/kernel/linux-network-kernel.ts';
import { engineNames } from '../../../../daemon/networks/kernel/names.ts';
import type {
  BridgeRequest,
  EndpointRequest,
  NetworkNamespace,
} from '../../../../daemon/networks/kernel/network-kernel.ts';
import type { PublishedPort } from '../../../../daemon/networks/kernel/published-port.ts';
import { Launcher } from '../../../../daemon/runtime/launcher.ts';
import { eventually } from '../../../harness/eventually.ts';
import {
  connectNeighbour,
  datagramSocket,
  datagramText,
  echoDatagram,
  enterOwnNetwork,
  fetchFrom,
  ip,
  ipInside,
  type NamedServer,
  nft,
  sendDatagram,
  sendLoopbackTo,
  serve,
} from '../../../harness/own-network.ts';

const isRoot = process.getuid?.() === 0;
const launcherPath = new URL('../../../../native-bindings/launcher/tsdocker-launcher', import.meta.url).pathname;
const engineId = 'b1946ac9-2f4d-4d3c-9d0f-4a5b6c7d8e9f';

interface Box {
  endpoint: EndpointRequest;
  namespace: NetworkNamespace;
  server: NamedServer;
}

describe.skipIf(!isRoot)('the network kernel', () => {
  let directory: string;
  let launcher: Launcher;
  let kernel: LinuxNetworkKernel;
  let neighbour: number;
  const notices: string[] = [];
  const helpers = new Map<string, number>();
  const boxes = new Map<string, Box>();
  const bridges = new Map<string, BridgeRequest>();
  let published: PublishedPort[] = [];

  const open = () =>
    new LinuxNetworkKernel({
      engineId,
      runDirectory: directory,
      poolSize: 3,
      isForwardingSet: true,
      startMode: (name, fds, end) => {
        const pid = launcher.startMode(name, fds, end);
        helpers.set(name, pid);
        return pid;
      },
      onNotice: (message) => notices.push(message),
    });

  const box = async (name: string, bridge: string, number: number, hasIpv6 = false): Promise<Box> => {
    const request = bridges.get(bridge);
    const net = request?.ipv4?.address.replace(/\.1$/, '') ?? '';
    const endpoint: EndpointRequest = {
      endpointId: name.padEnd(64, '0'),
      containerId: name.padEnd(64, 'c'),
      bridge,
      interfaceName: 'eth0',
      mac: `02:42:ac:00:00:${number.toString(16).padStart(2, '0')}`,
      ipv4: { address: `${net}.${number}`, prefix: 24 },
      ...(hasIpv6 ? { ipv6: { address: `fd00:1::${number}`, prefix: 64 }, gateway6: 'fd00:1::1' } : {}),
      ...(request?.isInternal ? {} : { gateway4: `${net}.1` }),
      isIccEnabled: request?.isIccEnabled ?? true,
    };
    const namespace = await kernel.takeNamespace();
    await kernel.attach(namespace, endpoint);
    const server = await serve(namespace.fd, name, hasIpv6 ? '::' : '0.0.0.0', 80);
    const made = { endpoint, namespace, server };
    boxes.set(name, made);
    return made;
  };

  const get = (name: string) => {
    const found = boxes.get(name);
    if (found === undefined) throw new Error(name);
    return found;
  };
  const fdOf = (name: string) => get(name).namespace.fd;
  const publish = async (
    name: string,
    hostIp: string,
    hostPort: number | undefined,
    protocol: 'tcp' | 'udp' = 'tcp',
  ) => {
    const { endpoint } = get(name);
    const ports = await kernel.publish({
      containerId: endpoint.containerId,
      containerName: name,
      endpointId: endpoint.endpointId,
      bridge: endpoint.bridge,
      ...(endpoint.ipv4 === undefined ? {} : { ipv4: endpoint.ipv4.address }),
      ...(endpoint.ipv6 === undefined ? {} : { ipv6: endpoint.ipv6.address }),
      ports: [
        {
          protocol,
          containerPort: 80,
          hostIp,
          ...(hostPort === undefined ? {} : { hostPorts: { first: hostPort, last: hostPort } }),
        },
      ],
    });
    published.push(...ports);
    return ports;
  };
  const desired = () => ({
    bridges: [...bridges.values()],
    endpoints: [],
    ports: published,
  });

  beforeAll(async () => {
    enterOwnNetwork();
    directory = mkdtempSync(join(tmpdir(), 'tsdocker-network-'));
    launcher = Launcher.open(launcherPath);
    neighbour = connectNeighbour('wan0', '192.0.2.1', '192.0.2.2', 'fd00:2::1', 'fd00:2::2');
    ipInside(neighbour, 'route add default via 192.0.2.1');
    kernel = open();
    await kernel.heal({ bridges: [], endpoints: [], ports: [] });
    const bridge = (name: string, net: number, more: Partial<BridgeRequest> = {}) => {
      const request: BridgeRequest = {
        name,
        networkId: name.padEnd(64, 'f'),
        ipv4: { address: `10.77.${net}.1`, prefix: 24 },
        isInternal: false,
        isIccEnabled: true,
        isMasqueraded: true,
        ...more,
      };
      bridges.set(name, request);
      return kernel.ensureBridge(request);
    };
    await bridge('one', 1, { ipv6: { address: 'fd00:1::1', prefix: 64 } });
    await bridge('two', 2);
    await bridge('inner', 3, { isInternal: true });
    await bridge('quiet', 4, { isIccEnabled: false });
    await box('web', 'one', 10, true);
    await box('app', 'one', 11, true);
    await box('other', 'two', 10);
    await box('secret', 'inner', 10);
    await box('secret2', 'inner', 11);
    await box('mute', 'quiet', 10);
    await box('mute2', 'quiet', 11);
  });

  afterAll(async () => {
    await kernel.unpublish(published);
    for (const { server, namespace } of boxes.values()) {
      await server.close();
      namespace[Symbol.dispose]();
    }
    await kernel.dispose();
    closeSync(neighbour);
    launcher[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it('connects containers of a bridge with each other and with the host, by IPv4 and IPv6', async () => {
    expect(await fetchFrom(fdOf('app'), '10.77.1.10', 80)).toBe('web ::ffff:10.77.1.11');
    expect(await fetchFrom(fdOf('app'), 'fd00:1::10', 80)).toMatch(/^web /);
    expect(await fetchFrom(undefined, '10.77.1.10', 80)).toMatch(/^web .*10\.77\.1\.1$/);
  });

  it('keeps bridges apart, and other hosts from what is not published', async () => {
    expect(await fetchFrom(fdOf('other'), '10.77.1.10', 80)).toBe('EINPROGRESS');
    expect(await fetchFrom(fdOf('web'), '10.77.2.10', 80)).toBe('EINPROGRESS');
    expect(await fetchFrom(neighbour, '10.77.1.10', 80)).toBe('EINPROGRESS');
  });

  it('lets containers out with the address of the host, and those of an internal network not at all', async () => {
    const outside = await serve(neighbour, 'outside', '0.0.0.0', 80);
    expect(await fetchFrom(fdOf('web'), '192.0.2.2', 80)).toBe('outside 192.0.2.1');
    expect(await fetchFrom(fdOf('secret'), '192.0.2.2', 80)).toBe('ENETUNREACH');
    ipInside(fdOf('secret'), 'route add default via 10.77.3.1');
    expect(await fetchFrom(fdOf('secret'), '192.0.2.2', 80)).toBe('EINPROGRESS');
    expect(await fetchFrom(fdOf('secret'), '10.77.3.11', 80)).toMatch(/^secret2 /);
    await outside.close();
  });

  it('separates containers of a bridge without communication', async () => {
    expect(await fetchFrom(fdOf('mute'), '10.77.4.11', 80)).toMatch(/EHOSTUNREACH|EINPROGRESS/);
    expect(await fetchFrom(undefined, '10.77.4.11', 80)).toMatch(/^mute2 /);
  });

  it('publishes a port to everywhere: other hosts with their address, the host by any of its, containers by the host', async () => {
    await publish('web', '', 8080);
    expect(await fetchFrom(neighbour, '192.0.2.1', 8080)).toBe('web ::ffff:192.0.2.2');
    expect(await fetchFrom(neighbour, 'fd00:2::1', 8080)).toBe('web fd00:2::2');
    expect(await fetchFrom(undefined, '192.0.2.1', 8080)).toMatch(/^web /);
    expect(await fetchFrom(undefined, '127.0.0.1', 8080)).toMatch(/^web /);
    expect(await fetchFrom(undefined, '::1', 8080)).toMatch(/^web /);
    expect(await fetchFrom(fdOf('other'), '192.0.2.1', 8080)).toMatch(/^web /);
    expect(await fetchFrom(fdOf('app'), '192.0.2.1', 8080)).toMatch(/^web /);
    expect(await fetchFrom(fdOf('web'), '192.0.2.1', 8080)).toMatch(/^web /);
    expect(await fetchFrom(neighbour, '10.77.1.10', 80)).toBe('EINPROGRESS');
  });

  it('publishes a port of a container without IPv6 on the IPv6 addresses of the host', async () => {
    await publish('other', '', 8090);
    expect(await fetchFrom(neighbour, 'fd00:2::1', 8090)).toMatch(/^other /);
    expect(await fetchFrom(undefined, '::1', 8090)).toMatch(/^other /);
  });

  it('publishes on one address only, and what is on loopback is not for neighbours', async () => {
    await publish('web', '127.0.0.1', 8081);
    expect(await fetchFrom(undefined, '127.0.0.1', 8081)).toMatch(/^web /);
    expect(await fetchFrom(neighbour, '192.0.2.1', 8081)).toBe('ECONNREFUSED');
    sendLoopbackTo(neighbour, '192.0.2.1');
    expect(await fetchFrom(neighbour, '127.0.0.1', 8081)).toBe('EINPROGRESS');
    sendLoopbackTo(fdOf('other'), '10.77.2.1');
    expect(await fetchFrom(fdOf('other'), '127.0.0.1', 8081)).toBe('EINPROGRESS');
  });

  it('publishes to containers that cannot talk to each other otherwise', async () => {
    await publish('mute2', '', 8082);
    expect(await fetchFrom(fdOf('mute'), '192.0.2.1', 8082)).toMatch(/^mute2 /);
    expect(await fetchFrom(neighbour, '192.0.2.1', 8082)).toMatch(/^mute2 .*192\.0\.2\.2$/);
  });

  it('publishes datagrams, by [::1] as well', async () => {
    const server = datagramSocket(fdOf('web'), '::', 80);
    const [first] = await publish('web', '', undefined, 'udp');
    const port = first?.hostPort ?? 0;
    for (const [from, address, own] of [
      [neighbour, '192.0.2.1', '0.0.0.0'],
      [undefined, '127.0.0.1', '0.0.0.0'],
      [undefined, '::1', '::'],
    ] as const) {
      const client = datagramSocket(from, own, 0);
      sendDatagram(client, address, port, `ping ${address}`);
      expect(echoDatagram(server, `pong ${address}`)).toBe(`ping ${address}`);
      expect(datagramText(client)).toBe(`pong ${address}`);
      closeSync(client);
    }
    closeSync(server);
  });

  it('says in docker’s words that a port is taken, by a container or by the host, and leaves nothing', async () => {
    await expect(publish('app', '', 8080)).rejects.toThrow(
      /^driver failed programming external connectivity on endpoint app \(app0+\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/,
    );
    const taken = datagramSocket(undefined, '0.0.0.0', 5353);
    await expect(publish('app', '0.0.0.0', 5353, 'udp')).rejects.toThrow(
      /: failed to bind host port for 0\.0\.0\.0:5353:10\.77\.1\.11:80\/udp: address already in use$/,
    );
    closeSync(taken);
    await publish('app', '0.0.0.0', 5353, 'udp');
  });

  it('heals its firewall at the next change after all rules were flushed, and touches no other table', async () => {
    nft('flush ruleset');
    nft('add table inet foreign');
    expect(await fetchFrom(undefined, '127.0.0.1', 8080)).toMatch(/^web /);
    await publish('app', '', 8083);
    expect(await fetchFrom(neighbour, '192.0.2.1', 8083)).toBe('app ::ffff:192.0.2.2');
    expect(await fetchFrom(neighbour, '192.0.2.1', 8080)).toBe('web ::ffff:192.0.2.2');
    expect(await fetchFrom(fdOf('web'), '10.77.2.10', 80)).toBe('EINPROGRESS');
    expect(nft('list tables')).toContain('table inet foreign');
  });

  it('makes a deleted bridge again when a container needs it, with those that were on it', async () => {
    ip('link del one');
    await box('late', 'one', 12, true);
    expect(await fetchFrom(fdOf('late'), '10.77.1.10', 80)).toMatch(/^web /);
    expect(await fetchFrom(neighbour, '192.0.2.1', 8080)).toMatch(/^web /);
  });

  it('keeps ports while it is away, and connections that go through them', async () => {
    const rules = nft('list ruleset');
    await kernel.dispose();
    expect(await fetchFrom(neighbour, '192.0.2.1', 8080)).toMatch(/^web /);
    expect(await fetchFrom(undefined, '::1', 8080)).toMatch(/^web /);
    kernel = open();
    const report = await kernel.heal({
      ...desired(),
      endpoints: [...boxes.values()].map(({ endpoint }) => ({ endpoint, pid: process.pid })),
    });
    expect(report).toEqual({ repaired: [], failed: [] });
    expect(nft('list ruleset')).toBe(rules);
    await expect(publish('app', '', 8080)).rejects.toThrow(/already allocated/);
  });

  it('binds the ports again when their keeper was killed', async () => {
    process.kill(helpers.get('tsdocker-ports') ?? 0, 'SIGKILL');
    await eventually('the keeper serves again', async () =>
      (await fetchFrom(undefined, '::1', 8080)).startsWith('web '),
    );
  });

  it('uses a bridge of somebody else’s only when told to, and leaves it as it was', async () => {
    ip('link add theirs type bridge');
    ip('addr add 10.99.0.9/24 dev theirs');
    const request: BridgeRequest = {
      name: 'theirs',
      networkId: 'theirs'.padEnd(64, 'f'),
      ipv4: { address: '10.77.9.1', prefix: 24 },
      isInternal: false,
      isIccEnabled: true,
      isMasqueraded: true,
    };
    await expect(kernel.ensureBridge(request)).rejects.toThrow(
      /^bridge theirs exists and is not of this engine's making/,
    );
    await expect(kernel.ensureBridge({ ...request, name: 'wan0' })).rejects.toThrow(
      'interface wan0 exists and is no bridge',
    );
    await kernel.ensureBridge({ ...request, isForeignAllowed: true });
    expect(ip('-o addr show dev theirs')).toMatch(/10\.99\.0\.9.*\n.*10\.77\.9\.1/);
    expect(nft('list ruleset')).toContain('"theirs"');
    await kernel.removeBridge('theirs');
    expect(ip('-o addr show dev theirs')).toContain('10.99.0.9');
    expect(nft('list ruleset')).not.toContain('"theirs"');
    ip('link del theirs');
  });

  it('heals its firewall when a container starts, and lets it through a firewall that came later', async () => {
    nft('flush ruleset');
    nft('add table ip filter');
    nft('add chain ip filter DOCKER-USER');
    await box('fresh', 'two', 20);
    expect(nft('list chain ip filter DOCKER-USER')).toMatch(/iifname "two" accept/);
    expect(nft('list chain ip filter DOCKER-USER')).not.toContain('"inner"');
    expect(await fetchFrom(fdOf('fresh'), '10.77.1.10', 80)).toBe('EINPROGRESS');
    await kernel.removeBridge('quiet');
    expect(nft('list ruleset')).not.toContain('"quiet"');
    bridges.delete('quiet');
    boxes.delete('mute');
    boxes.delete('mute2');
    published = published.filter(({ containerId }) => !containerId.startsWith('mute'));
  });

  it('connects a running container again whose interface was deleted', async () => {
    const { namespace, endpoint } = get('fresh');
    const inside = spawn('nsenter', [`--net=/proc/${process.pid}/fd/${namespace.fd}`, 'sleep', '60']);
    await eventually(
      'the process is inside',
      () => ns(`/proc/${inside.pid}/ns/net`) === ns(`/proc/self/fd/${namespace.fd}`),
    );
    ip(`link del ${engineNames(engineId).veth(endpoint.endpointId)}`);
    const report = await kernel.heal({
      ...desired(),
      endpoints: [...boxes.values()].map((entry) => ({ endpoint: entry.endpoint, pid: inside.pid ?? 0 })),
    });
    expect(report.repaired).toContain(`eth0 of container ${endpoint.containerId} is connected again`);
    expect(report.failed).toEqual([]);
    expect(await fetchFrom(undefined, '10.77.2.20', 80)).toMatch(/^fresh /);
    inside.kill('SIGKILL');
  });

  it('forgets the tracked connections of a container that is gone', async () => {
    const tracked = () => readFileSync('/proc/net/nf_conntrack', 'latin1');
    await fetchFrom(neighbour, '192.0.2.1', 8080);
    expect(tracked()).toContain('10.77.1.10');
    expect(tracked()).toContain('10.77.2.10');
    await kernel.detach({ endpointId: 'none', containerId: 'none', ipv4: '10.77.1.10', hasEnded: true });
    await eventually('they are gone', () => !tracked().includes('10.77.1.10'));
    expect(tracked()).toContain('10.77.2.10');
  });

  it('gives an address to the next container at once, although the last one is not quite gone', async () => {
    for (let round = 0; round < 20; round++) {
      const { endpoint, namespace, server } = await box(`${round}round`, 'two', 77);
      expect(await fetchFrom(undefined, '10.77.2.77', 80)).toMatch(new RegExp(`^${round}round `));
      expect(await fetchFrom(fdOf('other'), '10.77.2.77', 80)).toMatch(new RegExp(`^${round}round `));
      boxes.delete(`${round}round`);
      await kernel.detach({
        endpointId: endpoint.endpointId,
        containerId: endpoint.containerId,
        ipv4: '10.77.2.77',
        hasEnded: true,
      });
      // Held open by its server until the next one is there: the kernel may take as long as it likes.
      setTimeout(() => void server.close(), 200);
      namespace[Symbol.dispose]();
    }
  });

  it('removes the interface of a container that has ended, although something holds its namespace', async () => {
    const { endpoint, namespace, server } = await box('held', 'two', 78);
    boxes.delete('held');
    const { endpointId, containerId } = endpoint;
    await kernel.detach({ endpointId, containerId, ipv4: '10.77.2.78', hasEnded: true });
    const veth = engineNames(engineId).veth(endpointId);
    expect(engineVeths()).toContain(veth);
    await eventually('it is gone', () => !engineVeths().some((name: string) => name === veth));
    await server.close();
    namespace[Symbol.dispose]();
  });

  it('removes what belongs to nobody, and nothing of another engine', async () => {
    ip('link add foreign0 type bridge');
    ip('link add name foreign1 type veth');
    await kernel.detach({
      endpointId: get('late').endpoint.endpointId,
      containerId: 'late',
      ipv4: '10.77.1.12',
      hasEnded: false,
    });
    expect(ipInside(fdOf('late'), '-o link')).not.toContain('eth0');
    const orphan = engineVeths();
    expect(orphan).not.toEqual([]);
    await kernel.heal({ bridges: [], endpoints: [], ports: [] });
    expect(engineVeths()).toEqual([]);
    expect(ip('-o link')).not.toMatch(/ (one|two|inner|quiet):/);
    expect(ip('-o link')).toMatch(/foreign0.*\n.*foreign1/);
    expect(nft('list ruleset')).not.toContain('elements');
    expect(await fetchFrom(undefined, '127.0.0.1', 8080)).toBe('ECONNREFUSED');
    published = [];
  });

  const ns = (path: string) => statSync(path).ino;
  const engineVeths = () => readFileSync('/proc/net/dev', 'latin1').match(/ts[0-9a-f]{4}-[0-9a-z]{8}/g) ?? [];
});
