// Names on user networks, as c-ares and busybox inside containers see them. The host's resolver is a script of the test that listens on
// an address of the host's loopback, which the daemon's resolv.conf names.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exec, inspect } from '../harness/containers.ts';
import { type LookupAnswer, lookup, UpstreamDns, withResolvConf } from '../harness/dns-servers.ts';
import {
  addressOf,
  createNetwork,
  importNetworkTools,
  type PeerOptions,
  serveOn,
  startPeer,
} from '../harness/hosts.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

let directory: string;
let daemon: TestDaemon;
let upstream: UpstreamDns;

beforeAll(async () => {
  directory = mkdtempSync(`${tmpdir()}/tsdt-dns-`);
  writeFileSync(`${directory}/resolv.conf`, 'nameserver 127.0.0.53\nsearch corp.example\n');
  daemon = await TestDaemon.start({ wrapper: withResolvConf(`${directory}/resolv.conf`) });
  await importNetworkTools(daemon);
  await createNetwork(daemon, 'front', { subnet: '172.28.1.0/24', subnet6: 'fd00:1::/64' });
  await createNetwork(daemon, 'back', { subnet: '172.28.2.0/24' });
  await createNetwork(daemon, 'closed', { subnet: '172.28.3.0/24', isInternal: true });
});

beforeEach(async () => {
  upstream = await UpstreamDns.start(daemon.network, '127.0.0.53');
});

afterEach(async () => {
  await upstream.stop();
  await daemon.removeAllContainers();
});

afterAll(async () => {
  await daemon?.dispose();
  rmSync(directory, { recursive: true, force: true });
});

async function ask(container: string, ...questions: string[]): Promise<LookupAnswer[]> {
  const { Pid } = (await inspect(daemon, container)).State;
  return lookup(`/proc/${Pid}/ns/net`, questions);
}

const idle = (options: PeerOptions = {}): PeerOptions => ({ cmd: ['sleep', '1000'], ...options });
const connect = (network: string, Container: string, Aliases: string[] = []) =>
  daemon.api.post(`/networks/${network}/connect`, { Container, EndpointConfig: { Aliases } });
const disconnect = (network: string, Container: string) =>
  daemon.api.post(`/networks/${network}/disconnect`, { Container, Force: false });

describe('names of containers', () => {
  it('resolve by name, alias, short id and name.network, without case; their other types are empty, and nobody else is asked', async () => {
    const id = await startPeer(daemon, 'web', 'front', idle({ aliases: ['shop'] }));
    await startPeer(daemon, 'app', 'front', idle());
    const address = [await addressOf(daemon, 'web', 'front')];
    const names = ['web', 'shop', id.slice(0, 12), 'web.front', 'shop.front', 'WEB'];
    expect(await ask('app', ...names.map((name) => `A:${name}`))).toEqual(names.map(() => address));
    const [v6, mx] = await ask('app', 'AAAA:web', 'MX:web');
    expect(v6).toEqual([expect.stringMatching(/^fd00:1::/)]);
    expect(mx).toBe('ENODATA');
    expect(await ask('app', `PTR:${address[0]}`, 'PTR:172.28.1.250', `PTR:${v6?.[0]}`)).toEqual([
      ...[['web.front'], 'ENOTFOUND', ['web.front']],
    ]);
    expect(upstream.questions).toEqual([]);
  });

  it('are found by the programs inside, through the resolv.conf that they have', async () => {
    await startPeer(daemon, 'web', 'front', idle());
    await startPeer(daemon, 'app', 'front', idle());
    const file = (await exec(daemon, 'app', ['cat', '/etc/resolv.conf'])).stdout;
    expect(file).toMatch(/^nameserver 127\.0\.0\.11\n/m);
    expect(file).toMatch(/^search corp\.example$/m);
    expect(file).toMatch(/^options .*ndots:0/m);
    const ping = await exec(daemon, 'app', ['ping', '-4', '-c', '1', '-W', '5', 'web']);
    expect(ping).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`(${await addressOf(daemon, 'web', 'front')})`),
    });
  });

  it('change while the asker runs: connect, disconnect, rename, stop', async () => {
    await startPeer(daemon, 'app', 'front', idle());
    await startPeer(daemon, 'db', 'back', idle());
    expect(await ask('app', 'A:nxdomain.db')).toEqual(['ENOTFOUND']);
    await connect('front', 'db', ['store']);
    const inFront = [await addressOf(daemon, 'db', 'front')];
    expect(await ask('app', 'A:db', 'A:store')).toEqual([inFront, inFront]);
    await daemon.api.post('/containers/db/rename?name=nxdomain');
    expect(await ask('app', 'A:nxdomain', 'A:store')).toEqual([inFront, inFront]);
    await disconnect('front', 'nxdomain');
    expect(await ask('app', 'A:nxdomain')).toEqual(['ENOTFOUND']);
    await connect('back', 'app');
    expect(await ask('app', 'A:nxdomain.back')).toEqual([[await addressOf(daemon, 'nxdomain', 'back')]]);
    await daemon.api.delete('/containers/nxdomain?force=1');
    expect(await ask('app', 'A:nxdomain')).toEqual(['ENOTFOUND']);
  });

  it('that several share have all their addresses, each of them first at times', async () => {
    for (const name of ['one', 'two', 'three']) await startPeer(daemon, name, 'front', idle({ aliases: ['pool'] }));
    await startPeer(daemon, 'app', 'front', idle());
    const all = await Promise.all(['one', 'two', 'three'].map((name) => addressOf(daemon, name, 'front')));
    const answers = await ask('app', ...Array.from({ length: 60 }, () => 'A:pool'));
    for (const answer of answers) expect([...answer].sort()).toEqual(all.sort());
    expect(new Set(answers.map((answer) => answer[0])).size).toBe(3);
  });

  it('are not known on the default bridge, nor across networks', async () => {
    await startPeer(daemon, 'web', 'front', idle());
    await startPeer(daemon, 'db', 'back', idle());
    await startPeer(daemon, 'plain', 'bridge', idle({ hostConfig: { Dns: ['192.0.2.53'] } }));
    expect((await exec(daemon, 'plain', ['cat', '/etc/resolv.conf'])).stdout).not.toContain('127.0.0.11');
    await ask('db', 'A:web');
    expect(upstream.questions).toEqual(['up udp web 1']);
  });
});

