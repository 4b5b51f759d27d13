// Networks when the daemon is killed, or somebody changes the host's bridges and rules behind it.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from 'vitest';
import { cli } from '../harness/clis.ts';
import { exec, inspect, run, runDetached } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { testNeeding } from '../harness/needs.ts';
import { connectScript } from '../harness/net-namespace.ts';
import { TestDaemon } from '../harness/test-daemon.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

afterEach(async () => {
  await fixture.daemon.removeAllContainers();
  await fixture.daemon.api.send('POST', '/networks/prune');
});

const web = 'mkdir /w; hostname > /w/index.html; exec httpd -f -p 80 -h /w';
const published = (HostPort: string) => ({ PortBindings: { '80/tcp': [{ HostPort }] } });
const fetch = (url: string) => fixture.daemon.network.fetch(url);
const served = (url: string, text: string) => eventually(`${url} answers`, async () => (await fetch(url)) === text);
const settings = async (name: string) => {
  const { SandboxID, Ports, Networks } = (await inspect(fixture.daemon, name)).NetworkSettings;
  return { SandboxID, Ports, Networks };
};

/** A conversation through a published port that goes on for as long as the test wants. */
class Conversation {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  hasEnded = false;

  constructor(port: number) {
    const [file = '', ...args] = [
      ...fixture.daemon.network.wrapper,
      process.execPath,
      '-e',
      connectScript,
      String(port),
    ];
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#child.stdin?.on('error', () => {});
    if (this.#child.stdout) createInterface(this.#child.stdout).on('line', (line) => this.#lines.push(line));
    this.#child.on('exit', () => {
      this.hasEnded = true;
    });
  }

  async echo(text: string): Promise<void> {
    this.#child.stdin?.write(`${text}\n`);
    await eventually(`${text} comes back`, () => this.#lines.includes(text));
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

test('kill -9: no connection drops, and the next daemon has everything as it was', async () => {
  const { daemon } = fixture;
  await daemon.api.post('/networks/create', { Name: 'n', IPAM: { Config: [{ Subnet: '10.77.0.0/24' }] } });
  await runDetached(daemon, web, { Hostname: 'aa', HostConfig: published('8080') }, 'a');
  await runDetached(
    daemon,
    'exec nc -l -p 80 -e cat',
    {
      HostConfig: { NetworkMode: 'n', ...published('8081') },
      NetworkingConfig: { EndpointsConfig: { n: { Aliases: ['web'] } } },
    },
    'b',
  );
  await daemon.api.post('/networks/bridge/connect', { Container: 'b' });
  await served('http://127.0.0.1:8080/', 'aa');
  const talk = new Conversation(8081);
  try {
    await talk.echo('before');
    const before = { a: await settings('a'), b: await settings('b') };
    const rules = await daemon.network.must('nft', ['list', 'ruleset']);
    const links = await daemon.network.links();
    await daemon.crash();
    await talk.echo('without a daemon');
    expect(await fetch('http://127.0.0.1:8080/')).toBe('aa');
    await daemon.start();
    await talk.echo('after');
    expect(talk.hasEnded).toBe(false);
    expect({ a: await settings('a'), b: await settings('b') }).toEqual(before);
    expect(await daemon.network.links()).toEqual(links);
    expect(await daemon.network.must('nft', ['list', 'ruleset'])).toBe(rules);
    expect(await fetch('http://127.0.0.1:8080/')).toBe('aa');
    // What they have is not given to others.
    await runDetached(daemon, ['sleep', '1000'], { HostConfig: { NetworkMode: 'n' } }, 'c');
    const used = Object.values(
      (await daemon.api.get<{ Containers: Record<string, { IPv4Address: string }> }>('/networks/n')).Containers,
    ).map(({ IPv4Address }) => IPv4Address);
    expect(used.sort()).toEqual(['10.77.0.2/24', '10.77.0.3/24']);
    await expect(runDetached(daemon, web, { HostConfig: published('8080') })).rejects.toThrow(
      'port is already allocated',
    );
  } finally {
    talk.end();
  }
  await daemon.removeAllContainers();
  expect((await daemon.api.send('DELETE', '/networks/n')).status).toBe(204);
}, 60_000);

test('containers that end, and a network that is removed, while no daemon runs', async () => {
  const { daemon } = fixture;
  await daemon.api.post('/networks/create', { Name: 'n' });
  const id = await runDetached(daemon, web, { HostConfig: { NetworkMode: 'n', ...published('8080') } }, 'a');
  const { Pid } = (await inspect(daemon, id)).State;
  const bridge = (await daemon.network.links()).find((name) => name.startsWith('br-')) ?? '';
  await daemon.crash();
  process.kill(Pid, 'SIGKILL');
  await daemon.network.must('ip', ['link', 'del', bridge]);
  await daemon.start();
  await eventually('its end is recorded', async () => !(await inspect(daemon, id)).State.Running);
  expect(await daemon.network.links()).toContain(bridge);
  await runDetached(daemon, web, { Hostname: 'bb', HostConfig: { NetworkMode: 'n', ...published('8080') } }, 'b');
  await served('http://127.0.0.1:8080/', 'bb');
  await daemon.removeAllContainers();
  expect((await daemon.api.send('DELETE', '/networks/n')).status).toBe(204);
  expect((await daemon.network.links()).filter((name) => name.startsWith('br-'))).toEqual([]);
});

test('rules flushed and a bridge deleted under the daemon are there again after the next change', async () => {
  const { daemon } = fixture;
  await runDetached(daemon, web, { Hostname: 'aa', HostConfig: published('8080') }, 'a');
  await served('http://127.0.0.1:8080/', 'aa');
  await daemon.network.must('nft', ['flush', 'ruleset']);
  await runDetached(daemon, web, { Hostname: 'bb', HostConfig: published('8081') }, 'b');
  await served('http://127.0.0.1:8080/', 'aa');
  await served('http://127.0.0.1:8081/', 'bb');
  await daemon.network.must('ip', ['link', 'del', 'tsdocker0']);
  await runDetached(daemon, web, { Hostname: 'cc', HostConfig: published('8082') }, 'c');
  for (const [port, name] of [
    ['8080', 'aa'],
    ['8081', 'bb'],
    ['8082', 'cc'],
  ])
    await served(`http://127.0.0.1:${port}/`, name ?? '');
  expect((await exec(daemon, 'c', 'ping -c1 -W2 172.17.0.2')).code).toBe(0);
});

test('a daemon that is killed while containers start leaves no address, interface or rule behind', async () => {
  const { daemon } = fixture;
  await runDetached(daemon, ['sleep', '1000'], {}, 'first');
  for (let n = 0; n < 3; n++) {
    const starts = Array.from({ length: 10 }, () =>
      runDetached(daemon, ['sleep', '1000'], { HostConfig: { PortBindings: { '80/tcp': [{}] } } }),
    );
    const settled = Promise.allSettled(starts);
    await new Promise((resolve) => setTimeout(resolve, 30 * (n + 1)));
    await daemon.crash();
    await settled;
    await daemon.start();
  }
  await daemon.removeAllContainers();
  const { stdout } = await cli(daemon, 'tsdocker', ['network', 'inspect', 'bridge', '-f', '{{len .Containers}}']);
  expect(stdout.trim()).toBe('0');
  await eventually('no interface is left', async () => (await daemon.network.links()).join() === 'tsdocker0');
  const rules = await daemon.network.must('nft', ['-j', 'list', 'ruleset']);
  expect(rules).not.toContain('172.17.0.');
}, 60_000);

/** As links in /proc/PID/fd name them. */
function netlinkSockets(pid: number): string[] {
  const inodes = new Set(
    readFileSync(`/proc/${pid}/net/netlink`, 'utf8')
      .split('\n')
      .map((line) => `socket:[${line.trim().split(/\s+/).at(-1)}]`),
  );
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
    .filter((target) => inodes.has(target));
}

testNeeding('strace')(
  'a kernel that takes its time for networks: SIGTERM ends the daemon when its bridge and its rules are gone',
  async () => {
    const daemon = await TestDaemon.start();
    try {
      await run(daemon, 'true');
      // Only what goes to the kernel's networks is slow.
      const sockets = netlinkSockets(daemon.pid).flatMap((path) => ['-P', path]);
      const attached = ['-f', '-p', `${daemon.pid}`, '-o', '/dev/null', '-e', 'trace=write', ...sockets];
      const slow = spawn('strace', [...attached, '-e', 'inject=write:delay_enter=1500000'], { stdio: 'ignore' });
      await eventually('it is traced', () =>
        /^TracerPid:\s+[1-9]/m.test(readFileSync(`/proc/${daemon.pid}/status`, 'utf8')),
      );
      const began = performance.now();
      process.kill(daemon.pid, 'SIGTERM');
      expect(await daemon.ended(60_000)).toBe(0);
      // Else nothing was slow.
      expect(performance.now() - began).toBeGreaterThan(6000);
      await eventually('the tracer ends', () => slow.exitCode !== null);
      expect(await daemon.network.links()).toEqual([]);
      expect(await daemon.network.must('nft', ['list', 'tables'])).toBe('');
    } finally {
      await daemon.dispose();
    }
  },
  120_000,
);
