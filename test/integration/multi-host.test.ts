// Who reaches what, between real hosts: each is a network namespace made here, one of them with the engine in it. What is judged is
// whether a connection comes about, and with which address of its client.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exec } from '../harness/containers.ts';
import {
  addressOf,
  askFrom,
  askInside,
  cable,
  createNetwork,
  importNetworkTools,
  LAN,
  serveOn,
  startPeer,
} from '../harness/hosts.ts';
import { NetNamespace } from '../harness/net-namespace.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

/** What a client hears that may not come through, whatever way it is told. */
const shut = /^(refused|unreachable|timeout)$/;
const front = { v4: '172.28.1', v6: 'fd00:1' };

const both = ['tcp', 'udp'] as const;

async function expectShut(answers: Promise<string>[]): Promise<void> {
  for (const answer of await Promise.all(answers)) expect(answer).toMatch(shut);
}

let daemon: TestDaemon;
let host: NetNamespace;
let other: NetNamespace;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  host = daemon.network;
  other = NetNamespace.make();
  await cable(host, other);
  await importNetworkTools(daemon);
  await createNetwork(daemon, 'front', { subnet: `${front.v4}.0/24`, subnet6: `${front.v6}::/64` });
  await createNetwork(daemon, 'back', { subnet: '172.28.2.0/24' });
  await createNetwork(daemon, 'closed', { subnet: '172.28.3.0/24', isInternal: true });
  await createNetwork(daemon, 'apart', {
    subnet: '172.28.4.0/24',
    options: { 'com.docker.network.bridge.enable_icc': 'false' },
  });
  await startPeer(daemon, 'web', 'front', { publish: ['8080:80', '8080:80/udp', '127.0.0.1:8081:80'] });
  await startPeer(daemon, 'app', 'front');
  await startPeer(daemon, 'db', 'back');
});

afterAll(async () => {
  await daemon?.dispose();
  other?.close();
});

describe('a published port', () => {
  it('is reached from another host, which the container sees with its own address', async () => {
    expect(await askFrom(other, LAN.engine, 8080)).toBe(LAN.other);
    expect(await askFrom(other, LAN.engine, 8080, 'udp')).toBe(LAN.other);
    expect(await askFrom(other, LAN.engine6, 8080)).toBe(LAN.other6);
    expect(await askFrom(other, LAN.engine6, 8080, 'udp')).toBe(LAN.other6);
  });

  it('is reached from its own host by every address of it', async () => {
    const addresses = ['127.0.0.1', '127.0.0.2', '::1', LAN.engine, LAN.engine6, `${front.v4}.1`, `${front.v6}::1`];
    for (const address of addresses) {
      expect([address, await askFrom(host, address, 8080)]).toEqual([address, expect.not.stringMatching(shut)]);
    }
    expect(await askFrom(host, '127.0.0.1', 8080, 'udp')).not.toMatch(shut);
  });

  it('is reached from containers through the address of the host: neighbours, others, and itself', async () => {
    for (const container of ['app', 'db', 'web']) {
      const answer = await askInside(daemon, container, LAN.engine, 8080);
      expect([container, answer]).toEqual([container, expect.not.stringMatching(shut)]);
      expect(answer).toMatch(/^\d+\./);
    }
    expect(await askInside(daemon, 'app', LAN.engine, 8080, 'udp')).not.toMatch(shut);
  });

  it("on the loopback address is the own host's alone, also against a neighbour that sends such packets", async () => {
    expect(await askFrom(host, '127.0.0.1', 8081)).not.toMatch(shut);
    await expectShut([host, other].map((from) => askFrom(from, LAN.engine, 8081)));
    const evil = NetNamespace.make();
    try {
      // On a second cable, so that what this host forgets of loopback harms no other test.
      await host.must('ip', ['link', 'add', 'lan1', 'type', 'veth', 'peer', 'name', 'lan1', 'netns', evil.path]);
      await host.must('ip', ['addr', 'add', '198.51.100.1/24', 'dev', 'lan1']);
      await host.must('ip', ['link', 'set', 'lan1', 'up']);
      const script = [
        'ip addr add 198.51.100.2/24 dev lan1; ip link set lan1 up; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet',
        'ip addr del 127.0.0.1/8 dev lo',
        'ip route add 127.0.0.0/8 via 198.51.100.1 dev lan1 src 198.51.100.2',
        `ip route add ${front.v4}.0/24 via 198.51.100.1`,
      ];
      await evil.must('sh', ['-c', script.join('\n')]);
      expect(await askFrom(evil, '198.51.100.1', 8080)).toBe('198.51.100.2');
      await expectShut([8080, 8081].map((port) => askFrom(evil, '127.0.0.1', port)));
    } finally {
      evil.close();
    }
  });
});

