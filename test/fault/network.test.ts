// What networks have to survive: the daemon's death, a firewall that was emptied, bridges and interfaces that were deleted, and another
// engine's forward policy. Each host is a namespace made here.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exec } from '../harness/containers.ts';
import { lookup } from '../harness/dns-servers.ts';
import { eventually } from '../harness/eventually.ts';
import { fixtureProgram } from '../harness/fixtures.ts';
import {
  addressOf,
  askFrom,
  askInside,
  cable,
  createNetwork,
  importNetworkTools,
  LAN,
  startPeer,
} from '../harness/hosts.ts';
import { testNeeding } from '../harness/needs.ts';
import { NetNamespace } from '../harness/net-namespace.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

let daemon: TestDaemon;
let host: NetNamespace;
let other: NetNamespace;

beforeEach(async () => {
  daemon = await TestDaemon.start();
  host = daemon.network;
  other = NetNamespace.make();
  await cable(host, other);
  await importNetworkTools(daemon);
  await createNetwork(daemon, 'front', {
    subnet: '172.28.1.0/24',
    options: { 'com.docker.network.bridge.name': 'front0' },
  });
  await startPeer(daemon, 'web', 'front', { publish: ['8080:80'] });
});

afterEach(async () => {
  await daemon?.dispose();
  other?.close();
});

/** Everything that a container on a bridge is there for. */
async function expectAllWell(): Promise<void> {
  expect(await askFrom(other, LAN.engine, 8080)).toBe(LAN.other);
  expect(await askFrom(host, '127.0.0.1', 8080)).toMatch(/^\d/);
  const pid = (await daemon.api.get<{ State: { Pid: number } }>('/containers/web/json')).State.Pid;
  expect(await lookup(`/proc/${pid}/ns/net`, ['A:web'])).toEqual([[await addressOf(daemon, 'web', 'front')]]);
}

/** A stream that echoes line after line through the published port. */
async function startStream(): Promise<() => Promise<string>> {
  await startPeer(daemon, 'echo', 'front', { publish: ['9000:9000'], cmd: ['stream', 'echo', '9000'] });
  await eventually('the port answers', async () => (await askFrom(other, LAN.engine, 9000)) === 'timeout', {
    timeoutMs: 5000,
  });
  const [file = '', ...args] = [...other.wrapper, fixtureProgram('stream'), 'tick', LAN.engine, '9000'];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await eventually('the stream flows', () => output.includes('connected'));
  return async () => {
    child.kill('SIGTERM');
    await eventually('the stream ends', () => child.exitCode !== null || child.signalCode !== null);
    return output.replace('connected\n', '').trim();
  };
}

describe('the daemon killed while traffic flows', () => {
  it('breaks no connection, and started again finds everything as it was', async () => {
    const stop = await startStream();
    await daemon.crash();
    // Meanwhile new connections come about as well.
    expect(await askFrom(other, LAN.engine, 8080)).toBe(LAN.other);
    expect(await askFrom(host, '127.0.0.1', 8080)).toMatch(/^\d/);
    await daemon.start();
    await expectAllWell();
    expect(await stop()).toMatch(/^\d+ lines$/);
    const { Ports } = (
      await daemon.api.get<{ NetworkSettings: { Ports: Record<string, unknown[]> } }>('/containers/web/json')
    ).NetworkSettings;
    expect(Ports['80/tcp']).toContainEqual({ HostIp: '0.0.0.0', HostPort: '8080' });
    // Nothing is taken: what stops is free again.
    await daemon.api.delete('/containers/web?force=1');
    expect(await askFrom(other, LAN.engine, 8080)).toBe('refused');
  });
});

describe('what others take away', () => {
  it("is made again at the next change: the firewall's rules", async () => {
    await host.must('nft', ['flush', 'ruleset']);
    await startPeer(daemon, 'next', 'front');
    await expectAllWell();
  });

  it('is made again at the next change: a bridge', async () => {
    await host.must('ip', ['link', 'del', 'front0']);
    await startPeer(daemon, 'next', 'front');
    await expectAllWell();
    expect(await askInside(daemon, 'next', await addressOf(daemon, 'web', 'front'), 80)).toMatch(/^172\.28\.1\./);
  });

  it("is made again at the daemon's start: rules, bridge and interface", async () => {
    await host.must('nft', ['flush', 'ruleset']);
    await host.must('ip', ['link', 'del', 'front0']);
    const index = /@if(\d+)/.exec((await exec(daemon, 'web', ['ip', 'link', 'show', 'eth0'])).stdout)?.[1];
    const line = (await host.must('ip', ['-o', 'link'])).split('\n').find((text) => text.startsWith(`${index}: `));
    await host.must('ip', ['link', 'del', /^\d+: ([^@:]+)/.exec(line ?? '')?.[1] ?? 'none']);
    await daemon.restart();
    await expectAllWell();
  });
});

describe('another engine on the host', () => {
  testNeeding('dockerd')(
    'does not shut containers off with its forward policy, and its rules stay as they are',
    async () => {
      const dir = `${daemon.dir}/dockerd`;
      const options = ['--data-root', `${dir}/data`, '--exec-root', `${dir}/run`, '--pidfile', `${dir}/pid`];
      const script = `mkdir -p ${dir} && echo '{}' > ${dir}/empty.json && exec "$@" > ${dir}/log 2>&1`;
      const dockerd = ['dockerd', '-H', `unix://${dir}/d.sock`, ...options, '--config-file', `${dir}/empty.json`];
      const [file = '', ...args] = [...host.wrapper, 'sh', '-c', script, 'sh', ...dockerd, '--bip', '172.31.250.1/24'];
      // It closes forwarding only where it opens it itself, as at a host's boot.
      await host.must('sh', ['-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward']);
      const child = spawn(file, args, { stdio: 'ignore' });
      try {
        const log = `${dir}/log`;
        await eventually(
          'dockerd serves',
          () => existsSync(log) && readFileSync(log, 'utf8').includes('API listen on'),
          {
            timeoutMs: 60_000,
          },
        );
        expect(await host.must('iptables', ['-S', 'FORWARD'])).toContain('-P FORWARD DROP');
        const before = await host.must('iptables-save', ['-t', 'filter']);
        await startPeer(daemon, 'next', 'front', { publish: ['8081:80'] });
        await expectAllWell();
        expect(await askFrom(other, LAN.engine, 8081)).toBe(LAN.other);
        const rules = (text: string) => text.split('\n').filter((line) => line.startsWith('-A'));
        // Only what lets this engine's own traffic pass may be new.
        const after = rules(await host.must('iptables-save', ['-t', 'filter']));
        expect(after.filter((rule) => !rule.includes('DOCKER-USER'))).toEqual(
          rules(before).filter((rule) => !rule.includes('DOCKER-USER')),
        );
      } finally {
        child.kill('SIGTERM');
        await eventually('dockerd ends', () => child.exitCode !== null || child.signalCode !== null, {
          timeoutMs: 30_000,
        });
      }
    },
  );
});
