// What every network driver does: each is held against these, with the kernel. The "host" is a namespace of the test.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NetworkDriver } from '../../../../daemon/networks/drivers/network-driver.ts';
import { NetworkDrivers } from '../../../../daemon/networks/drivers/network-drivers.ts';
import type { Endpoint } from '../../../../daemon/networks/endpoint.ts';
import { plainEndpoint } from '../../../../daemon/networks/endpoint-config.ts';
import { fixedRecord } from '../../../../daemon/networks/fixed-networks.ts';
import type { NetworkNamespace } from '../../../../daemon/networks/kernel/network-kernel.ts';
import { gatewayOf, NetworkEntry } from '../../../../daemon/networks/network-entry.ts';
import type { NetworkRecord } from '../../../../daemon/networks/network-record.ts';
import { planNetwork } from '../../../../daemon/networks/plan-network.ts';
import { eventually } from '../../../harness/eventually.ts';
import { fetchFrom, ip, ipInside, serve } from '../../../harness/own-network.ts';

export interface NetworkDriverFacts {
  /** As each daemon makes it: what is there is in the kernel and in the records. */
  make(): NetworkDriver;
  namespace(): Promise<NetworkNamespace>;
  /** Of its own, with values that it takes. */
  options: Readonly<Record<string, string>>;
  /** What it refuses, and in which words. */
  refused?: readonly [options: Readonly<Record<string, string>>, words: string];
  publishes: boolean;
}

const around = { pools: [], ofNetworks: [], ofHost: [] };
const owner = { containerId: 'c'.repeat(64), containerName: 'web', hostname: '' };
const links = (words = 'link show') => [...ip(words).matchAll(/^\d+: ([^:@]+)/gm)].map(([, name]) => name).sort();
const inside = (namespace: NetworkNamespace) => ipInside(namespace.fd, 'addr show up');
const routes = (namespace: NetworkNamespace) => ipInside(namespace.fd, 'route show');