describe('a container', () => {
  it("reaches another host, which sees the address of the engine's; not from an internal network", async () => {
    const server = await serveOn(other, 90);
    try {
      expect(await askInside(daemon, 'app', LAN.other, 90)).toBe(LAN.engine);
      expect(await askInside(daemon, 'db', LAN.other, 90, 'udp')).toBe(LAN.engine);
      await startPeer(daemon, 'inner', 'closed', { hostConfig: { CapAdd: ['NET_ADMIN'] } });
      await startPeer(daemon, 'inner2', 'closed');
      // Not from an internal network: not even with a route of its own making, to a host that would know the way back.
      await other.must('ip', ['route', 'add', '172.28.3.0/24', 'via', LAN.engine]);
      await expectShut([askInside(daemon, 'inner', LAN.other, 90)]);
      await exec(daemon, 'inner', ['ip', 'route', 'add', 'default', 'via', '172.28.3.1']);
      await expectShut(both.map((protocol) => askInside(daemon, 'inner', LAN.other, 90, protocol)));
      expect(await askInside(daemon, 'inner', await addressOf(daemon, 'inner2', 'closed'), 80)).toMatch(
        /^172\.28\.3\./,
      );
    } finally {
      server.stop();
    }
  });

  it('reaches neighbours on its bridge, over IPv6 too, and nobody on another', async () => {
    const web = await addressOf(daemon, 'web', 'front');
    const db = await addressOf(daemon, 'db', 'back');
    expect(await askInside(daemon, 'app', web, 80)).toBe(await addressOf(daemon, 'app', 'front'));
    await expectShut([
      ...both.map((protocol) => askInside(daemon, 'app', db, 80, protocol)),
      ...both.map((protocol) => askInside(daemon, 'db', web, 80, protocol)),
    ]);
  });

  it('is not reached from another host past what it publishes', async () => {
    await other.must('ip', ['route', 'add', `${front.v4}.0/24`, 'via', LAN.engine]);
    await other.must('ip', ['route', 'add', `${front.v6}::/64`, 'via', LAN.engine6]);
    const app = await addressOf(daemon, 'app', 'front');
    const app6 = /fd00:1::\S+(?=\/64)/.exec((await exec(daemon, 'app', ['ip', '-6', 'addr'])).stdout)?.[0] ?? '';
    expect(await askFrom(host, app6, 80)).toBe(`${front.v6}::1`);
    await expectShut([app, app6].flatMap((address) => both.map((protocol) => askFrom(other, address, 80, protocol))));
  });

  it('on a network without icc is reached by its neighbours only through what it publishes', async () => {
    await startPeer(daemon, 'alone', 'apart', { publish: ['8085:80'] });
    await startPeer(daemon, 'alone2', 'apart');
    const alone = await addressOf(daemon, 'alone', 'apart');
    await expectShut(both.map((protocol) => askInside(daemon, 'alone2', alone, 80, protocol)));
    expect(await askInside(daemon, 'alone2', LAN.engine, 8085)).not.toMatch(shut);
    expect(await askFrom(host, alone, 80)).not.toMatch(shut);
  });
});
