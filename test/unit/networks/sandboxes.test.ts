import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { networkView } from '../../../daemon/docker-api/views/network-view.ts';
import type { EndpointRequest } from '../../../daemon/docker-types/network.ts';
import { BridgeDriver } from '../../../daemon/networks/drivers/bridge-driver.ts';
import { hostDriver, nullDriver } from '../../../daemon/networks/drivers/fixed-drivers.ts';
import { NetworkDrivers } from '../../../daemon/networks/drivers/network-drivers.ts';
import { parseEndpoint } from '../../../daemon/networks/endpoint-config.ts';
import type { NameDirectory, Resolvers } from '../../../daemon/networks/name-directory.ts';
import { type Networks, openNetworks } from '../../../daemon/networks/open-networks.ts';
import type { SandboxOwner } from '../../../daemon/networks/sandbox.ts';
import type { PortRequest } from '../../../daemon/spec/ports.ts';
import { Database } from '../../../daemon/state/database.ts';
import { noFilters } from '../../../daemon/state/filters.ts';
import { type FakeKernel, fakeKernel } from './fake-kernel.ts';

const silent = { info() {}, warn() {}, error() {} };
const id = (letter: string) => letter.repeat(64);

let dir: string;
let database: Database;
let kernel: FakeKernel;
let networks: Networks;
let names: NameDirectory;
let resolverCalls: string[];
let resolverNamespaces: object[];
let events: string[];
let failsResolver: boolean;

beforeEach(async () => {
  dir = mkdtempSync('/tmp/tsdt-networks-');
  database = Database.open(':memory:');
  await open();
});

