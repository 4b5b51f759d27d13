// The network drivers, and one of the test's own beside them, against the kernel.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { networkView } from '../../../../daemon/docker-api/views/network-view.ts';
import { BridgeDriver } from '../../../../daemon/networks/drivers/bridge-driver.ts';
import { hostDriver, nullDriver } from '../../../../daemon/networks/drivers/fixed-drivers.ts';
import { NetworkDrivers } from '../../../../daemon/networks/drivers/network-drivers.ts';
import { parseEndpoint } from '../../../../daemon/networks/endpoint-config.ts';
import { LinuxNetworkKernel } from '../../../../daemon/networks/kernel/linux-network-kernel.ts';
import { noResolvers } from '../../../../daemon/networks/name-directory.ts';
import { openNetworks } from '../../../../daemon/networks/open-networks.ts';
import { Launcher } from '../../../../daemon/runtime/launcher.ts';
import { Database } from '../../../../daemon/state/database.ts';
import { enterOwnNetwork, ipInside } from '../../../harness/own-network.ts';
import { networkDriverSuite } from './network-driver-suite.ts';
import { nullTestDriver } from './null-test-driver.ts';

const isRoot = process.getuid?.() === 0;
const launcherPath = new URL('../../../../native-bindings/launcher/tsdocker-launcher', import.meta.url).pathname;
const engineId = 'c2946ac9-2f4d-4d3c-9d0f-4a5b6c7d8e9f';

describe('the drivers that there are', () => {
  const drivers = new NetworkDrivers([hostDriver, nullDriver]);
  it('are named in the order of their registration', () => {
    expect(drivers.names).toEqual(['host', 'null']);
    expect(() => new NetworkDrivers([hostDriver, hostDriver])).toThrow('two network drivers have one name');
  });
  it.each([
    ['nope', 'not-found', 'plugin "nope" not found'],
    ['constructor', 'not-found', 'plugin "constructor" not found'],
    ['overlay', 'not-implemented', 'network driver overlay: it joins several hosts'],
    ['macvlan', 'not-implemented', 'network driver macvlan: this engine does not have it: use bridge'],
  ])('%s is none of them', (name, code, message) => {
    expect(() => drivers.get(name)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});

describe.skipIf(!isRoot)('with the kernel', () => {
  let directory: string;
  let launcher: Launcher;
  let kernel: LinuxNetworkKernel;
  const namespace = () => kernel.takeNamespace();
  const nullTest = () => nullTestDriver((pid) => kernel.openNamespaceOf(pid));

  beforeAll(() => {
    enterOwnNetwork();
    directory = mkdtempSync(join(tmpdir(), 'tsdocker-drivers-'));
    launcher = Launcher.open(launcherPath);
    kernel = new LinuxNetworkKernel({
      ...{ engineId, runDirectory: directory, poolSize: 1, isForwardingSet: true },
      startMode: (name, fds, end) => launcher.startMode(name, fds, end),
      onNotice: () => undefined,
    });
  });

  afterAll(async () => {
    await kernel.dispose();
    launcher[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  networkDriverSuite('bridge', () => ({
    make: () => new BridgeDriver(kernel),
    namespace,
    options: { 'com.docker.network.bridge.name': 'br-suite', 'com.docker.network.driver.mtu': '1400' },
    refused: [{ 'com.docker.network.nosuch': '1' }, 'network option com.docker.network.nosuch'],
    publishes: true,
  }));
  networkDriverSuite('host', () => ({ make: () => hostDriver, namespace, options: {}, publishes: false }));
  networkDriverSuite('null', () => ({ make: () => nullDriver, namespace, options: {}, publishes: false }));
  networkDriverSuite('null-test', () => ({
    ...{ make: nullTest, namespace, options: { colour: 'red' }, publishes: false },
    refused: [{ size: '1' }, 'null-test: no option size'],
  }));

  it('a driver that is registered makes networks, joins containers and lets them go, beside the others', async () => {
    using database = Database.open(':memory:');
    const networks = await openNetworks({
      database,
      engineId,
      created: '2026-01-01T00:00:00.000Z',
      options: {
        addressPools: [],
        defaultBridge: {
          ...{ bridge: 'none', bip: '', fixedCidr: '', fixedCidr6: '', isIpv6Enabled: false, mtu: 0 },
          ...{ isIccEnabled: true, isMasqueraded: true, hostIp: '' },
        },
      },
      kernel,
      drivers: new NetworkDrivers([new BridgeDriver(kernel), hostDriver, nullDriver, nullTest()]),
      openResolvers: () => noResolvers,
      onEvent: () => undefined,
      isWanted: () => false,
      log: { info() {}, warn() {}, error() {} },
    });
    await networks.heal(new Map());
    expect(networks.drivers.names).toEqual(['bridge', 'host', 'null', 'null-test']);
    const IPAM = { Config: [{ Subnet: '10.99.8.0/24' }] };
    await networks.service.create({ Name: 'nowhere', Driver: 'null-test', IPAM });
    await expect(networks.service.create({ Name: 'x', Driver: 'null-test', Options: { size: '1' } })).rejects.toThrow(
      'null-test: no option size',
    );
    const runDir = join(directory, 'run');
    mkdirSync(runDir);
    const containerId = 'd'.repeat(64);
    const resolver = { servers: [], isFromHost: true };
    const sandbox = networks.sandboxes.reserve(
      {
        ...{ containerId, containerName: 'web', hostname: '', runDir, resolver },
        wantedPorts: [{ protocol: 'tcp', containerPort: 80, hostIp: '' }],
      },
      [{ entry: networks.registry.get('nowhere'), config: parseEndpoint('nowhere', {}) }],
    );
    using inside = await networks.sandboxes.build(sandbox);
    expect(ipInside(inside.fd, 'addr show nil0')).toContain('inet 10.99.8.2/24');
    expect(sandbox.ports).toEqual([]);
    expect(networkView(networks.service.inspect('nowhere'))).toMatchObject({
      Driver: 'null-test',
      Containers: { [containerId]: { IPv4Address: '10.99.8.2/24', MacAddress: '02:42:0a:63:08:02' } },
    });
    await networks.sandboxes.end(containerId, false);
    await networks.service.remove('nowhere');
    expect(() => networks.service.inspect('nowhere')).toThrow('network nowhere not found');
  });
});
