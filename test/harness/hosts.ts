// Hosts of a small network, each a namespace, and who reaches whom: see test/fixtures/peer.c. The first is the engine's.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { create, exec, start } from './containers.ts';
import { eventually } from './eventually.ts';
import { fixtureProgram, networkToolsTar } from './fixtures.ts';
import type { NetNamespace } from './net-namespace.ts';
import type { TestDaemon } from './test-daemon.ts';

export const LAN = {
  engine: '192.0.2.1',
  other: '192.0.2.2',
  engine6: 'fd00:beef::1',
  other6: 'fd00:beef::2',
} as const;

/** A cable between the engine's host and another: the interface is `lan0` on both. */
export async function cable(engine: NetNamespace, other: NetNamespace): Promise<void> {
  await engine.must('ip', ['link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan0', 'netns', other.path]);
  for (const [host, v4, v6] of [
    [engine, LAN.engine, LAN.engine6],
    [other, LAN.other, LAN.other6],
  ] as const) {
    await host.must('ip', ['addr', 'add', `${v4}/24`, 'dev', 'lan0']);
    await host.must('ip', ['addr', 'add', `${v6}/64`, 'dev', 'lan0', 'nodad']);
    await host.must('ip', ['link', 'set', 'lan0', 'up']);
  }
}

export type Protocol = 'tcp' | 'udp';

/** What a `peer name` at that address says, asked from a host: the address that it sees; or refused, unreachable, timeout. */
export async function askFrom(host: NetNamespace, address: string, port: number, protocol: Protocol = 'tcp') {
  return (await host.must(fixtureProgram('peer'), ['ask', protocol, address, String(port)])).trim();
}

/** The same from inside a container of the image `nettools`. */
export async function askInside(
  daemon: TestDaemon,
  container: string,
  address: string,
  port: number,
  protocol: Protocol = 'tcp',
) {
  return (await exec(daemon, container, ['peer', 'ask', protocol, address, String(port)])).stdout.trim();
}

/** A server as in a container, on a host. */
export async function serveOn(host: NetNamespace, port: number): Promise<{ stop(): void }> {
  const [file = '', ...args] = [...host.wrapper, fixtureProgram('peer'), 'name', String(port)];
  const child = spawn(file, args, { stdio: 'ignore', detached: true });
  await eventually(`port ${port} answers`, async () => (await askFrom(host, '127.0.0.1', port)) === '127.0.0.1');
  return { stop: () => process.kill(-(child.pid ?? 0), 'SIGKILL') };
}

export function importNetworkTools(daemon: TestDaemon): Promise<string> {
  return daemon.importTar(readFileSync(networkToolsTar()), 'nettools', 'latest', [
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  ]);
}

export interface PeerOptions {
  /** As `-p` takes them: "8080:80", "127.0.0.1:8081:80/udp", "[::1]:8082:80". */
  publish?: readonly string[];
  hostConfig?: Record<string, unknown>;
  aliases?: readonly string[];
  /** Instead of `peer name 80`. */
  cmd?: readonly string[];
}

/** A container that answers on port 80, TCP and UDP, when this settles. */
export async function startPeer(daemon: TestDaemon, name: string, network: string, options: PeerOptions = {}) {
  const bindings = new Map<string, { HostIp: string; HostPort: string }[]>();
  for (const text of options.publish ?? []) {
    const parts = /^(?:(.+):)?(\d*):(\d+)(?:\/(tcp|udp))?$/.exec(text);
    const key = `${parts?.[3]}/${parts?.[4] ?? 'tcp'}`;
    const binding = { HostIp: (parts?.[1] ?? '').replace(/[[\]]/g, ''), HostPort: parts?.[2] ?? '' };
    bindings.set(key, [...(bindings.get(key) ?? []), binding]);
  }
  const id = await create(
    daemon,
    options.cmd ?? ['peer', 'name', '80'],
    {
      Image: 'nettools',
      ExposedPorts: Object.fromEntries([...bindings.keys()].map((key) => [key, {}])),
      HostConfig: { NetworkMode: network, PortBindings: Object.fromEntries(bindings), ...options.hostConfig },
      NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: options.aliases ?? [] } } },
    },
    name,
  );
  await start(daemon, id);
  if (options.cmd === undefined) {
    await eventually(`${name} answers`, async () => (await askInside(daemon, id, '127.0.0.1', 80)) === '127.0.0.1');
  }
  return id;
}

export interface NetworkOptions {
  subnet?: string;
  subnet6?: string;
  isInternal?: boolean;
  options?: Record<string, string>;
}

export async function createNetwork(daemon: TestDaemon, name: string, options: NetworkOptions = {}): Promise<string> {
  const subnets = [options.subnet, options.subnet6].filter((subnet) => subnet !== undefined);
  const { Id } = await daemon.api.post<{ Id: string }>('/networks/create', {
    Name: name,
    Driver: 'bridge',
    CheckDuplicate: true,
    EnableIPv6: options.subnet6 !== undefined,
    Internal: options.isInternal ?? false,
    IPAM: { Driver: 'default', Config: subnets.map((Subnet) => ({ Subnet })) },
    Options: options.options ?? {},
  });
  return Id;
}

/** Of a container on a network, as the kernel has it inside. */
export async function addressOf(daemon: TestDaemon, container: string, network: string): Promise<string> {
  const seen = await daemon.api.get<{ NetworkSettings: { Networks: Record<string, { IPAddress: string }> } }>(
    `/containers/${container}/json`,
  );
  const address = seen.NetworkSettings.Networks[network]?.IPAddress ?? '';
  const inside = (await exec(daemon, container, ['ip', '-4', 'addr'])).stdout;
  if (address === '' || !inside.includes(`inet ${address}/`))
    throw new Error(`${container} has no ${address}:\n${inside}`);
  return address;
}