describe('other names', () => {
  it("are asked of the host's resolver, which listens on the host's loopback only", async () => {
    await startPeer(daemon, 'app', 'front', idle());
    const answers = await ask('app', 'A:x.1.2.3.4', 'A:big', 'A:nxdomain.example', 'A:refused.example');
    expect(answers).toEqual([['1.2.3.4'], expect.any(Array), 'ENOTFOUND', 'EREFUSED']);
    expect(answers[1]).toHaveLength(200);
    expect(upstream.questions).toContain('up tcp big 1');
  });

  it('are not asked from internal networks, unless there is a way out through another', async () => {
    await startPeer(daemon, 'inner', 'closed', idle());
    await startPeer(daemon, 'web', 'closed', idle());
    expect(await ask('inner', 'A:web')).toEqual([[await addressOf(daemon, 'web', 'closed')]]);
    expect(await ask('inner', 'A:secret.example', 'TXT:secret.example')).toEqual(['ESERVFAIL', 'ESERVFAIL']);
    expect(upstream.questions).toEqual([]);
    await connect('front', 'inner');
    expect(await ask('inner', 'A:x.1.2.3.4')).toEqual([['1.2.3.4']]);
    await disconnect('front', 'inner');
    expect(await ask('inner', 'A:x.1.2.3.5')).toEqual(['ESERVFAIL']);
    expect(upstream.questions).toEqual(['up udp x.1.2.3.4 1']);
  });

  it('are asked of the servers that --dns names, from where the container is', async () => {
    await startPeer(daemon, 'server', 'closed', idle());
    const server = await addressOf(daemon, 'server', 'closed');
    const { Pid } = (await inspect(daemon, 'server')).State;
    const inside = await UpstreamDns.start(
      { wrapper: ['nsenter', `--net=/proc/${Pid}/ns/net`, '--'] },
      '0.0.0.0',
      'own',
    );
    try {
      await startPeer(
        daemon,
        'app',
        'closed',
        idle({ hostConfig: { Dns: [server], DnsSearch: ['x.y'], DnsOptions: ['ndots:1'] } }),
      );
      expect(await ask('app', 'A:x.1.2.3.4', 'A:big.x', 'A:server')).toEqual([
        ['1.2.3.4'],
        expect.any(Array),
        [server],
      ]);
      // ndots was asked for: a single label that nobody has is not asked outside.
      expect(await ask('app', 'A:nobody')).toEqual(['ENODATA']);
      expect(inside.questions).toEqual(['own udp x.1.2.3.4 1', 'own udp big.x 1', 'own tcp big.x 1']);
      expect(upstream.questions).toEqual([]);
    } finally {
      await inside.stop();
    }
  });
});

describe('port 53', () => {
  it("is the container's own on every address, over UDP and TCP", async () => {
    await startPeer(daemon, 'server', 'front', { cmd: ['peer', 'name', '53'] });
    await startPeer(daemon, 'app', 'front', idle());
    const server = await addressOf(daemon, 'server', 'front');
    for (const protocol of ['udp', 'tcp']) {
      const heard = await exec(daemon, 'app', ['peer', 'ask', protocol, server, '53']);
      expect(heard.stdout.trim()).toBe(await addressOf(daemon, 'app', 'front'));
    }
    expect(await ask('server', 'A:app')).toEqual([[await addressOf(daemon, 'app', 'front')]]);
  });

  it('of the host may be taken, on every address', async () => {
    await upstream.stop();
    const taken = await serveOn(daemon.network, 53);
    try {
      await createNetwork(daemon, 'late', { subnet: '172.28.9.0/24' });
      await startPeer(daemon, 'app', 'late', idle());
      expect(await ask('app', 'A:app')).toEqual([[await addressOf(daemon, 'app', 'late')]]);
    } finally {
      taken.stop();
    }
  });
});
