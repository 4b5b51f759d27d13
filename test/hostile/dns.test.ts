// A container that floods its name server with damaged queries, names that nobody answers, and idle connections.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exec, inspect } from '../harness/containers.ts';
import { lookup, UpstreamDns, withResolvConf } from '../harness/dns-servers.ts';
import { addressOf, createNetwork, importNetworkTools, startPeer } from '../harness/hosts.ts';
import { openFileCount } from '../harness/ledger.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

let directory: string;
let daemon: TestDaemon;
let upstream: UpstreamDns;

beforeAll(async () => {
  directory = mkdtempSync(`${tmpdir()}/tsdt-dns-`);
  writeFileSync(`${directory}/resolv.conf`, 'nameserver 127.0.0.53\n');
  daemon = await TestDaemon.start({ wrapper: withResolvConf(`${directory}/resolv.conf`) });
  upstream = await UpstreamDns.start(daemon.network, '127.0.0.53');
  await importNetworkTools(daemon);
  await createNetwork(daemon, 'front', { subnet: '172.28.1.0/24' });
});

afterAll(async () => {
  await daemon?.dispose();
  await upstream?.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('a flood of queries delays no other container, and costs the daemon no more than its share', async () => {
  await startPeer(daemon, 'flooder', 'front', { cmd: ['sleep', '1000'] });
  await startPeer(daemon, 'app', 'front', { cmd: ['sleep', '1000'] });
  const address = [await addressOf(daemon, 'app', 'front')];
  const { Pid } = (await inspect(daemon, 'app')).State;
  const filesBefore = openFileCount(daemon.pid);
  const flood = exec(daemon, 'flooder', ['peer', 'flood', '127.0.0.11', '53', '6']);
  let isOver = false;
  void flood.finally(() => {
    isOver = true;
  });
  let rounds = 0;
  while (!isOver) {
    const answers = await lookup(`/proc/${Pid}/ns/net`, ['A:app', 'A:x.1.2.3.4', 'A:app']);
    expect(answers).toEqual([address, ['1.2.3.4'], address]);
    expect((await daemon.api.send('GET', '/_ping')).status).toBe(200);
    // A hundred questions outside and some connections: not more, however many come.
    expect(openFileCount(daemon.pid)).toBeLessThan(filesBefore + 200);
    rounds++;
  }
  expect(rounds).toBeGreaterThan(3);
  expect(Number((await flood).stdout)).toBeGreaterThan(5000);
  // The flooder itself is served again.
  const after = await lookup(`/proc/${(await inspect(daemon, 'flooder')).State.Pid}/ns/net`, ['A:app']);
  expect(after).toEqual([address]);
});