afterEach(() => {
  database.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A daemon's start on what is in the database and the run directories. */
async function open(routes: FakeKernel['routes'] = []): Promise<void> {
  kernel = fakeKernel();
  kernel.routes = routes;
  resolverCalls = [];
  resolverNamespaces = [];
  events = [];
  failsResolver = false;
  const resolvers: Resolvers = {
    start: (containerId, namespace, { hasWayOut }) => {
      if (failsResolver) throw new Error('no resolver');
      resolverNamespaces.push(namespace);
      resolverCalls.push(`start ${containerId[0]} ${hasWayOut}`);
    },
    update: (containerId, { hasWayOut }) => void resolverCalls.push(`update ${containerId[0]} ${hasWayOut}`),
    stop: (containerId) => void resolverCalls.push(`stop ${containerId[0]}`),
  };
  networks = await openNetworks({
    database,
    engineId: 'engine',
    created: '2026-01-01T00:00:00.000Z',
    options: {
      addressPools: [],
      defaultBridge: {
        bridge: '',
        bip: '',
        fixedCidr: '',
        fixedCidr6: '',
        isIpv6Enabled: false,
        mtu: 0,
        isIccEnabled: true,
        isMasqueraded: true,
        hostIp: '',
      },
    },
    kernel,
    drivers: new NetworkDrivers([new BridgeDriver(kernel), hostDriver, nullDriver]),
    openResolvers: (directory) => {
      names = directory;
      return resolvers;
    },
    onEvent: (action, record) => void events.push(`${action} ${record?.name ?? ''}`),
    isWanted: () => false,
    log: silent,
  });
}

function owner(letter: string, wantedPorts: PortRequest[] = []): SandboxOwner {
  const runDir = `${dir}/${letter}`;
  mkdirSync(runDir, { recursive: true });
  return {
    containerId: id(letter),
    containerName: `name-${letter}`,
    hostname: `host-${letter}`,
    runDir,
    wantedPorts,
    resolver: { servers: ['9.9.9.9'], isFromHost: true },
  };
}

const on = (name: string, asked: EndpointRequest = {}) => ({
  entry: networks.registry.get(name),
  config: parseEndpoint(name, asked),
});

async function run(letter: string, attachments: ReturnType<typeof on>[], ports: PortRequest[] = []) {
  const sandbox = networks.sandboxes.reserve(owner(letter, ports), attachments);
  using _ = await networks.sandboxes.build(sandbox);
  return sandbox;
}

const addresses = (letter: string) => networks.sandboxes.connections(id(letter)).map(({ endpoint }) => endpoint.ipv4);

describe('a container’s network', () => {
  beforeEach(() => networks.heal(new Map()));

  it('on the default bridge makes the bridge once, and has the first address', async () => {
    await run('a', [on('bridge')]);
    await run('b', [on('bridge')]);
    expect(kernel.calls).toEqual([
      'ensureBridge tsdocker0 172.17.0.1',
      'attach tsdocker0 eth0 172.17.0.2 via 172.17.0.1',
      'attach tsdocker0 eth0 172.17.0.3 via 172.17.0.1',
    ]);
    expect(kernel.openNamespaces).toBe(0);
    expect(resolverCalls).toEqual([]);
  });

  it('none is a namespace and nothing else', async () => {
    await run('a', [on('none')]);
    expect(kernel.calls).toEqual([]);
    expect(networkView(networks.service.inspect('none')).Containers).toHaveProperty(id('a'));
  });

  it('gives back its address, and only then', async () => {
    await run('a', [on('bridge')]);
    await networks.sandboxes.end(id('a'), false);
    await run('b', [on('bridge')]);
    expect(addresses('b')).toEqual(['172.17.0.2']);
    expect(kernel.calls).toContain('detach 172.17.0.2 ended');
  });

  it.each(['ensureBridge', 'attach', 'publish'])('a failing %s leaves nothing', async (step) => {
    await networks.service.create({ Name: 'n' });
    kernel.calls.length = 0;
    kernel.failNext(step, new Error('no'));
    const request: PortRequest = { protocol: 'tcp', containerPort: 80, hostIp: '' };
    const ports = step === 'publish' ? [request] : [];
    const sandbox = networks.sandboxes.reserve(owner('a', ports), [on('bridge'), on('n')]);
    await expect(networks.sandboxes.build(sandbox)).rejects.toThrow('no');
    expect(kernel.openNamespaces).toBe(0);
    await networks.sandboxes.end(id('a'), false);
    expect(networks.registry.get('n').endpoints.size).toBe(0);
    expect(networks.sandboxes.of(id('a'))).toBeUndefined();
    expect(resolverCalls).toEqual([]);
  });

  it('gets its name server by the namespace in hand when it is connected: the process may have ended by then', async () => {
    await networks.service.create({ Name: 'n' });
    const sandbox = await run('a', [on('bridge')]);
    await networks.sandboxes.connect(sandbox, 1, on('n'));
    expect(resolverNamespaces).toEqual([{ fd: expect.any(Number) }]);
  });

  it('is refused on a network that was removed while its container waited for its turn', async () => {
    await networks.service.create({ Name: 'n' });
    const sandbox = await run('a', [on('bridge')]);
    const attachment = on('n');
    await networks.service.remove('n');
    kernel.calls.length = 0;
    await expect(networks.sandboxes.connect(sandbox, 1, attachment)).rejects.toThrow('network n not found');
    expect(sandbox.connections).toHaveLength(1);
    expect(kernel.calls).toEqual([]);
  });

  it('an address that is taken or outside is refused, and nothing stays reserved', async () => {
    await networks.service.create({ Name: 'n', IPAM: { Config: [{ Subnet: '10.7.0.0/29' }] } });
    await run('a', [on('n', { IPAMConfig: { IPv4Address: '10.7.0.5' } })]);
    const reserve = (asked: EndpointRequest) => networks.sandboxes.reserve(owner('b'), [on('bridge'), on('n', asked)]);
    expect(() => reserve({ IPAMConfig: { IPv4Address: '10.7.0.5' } })).toThrow('Address already in use');
    expect(() => reserve({ IPAMConfig: { IPv4Address: '10.8.0.5' } })).toThrow(
      'does not belong to any of this network',
    );
    expect(networks.registry.get('bridge').endpoints.size).toBe(0);
    expect(() => networks.sandboxes.reserve(owner('b'), [on('bridge', { Aliases: ['x'] })])).toThrow(
      'network-scoped alias',
    );
    for (const letter of ['b', 'c', 'd', 'e']) await run(letter, [on('n')]);
    expect(() => networks.sandboxes.reserve(owner('f'), [on('n')])).toThrow('no available IPv4 addresses');
  });

  it('the default route follows priority, then name; internal networks have none', async () => {
    await networks.service.create({ Name: 'b' });
    await networks.service.create({ Name: 'a' });
    await networks.service.create({ Name: '0', Internal: true });
    kernel.calls.length = 0;
    await run('x', [on('b'), on('0'), on('a')]);
    const viaOf = (text: string) => kernel.calls.filter((call) => call.startsWith('attach') && call.includes(text));
    expect(viaOf('via -')).toHaveLength(2);
    expect(viaOf('172.19.0.2 via 172.19.0.1')).toHaveLength(1);
    await run('y', [on('a'), on('b', { GwPriority: 1 })]);
    expect(viaOf('172.18.0.3 via 172.18.0.1')).toHaveLength(1);
  });

  it('connect and disconnect a running one: addresses, routes, ports and names follow', async () => {
    await networks.service.create({ Name: 'n' });
    const sandbox = await run('a', [on('bridge')], [{ protocol: 'tcp', containerPort: 80, hostIp: '' }]);
    expect(sandbox.ports).toMatchObject([{ hostPort: 32768, containerIp: '172.17.0.2' }]);
    const added = await networks.sandboxes.connect(sandbox, 1, on('n', { Aliases: ['web'] }));
    expect(added.endpoint.interfaceName).toBe('eth1');
    expect(names.addressesOf(id('a'), 'WEB')).toEqual({ ipv4: ['172.18.0.2'], ipv6: [] });
    const [bridge] = sandbox.connections;
    if (bridge === undefined) throw new Error('no connection');
    await networks.sandboxes.disconnect(sandbox, 1, bridge);
    expect(kernel.calls).toContain('unpublish 32768');
    expect(kernel.calls).toContain('setGateways 172.18.0.1');
    expect(sandbox.ports).toMatchObject([{ containerIp: '172.18.0.2' }]);
    expect(kernel.openNamespaces).toBe(0);
    await networks.sandboxes.disconnect(sandbox, 1, added);
    expect(resolverCalls).toEqual(['start a true', 'update a true', 'stop a']);
    expect(sandbox.ports).toEqual([]);
  });

  it('ports leave the network that carries them also when another has become the gateway', async () => {
    await networks.service.create({ Name: 'n' });
    const sandbox = await run('a', [on('n')], [{ protocol: 'tcp', containerPort: 80, hostIp: '' }]);
    await networks.sandboxes.connect(sandbox, 1, on('bridge'));
    expect(sandbox.ports).toMatchObject([{ containerIp: '172.18.0.2' }]);
    const [first] = sandbox.connections;
    if (first === undefined) throw new Error('no connection');
    await networks.sandboxes.disconnect(sandbox, 1, first);
    expect(kernel.calls).toContain('unpublish 32768');
    expect(sandbox.ports).toMatchObject([{ containerIp: '172.17.0.2' }]);
  });

  it('a connect whose name server cannot be begun takes back the ports that it published', async () => {
    await networks.service.create({ Name: 'n' });
    const sandbox = await run('a', [on('none')], [{ protocol: 'tcp', containerPort: 80, hostIp: '' }]);
    failsResolver = true;
    await expect(networks.sandboxes.connect(sandbox, 1, on('n'))).rejects.toThrow('no resolver');
    expect(sandbox.ports).toEqual([]);
    expect(kernel.calls.slice(-3)).toEqual(['publish 172.18.0.2 :80', 'unpublish 32768', 'detach 172.18.0.2 running']);
    expect(networks.registry.get('n').endpoints.size).toBe(0);
  });

  it('a failing connect leaves all as it was', async () => {
    await networks.service.create({ Name: 'n' });
    const sandbox = await run('a', [on('bridge')]);
    const before = readFileSync(`${dir}/a/network`, 'utf8');
    kernel.attach = () => Promise.reject(new Error('no'));
    await expect(networks.sandboxes.connect(sandbox, 1, on('n'))).rejects.toThrow('no');
    expect(readFileSync(`${dir}/a/network`, 'utf8')).toBe(before);
    expect(networks.registry.get('n').endpoints.size).toBe(0);
  });
});

describe('names', () => {
  beforeEach(async () => {
    await networks.heal(new Map());
    await networks.service.create({ Name: 'n' });
    await networks.service.create({ Name: 'other' });
    await run('a', [on('n', { Aliases: ['shared'], Links: ['name-b:db'] }), on('bridge')]);
    await run('b', [on('n', { Aliases: ['shared'] })]);
    await run('c', [on('other', { Aliases: ['shared'] })]);
  });

  it('are seen by neighbours only, by name, alias, short id, host name and link', () => {
    const b = { ipv4: ['172.18.0.3'], ipv6: [] };
    for (const name of ['name-b', 'b'.repeat(12), 'host-b', 'db', 'name-b.n', 'Name-B.']) {
      expect(names.addressesOf(id('a'), name), name).toEqual(b);
    }
    expect(names.addressesOf(id('a'), 'shared')?.ipv4).toEqual(['172.18.0.2', '172.18.0.3']);
    for (const name of ['name-c', 'name-b.other', 'constructor', '__proto__', '']) {
      expect(names.addressesOf(id('a'), name), name).toBeUndefined();
    }
    expect(names.addressesOf(id('b'), 'db')).toBeUndefined();
    expect(names.addressesOf(id('z'), 'name-b')).toBeUndefined();
  });

  it('and addresses have names, but not those of other networks or of the default bridge', () => {
    expect(names.nameOf(id('a'), '172.18.0.3')).toBe('name-b.n');
    expect(names.nameOf(id('c'), '172.18.0.3')).toBeUndefined();
    expect(names.nameOf(id('a'), '172.17.0.2')).toBeUndefined();
    expect(names.isOwnSubnet(id('a'), '172.18.9.9')).toBe(true);
    expect(names.isOwnSubnet(id('a'), '172.17.0.2')).toBe(false);
  });

  it('follow a rename and an end at once', async () => {
    networks.sandboxes.rename(id('b'), 'renamed');
    expect(names.addressesOf(id('a'), 'name-b')).toBeUndefined();
    expect(names.addressesOf(id('a'), 'renamed')?.ipv4).toEqual(['172.18.0.3']);
    await networks.sandboxes.end(id('b'), false);
    expect(names.addressesOf(id('a'), 'renamed')).toBeUndefined();
  });
});

describe('networks', () => {
  beforeEach(() => networks.heal(new Map()));

  it('a name twice, a subnet twice, a bridge twice', async () => {
    const ask = (Name: string, subnet?: string, bridge?: string) =>
      networks.service.create({
        Name,
        ...(subnet === undefined ? {} : { IPAM: { Config: [{ Subnet: subnet }] } }),
        ...(bridge === undefined ? {} : { Options: { 'com.docker.network.bridge.name': bridge } }),
      });
    await ask('n', '10.7.0.0/24', 'br7');
    await expect(ask('n')).rejects.toThrow('network with name n already exists');
    await expect(ask('m', '10.7.0.128/25')).rejects.toThrow('Pool overlaps');
    await expect(ask('m', undefined, 'br7')).rejects.toThrow('networks have same bridge name');
    await expect(ask('m', undefined, 'tsdocker0')).rejects.toThrow('networks have same bridge name');
    const both = await Promise.allSettled([ask('p'), ask('p')]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const subnets = (await Promise.all(['q', 'r', 's'].map((name) => ask(name)))).map(
      ({ Id }) => networkView(networks.service.inspect(Id)).IPAM.Config?.[0]?.Subnet,
    );
    expect(new Set(subnets).size).toBe(3);
  });

  it('one whose bridge cannot be made is not there', async () => {
    kernel.failNext('ensureBridge', new Error('no'));
    await expect(networks.service.create({ Name: 'n' })).rejects.toThrow('no');
    expect(() => networks.service.inspect('n')).toThrow('network n not found');
    await networks.service.create({ Name: 'n' });
    expect(events).toEqual(['create n']);
  });

  it('rm: not while used, not a predefined one', async () => {
    const { Id } = await networks.service.create({ Name: 'n' });
    await run('a', [on('n')]);
    await expect(networks.service.remove('n')).rejects.toThrow(`network n has active endpoints`);
    await expect(networks.service.remove('bridge')).rejects.toThrow('bridge is a pre-defined network');
    await expect(networks.service.remove('zz')).rejects.toThrow('network zz not found');
    await networks.sandboxes.end(id('a'), false);
    await networks.service.remove(Id.slice(0, 10));
    expect(kernel.calls.at(-1)).toBe(`removeBridge br-${Id.slice(0, 12)}`);
    expect(events).toEqual(['create n', 'destroy n']);
  });

  it('prune takes what nobody is on', async () => {
    for (const Name of ['a', 'b']) await networks.service.create({ Name, Labels: { l: Name } });
    await run('a', [on('a')]);
    expect(await networks.service.prune(new Map([['label', ['l=x']]]))).toEqual({ NetworksDeleted: null });
    expect(await networks.service.prune(noFilters)).toEqual({ NetworksDeleted: ['b'] });
    await expect(networks.service.prune(new Map([['bogus', ['1']]]))).rejects.toThrow("invalid filter 'bogus'");
  });

  it('ls filters', async () => {
    await networks.service.create({ Name: 'mine', Labels: { k: 'v' } });
    const list = (...filters: [string, string[]][]) =>
      networks.service
        .list(new Map(filters))
        .map(({ record }) => record.name)
        .sort();
    expect(list()).toEqual(['bridge', 'host', 'mine', 'none']);
    expect(list(['type', ['custom']])).toEqual(['mine']);
    expect(list(['type', ['builtin']], ['driver', ['null', 'host']])).toEqual(['host', 'none']);
    expect(list(['name', ['in']])).toEqual(['mine']);
    expect(list(['label', ['k=v']])).toEqual(['mine']);
    expect(list(['dangling', ['true']])).toEqual(['mine']);
    expect(() => list(['type', ['frob']])).toThrow("invalid filter: 'type'='frob'");
    expect(() => list(['frob', ['1']])).toThrow("invalid filter 'frob'");
  });
});

describe('another daemon on the same data', () => {
  it('finds networks, addresses and ports as they were', async () => {
    await networks.heal(new Map());
    await networks.service.create({ Name: 'n' });
    const before = await run(
      'a',
      [on('n', { Aliases: ['web'] })],
      [{ protocol: 'tcp', containerPort: 80, hostIp: '' }],
    );
    const ids = before.record();
    await open();
    networks.sandboxes.adopt(owner('a'), [on('n', { Aliases: ['web'] })]);
    expect(networks.sandboxes.of(id('a'))?.record()).toEqual(ids);
    await networks.heal(new Map([[id('a'), 1]]));
    expect(kernel.healed).toMatchObject([
      { bridges: [{ ipv4: { address: '172.18.0.1' } }], endpoints: [{ pid: 1 }], ports: [{ hostPort: 32768 }] },
    ]);
    expect(names.addressesOf(id('a'), 'web')?.ipv4).toEqual(['172.18.0.2']);
    expect(resolverCalls).toEqual(['start a true']);
    await run('b', [on('n')]);
    expect(addresses('b')).toEqual(['172.18.0.3']);
  });

  it('chooses another subnet for an unused default bridge when the host has come to reach that', async () => {
    const subnet = () => networkView(networks.service.inspect('bridge')).IPAM.Config?.[0]?.Subnet;
    expect(subnet()).toBe('172.17.0.0/16');
    // Its own bridge is there: containers may be on it.
    await open([
      { destination: '172.17.0.0/16', interfaceName: 'tsdocker0' },
      { destination: '172.17.5.0/24', interfaceName: 'eth0' },
    ]);
    expect(subnet()).toBe('172.17.0.0/16');
    await open([{ destination: '172.17.5.0/24', interfaceName: 'eth0' }]);
    expect(subnet()).toBe('172.18.0.0/16');
    await open();
    expect(subnet()).toBe('172.18.0.0/16');
  });
});