export function networkDriverSuite(name: string, facts: () => NetworkDriverFacts): void {
  describe(`network driver ${name}`, () => {
    let driver: NetworkDriver;
    let record: NetworkRecord;
    let entry: NetworkEntry;
    let endpoint: Endpoint;
    let namespace: NetworkNamespace;
    let child: ChildProcess | undefined;
    let before: (string | undefined)[];

    const plan = (options: Readonly<Record<string, string>>) =>
      planNetwork(
        {
          ...{ Name: 'n', Driver: name, Options: { ...options } },
          ...(driver.plan({ id: 'a'.repeat(64), options, isIpv6Enabled: false }).hasAddresses
            ? { IPAM: { Config: [{ Subnet: '10.99.7.0/24' }] } }
            : {}),
        },
        new NetworkDrivers([driver]),
        around,
        '2026-01-01T00:00:00.000Z',
      );
    const joinRequest = () => {
      const gateway4 = gatewayOf(record, 4);
      return { record, endpoint, gateways: gateway4 === undefined ? {} : { gateway4 } };
    };
    /** A process in the container's namespace, as a daemon finds it at its start. */
    const pidInside = async (): Promise<number> => {
      child ??= spawn('nsenter', [`--net=/proc/${process.pid}/fd/${namespace.fd}`, 'sleep', '60']);
      const { pid } = child;
      if (pid === undefined) throw new Error('no process');
      await eventually('it sleeps', () => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n');
      return pid;
    };

    beforeAll(async () => {
      driver = facts().make();
      before = links();
      record =
        driver.only === undefined
          ? plan(facts().options)
          : fixedRecord(driver.only, name, { id: 'a'.repeat(64), created: '2026-01-01T00:00:00.000Z' });
      entry = new NetworkEntry(record, driver);
      const prefix = entry.interfaces?.prefix ?? 'eth';
      endpoint = entry.reserve(plainEndpoint(record.name), owner, `${prefix}0`);
      namespace = await facts().namespace();
      await driver.heal({ networks: [], endpoints: [], ports: [] });
    });

    afterAll(() => {
      child?.kill('SIGKILL');
      namespace[Symbol.dispose]();
    });

    it('has its name, and makes a record of what is asked, or is the only one of its kind', () => {
      expect(driver.name).toBe(name);
      expect(record.driver).toBe(name);
      if (driver.only !== undefined) {
        expect(() => plan({})).toThrow(`only one instance of "${name}" network is allowed`);
        return;
      }
      const hasAddresses = record.pools.length > 0;
      expect(endpoint.ipv4).toBe(hasAddresses ? '10.99.7.2' : undefined);
    });

    it('refuses options in its own words', () => {
      const [options, words] = facts().refused ?? [];
      if (options !== undefined) expect(() => plan(options)).toThrow(words);
    });

    it('makes what its endpoints share, once', async () => {
      await Promise.all([driver.ensure(record), driver.ensure(record)]);
      await driver.ensure(record);
      const { hostInterface } = entry.interfaces ?? {};
      if (hostInterface !== undefined) expect(links('link show up')).toContain(hostInterface);
      else expect(links()).toEqual(before);
      if (entry.interfaces !== undefined) expect(driver.isMade(record)).toBe(true);
    });

    it('gives a container an interface with its address and the default route, or nothing at all', async () => {
      await driver.join(namespace, joinRequest());
      if (entry.interfaces === undefined) {
        expect(endpoint.mac).toBe('');
        expect(inside(namespace)).not.toMatch(/^2: /m);
        expect(routes(namespace)).toBe('');
        return;
      }
      const shown = inside(namespace);
      expect(shown).toContain(`${endpoint.interfaceName}`);
      expect(shown).toContain(`mtu ${entry.interfaces.mtu}`);
      expect(shown).toContain(`ether ${endpoint.mac}`);
      expect(shown).toContain(`inet ${endpoint.ipv4}/24`);
      expect(routes(namespace)).toContain(`default via ${record.pools[0]?.gateway} dev ${endpoint.interfaceName}`);
    });

    it('publishes ports and takes them away, or does not have them', async () => {
      expect(driver.ports !== undefined).toBe(facts().publishes);
      if (driver.ports === undefined) return;
      const server = await serve(namespace.fd, 'web', '0.0.0.0', 80);
      const asked = { protocol: 'tcp', containerPort: 80, hostIp: '' } as const;
      const ports = await driver.ports.publish(record, endpoint, [asked]);
      const [port] = ports;
      if (port === undefined) throw new Error('no port');
      expect(port).toMatchObject({ containerId: owner.containerId, containerIp: endpoint.ipv4, containerPort: 80 });
      expect(await fetchFrom(undefined, '127.0.0.1', port.hostPort)).toMatch(/^web /);
      await driver.ports.unpublish(ports);
      await driver.ports.unpublish(ports);
      expect(await fetchFrom(undefined, '127.0.0.1', port.hostPort)).toBe('ECONNREFUSED');
      await server.close();
    });

    it('of another daemon makes again what a running container has lost', async () => {
      driver = facts().make();
      entry = new NetworkEntry(record, driver);
      endpoint = entry.adopt(plainEndpoint(record.name), owner, endpoint);
      const pid = await pidInside();
      if (entry.interfaces !== undefined) ipInside(namespace.fd, `link del ${endpoint.interfaceName}`);
      const { failed } = await driver.heal({ networks: [record], endpoints: [{ ...joinRequest(), pid }], ports: [] });
      expect(failed).toEqual([]);
      if (entry.interfaces === undefined) expect(inside(namespace)).not.toMatch(/^2: /m);
      else expect(inside(namespace)).toContain(`inet ${endpoint.ipv4}/24`);
    });

    it('takes the interface away from a container that goes on, once and again', async () => {
      const from = { hasEnded: false, open: () => ({ fd: namespace.fd, [Symbol.dispose]() {} }) };
      await driver.leave(endpoint, from);
      await driver.leave(endpoint, from);
      expect(ipInside(namespace.fd, 'link show')).not.toContain(` ${endpoint.interfaceName}`);
      await driver.join(namespace, joinRequest());
      await driver.leave(endpoint, { hasEnded: true });
    });

    it('removes all of a network, once and again, and leaves the host as it was', async () => {
      await driver.remove(record);
      await driver.remove(record);
      expect(driver.isMade(record)).toBe(false);
      child?.kill('SIGKILL');
      namespace[Symbol.dispose]();
      namespace = await facts().namespace();
      await driver.heal({ networks: [], endpoints: [], ports: [] });
      await eventually('nothing is left', () => JSON.stringify(links()) === JSON.stringify(before));
    });
  });
}
