// Networks with the unmodified docker as client, judged from inside containers and from the daemon's network namespace.
import { describe, expect, test } from 'vitest';
import { cli } from '../harness/clis.ts';
import { exec, inspect, run, runDetached } from '../harness/containers.ts';
import { eventually, timeFactor } from '../harness/eventually.ts';
import { testNeeding } from '../harness/needs.ts';
import { TestDaemon } from '../harness/test-daemon.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const docker = async (...args: string[]) => {
  const result = await cli(fixture.daemon, 'docker', args);
  expect(result.code, `docker ${args.join(' ')}\n${result.stderr}`).toBe(0);
  return result.stdout.trim();
};
const refused = async (...args: string[]) => {
  const result = await cli(fixture.daemon, 'docker', args);
  expect(result.code, result.stdout).not.toBe(0);
  return result.stderr;
};
const inside = async (name: string, command: string) => (await exec(fixture.daemon, name, command)).stdout.trim();
const addresses = async (name: string) =>
  [...(await inside(name, 'ip -o addr')).matchAll(/^\d+: (eth\d+)\s+inet6? (\S+)/gm)]
    .map(([, link, address]) => `${link} ${address}`)
    .filter((text) => !text.includes('fe80:'));
const gateway = (name: string) => inside(name, "ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'");
const web = ['sh', '-c', 'mkdir /w; hostname > /w/index.html; exec httpd -f -p 80 -h /w'];
const fetch = (url: string) => fixture.daemon.network.fetch(url);
const served = (url: string, text: string) =>
  eventually(`${url} answers ${text}`, async () => (await fetch(url)) === text);

describe('the default bridge', () => {
  testNeeding('docker')(
    'is made when the first container needs it, and gone when the daemon ends without any',
    async () => {
      const daemon = await TestDaemon.start();
      try {
        expect(await daemon.network.links()).toEqual([]);
        await run(daemon, 'true', { HostConfig: { NetworkMode: 'none' } });
        expect(await daemon.network.links()).toEqual([]);
        const { stdout } = await run(daemon, 'ip -o addr show eth0; ip route');
        expect(stdout).toMatch(/inet 172\.17\.0\.2\/16/);
        expect(stdout).toContain('default via 172.17.0.1 dev eth0');
        // The container's own interface goes with its namespace, in the kernel's own time.
        await eventually('the bridge alone', async () => (await daemon.network.links()).join() === 'tsdocker0');
        await daemon.stop();
        expect(await daemon.network.links()).toEqual([]);
        await daemon.start();
      } finally {
        await daemon.dispose();
      }
    },
  );

  testNeeding('docker')('two containers reach each other by address, and have no names there', async () => {
    await docker('run', '-d', '--name', 'a', 'busybox', ...web);
    await docker('run', '-d', '--name', 'b', '--hostname', 'bb', 'busybox', 'sleep', '1000');
    const ip = await docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'a');
    expect(await addresses('a')).toEqual([`eth0 ${ip}/16`]);
    expect(
      await eventually('an answer', async () => (await inside('b', `wget -qO- http://${ip}`)) || undefined),
    ).not.toBe('');
    expect(await inside('b', 'grep bb /etc/hosts')).toMatch(/^172\.17\.0\.\d+\tbb$/);
    expect(await inside('b', 'nslookup a 127.0.0.11 2>&1; true')).not.toContain(ip);
    expect(await docker('network', 'inspect', 'bridge', '-f', '{{len .Containers}}')).toBe('2');
  });

  testNeeding('docker')('legacy links: lines in hosts, variables, and another address after a restart', async () => {
    await docker('run', '-d', '--name', 'db', '--expose', '5432', '-e', 'SECRET=x', 'busybox', 'sleep', '1000');
    await docker('run', '-d', '--name', 'app', '--link', 'db:store', 'busybox', 'sleep', '1000');
    const ip = (await addresses('db'))[0]?.replace(/^eth0 |\/16$/g, '');
    expect(await inside('app', 'grep store /etc/hosts')).toMatch(new RegExp(`^${ip}\tstore [0-9a-f]{12} db$`));
    const env = await docker('exec', 'app', 'sh', '-c', 'tr "\\0" "\\n" < /proc/1/environ');
    expect(env).toContain(`STORE_PORT=tcp://${ip}:5432`);
    expect(env).toContain('STORE_ENV_SECRET=x');
    expect(env).toContain('STORE_NAME=/app/store');
    expect(await docker('inspect', '-f', '{{json .HostConfig.Links}}', 'app')).toBe('["/db:/app/store"]');
    await docker('stop', '-t', '0', 'db');
    await docker('run', '-d', '--name', 'squatter', 'busybox', 'sleep', '1000');
    await docker('start', 'db');
    const now = (await addresses('db'))[0]?.replace(/^eth0 |\/16$/g, '');
    expect(now).not.toBe(ip);
    expect(await inside('app', 'grep -c store /etc/hosts')).toBe('1');
    expect(await inside('app', 'grep store /etc/hosts')).toContain(`${now}\t`);
    expect(await refused('run', '--link', 'nosuch:x', 'busybox')).toContain('could not get container for nosuch');
  });
});

describe('the daemon’s options', () => {
  test('shape the default bridge and the pools', async () => {
    const daemon = await TestDaemon.start({
      args: [
        ...['--bip', '10.60.0.1/16', '--fixed-cidr', '10.60.8.0/24', '--mtu', '1300', '--dns', '9.9.9.9'],
        ...['--default-address-pool', 'base=10.61.0.0/16,size=24', '--ip', '127.0.0.1'],
      ],
    });
    try {
      const { stdout } = await run(daemon, 'ip addr show eth0; ip route; cat /etc/resolv.conf');
      expect(stdout).toMatch(/mtu 1300 .*inet 10\.60\.8\.0\/16 .*default via 10\.60\.0\.1 .*nameserver 9\.9\.9\.9/s);
      const { Id } = await daemon.api.post<{ Id: string }>('/networks/create', { Name: 'n' });
      const network = await daemon.api.get<{ IPAM: { Config: object[] } }>(`/networks/${Id}`);
      expect(network.IPAM.Config).toEqual([{ Subnet: '10.61.0.0/24', Gateway: '10.61.0.1' }]);
      const id = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { PortBindings: { '80/tcp': [{}] } } });
      expect((await inspect(daemon, id)).NetworkSettings.Ports).toMatchObject({ '80/tcp': [{ HostIp: '127.0.0.1' }] });
    } finally {
      await daemon.dispose();
    }
  });

  test('--bridge none: loopback only', async () => {
    const daemon = await TestDaemon.start({ args: ['--bridge', 'none'] });
    try {
      const { stdout } = await run(daemon, 'ip -o link; cat /etc/hosts', { Hostname: 'me' });
      expect(stdout).not.toContain('eth0');
      expect(stdout).toContain('127.0.1.1\tme');
      expect(await daemon.network.links()).toEqual([]);
    } finally {
      await daemon.dispose();
    }
  });
});

describe('a user network', () => {
  testNeeding('docker')('gives the addresses that were asked for, and the rest out of its range', async () => {
    await docker(
      ...['network', 'create', '--subnet', '10.77.0.0/24', '--ip-range', '10.77.0.128/25', '--gateway', '10.77.0.5'],
      ...[
        '--aux-address',
        'x=10.77.0.128',
        '--ipv6',
        '--subnet',
        'fd00:77::/64',
        '-o',
        'com.docker.network.driver.mtu=1400',
      ],
      ...['-o', 'com.docker.network.bridge.name=br77', '--label', 'k=v', 'n'],
    );
    const mine = ['--ip', '10.77.0.50', '--ip6', 'fd00:77::50', '--mac-address', '02:42:01:02:03:04'];
    await docker('run', '-d', '--name', 'a', '--network', 'n', ...mine, 'busybox', 'sleep', '1000');
    await docker('run', '-d', '--name', 'b', '--network', 'n', 'busybox', 'sleep', '1000');
    expect(await addresses('a')).toEqual(['eth0 10.77.0.50/24', 'eth0 fd00:77::50/64']);
    expect(await addresses('b')).toEqual(['eth0 10.77.0.129/24', 'eth0 fd00:77::2/64']);
    expect(await inside('a', 'cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu')).toBe(
      '02:42:01:02:03:04\n1400',
    );
    expect(await gateway('a')).toBe('10.77.0.5');
    expect(await inside('a', 'cat /etc/resolv.conf')).toContain('nameserver 127.0.0.11');
    expect(await inside('a', 'ping -c1 -W2 10.77.0.129 | grep -c "1 packets received"')).toBe('1');
    expect(await inside('a', 'ping6 -c1 -W2 fd00:77::2 | grep -c "1 packets received"')).toBe('1');
    const bridge = await fixture.daemon.network.must('ip', ['-o', 'addr', 'show', 'br77']);
    expect(bridge).toContain('10.77.0.5/24');
    expect(bridge).toContain('fd00:77::1/64');
    expect(await refused('run', '--network', 'n', '--ip', '10.77.0.50', 'busybox')).toContain('Address already in use');
    expect(await refused('network', 'rm', 'n')).toContain('has active endpoints');
    await docker('rm', '-f', 'a', 'b');
    await docker('network', 'rm', 'n');
    expect(await fixture.daemon.network.links()).not.toContain('br77');
  });

  testNeeding('docker')('is connected to and left while created, running and stopped', async () => {
    for (const name of ['n1', 'n2']) await docker('network', 'create', name);
    await docker('create', '--name', 'c', '--network', 'n1', 'busybox', 'sleep', '1000');
    await docker('network', 'connect', '--alias', 'web', 'n2', 'c');
    await docker('start', 'c');
    expect(await addresses('c')).toHaveLength(2);
    expect(await docker('inspect', '-f', '{{json .NetworkSettings.Networks.n2.Aliases}}', 'c')).toBe('["web"]');
    const second = await docker('inspect', '-f', '{{.NetworkSettings.Networks.n2.IPAddress}}', 'c');
    await docker('network', 'disconnect', 'n1', 'c');
    expect(await addresses('c')).toEqual([`eth1 ${second}/16`]);
    expect(await gateway('c')).toBe(second.replace(/\d+$/, '1'));
    expect(await inside('c', 'grep -c $(hostname) /etc/hosts')).toBe('1');
    await docker('network', 'connect', 'bridge', 'c');
    expect(await addresses('c')).toHaveLength(2);
    expect(await refused('network', 'connect', 'n2', 'c')).toContain(
      'endpoint with name c already exists in network n2',
    );
    await docker('stop', '-t', '0', 'c');
    await docker('network', 'disconnect', 'bridge', 'c');
    await docker('network', 'connect', 'n1', 'c');
    await docker('start', 'c');
    const networks = await docker('inspect', '-f', '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}', 'c');
    expect(networks.trim().split(' ')).toEqual(['n1', 'n2']);
    expect(await refused('network', 'disconnect', 'bridge', 'c')).toContain('is not connected to network bridge');
    await docker('rm', '-f', 'c');
    await docker('network', 'rm', 'n1', 'n2');
  });

  testNeeding('docker')('tells of every change in events', async () => {
    const since = String(Date.now() / 1000);
    await docker('network', 'create', 'n');
    await docker('run', '--rm', '--network', 'n', 'busybox', 'true');
    await docker('network', 'rm', 'n');
    const until = String(Date.now() / 1000 + 0.1);
    const lines = await docker(
      'events',
      '--since',
      since,
      '--until',
      until,
      '--filter',
      'type=network',
      '--format',
      '{{.Action}} {{.Actor.Attributes.name}}',
    );
    expect(lines.split('\n')).toEqual(['create n', 'connect n', 'disconnect n', 'destroy n']);
  });

  testNeeding('docker')('none, host and another container’s', async () => {
    await docker('network', 'create', 'n');
    await docker('run', '-d', '--name', 'a', '--network', 'n', 'busybox', ...web);
    expect(
      await docker('run', '--rm', '--network', 'container:a', 'busybox', 'ip', '-o', 'addr', 'show', 'eth0'),
    ).toContain('inet ');
    expect(
      await docker('run', '--rm', '--network', 'container:a', 'busybox', 'wget', '-qO-', 'http://127.0.0.1'),
    ).not.toBe('');
    expect(await docker('run', '--rm', '--network', 'host', 'busybox', 'ip', '-o', 'link')).toContain('tsdocker0');
    expect(await refused('network', 'connect', 'host', 'a')).toContain(
      'container must be created in host network mode',
    );
    expect(await refused('network', 'connect', 'none', 'a')).toContain('private (none) mode');
    expect(await refused('run', '--network', 'container:a', '-p', '80', 'busybox')).toContain(
      'port publishing and the container type',
    );
    await docker('rm', '-f', 'a');
    await docker('network', 'rm', 'n');
  });

  testNeeding('docker')('--internal has no way out; the host is host-gateway', async () => {
    await docker('network', 'create', '--internal', 'inner');
    await docker('run', '-d', '--name', 'a', '--network', 'inner', 'busybox', 'sleep', '1000');
    expect(await gateway('a')).toBe('');
    await docker('run', '-d', '--name', 'b', '--add-host', 'gw:host-gateway', 'busybox', 'sleep', '1000');
    expect(await inside('b', 'ping -c1 -W2 gw | grep -c "1 packets received"')).toBe('1');
    await docker('rm', '-f', 'a', 'b');
    await docker('network', 'rm', 'inner');
  });
});

describe('published ports', () => {
  testNeeding('docker')('are reached in every form, shown, and gone with the container', async () => {
    await docker(
      ...[
        'run',
        '-d',
        '--name',
        'a',
        '--hostname',
        'aa',
        '-p',
        '8080:80',
        '-p',
        '127.0.0.1:8081:80',
        '-p',
        '8090-8092:80',
      ],
      ...['-p', '[::1]:8083:80', '-p', '80', '-p', '5353:53/udp', '--expose', '99', 'busybox', ...web],
    );
    for (const url of [
      '127.0.0.1:8080',
      '[::1]:8080',
      '172.17.0.1:8080',
      '127.0.0.1:8081',
      '127.0.0.1:8090',
      '[::1]:8083',
    ]) {
      await served(`http://${url}/`, 'aa');
    }
    const ports = (await docker('port', 'a')).split('\n');
    expect(ports).toContain('80/tcp -> 0.0.0.0:8080');
    expect(ports).toContain('80/tcp -> [::]:8080');
    expect(ports).toContain('80/tcp -> 127.0.0.1:8081');
    expect(ports).toContain('53/udp -> 0.0.0.0:5353');
    const ephemeral = /-> 0\.0\.0\.0:(\d{5})$/m.exec(ports.filter((line) => !/:(8|5)/.test(line)).join('\n'))?.[1];
    await served(`http://127.0.0.1:${ephemeral}/`, 'aa');
    expect(await docker('ps', '--format', '{{.Ports}}')).toContain('99/tcp');
    expect(await fetch('http://172.17.0.1:8081/')).toBe('');
    await docker('rm', '-f', 'a');
    expect(await fetch('http://127.0.0.1:8080/')).toBe('');
    await docker('run', '-d', '-p', '8080:80', '--hostname', 'next', 'busybox', ...web);
    await served('http://127.0.0.1:8080/', 'next');
  });

  testNeeding('docker')('-P publishes what is exposed; ports move with the network that carries them', async () => {
    await docker('network', 'create', 'n');
    await docker('run', '-d', '-P', '--expose', '80', '--hostname', 'aa', '--name', 'a', 'busybox', ...web);
    const port = (await docker('port', 'a', '80')).split('\n')[0]?.split(':').pop();
    await served(`http://127.0.0.1:${port}/`, 'aa');
    await docker('network', 'connect', 'n', 'a');
    await docker('network', 'disconnect', 'bridge', 'a');
    const moved = (await docker('port', 'a', '80')).split('\n')[0]?.split(':').pop();
    await served(`http://127.0.0.1:${moved}/`, 'aa');
    await docker('rm', '-f', 'a');
    await docker('network', 'rm', 'n');
  });

  testNeeding('docker')('a port that is taken is told, and nothing of the start is left', async () => {
    await docker('run', '-d', '--name', 'a', '-p', '8080:80', 'busybox', ...web);
    const rules = await fixture.daemon.network.must('nft', ['list', 'ruleset']);
    await docker('create', '--name', 'b', '-p', '9090:90', '-p', '8080:80', 'busybox', 'sleep', '1000');
    expect(await refused('start', 'b')).toContain('Bind for 0.0.0.0:8080 failed: port is already allocated');
    expect(await docker('inspect', '-f', '{{.State.Status}}', 'b')).toBe('created');
    expect(await fixture.daemon.network.must('nft', ['list', 'ruleset'])).toBe(rules);
    const veths = async () => (await fixture.daemon.network.links()).filter((name) => name !== 'tsdocker0').length;
    await eventually('its interface is gone', async () => (await veths()) === 1);
    expect(await docker('network', 'inspect', 'bridge', '-f', '{{len .Containers}}')).toBe('1');
    await docker('rm', '-f', 'a');
    await docker('start', 'b');
    expect(await docker('port', 'b', '80')).toContain('0.0.0.0:8080');
  });
});

describe('codes', () => {
  const post = (path: string, body: unknown) => fixture.daemon.api.send('POST', path, { body });
  const remove = (path: string) => fixture.daemon.api.send('DELETE', path);

  test('docker’s, with its words', async () => {
    expect((await post('/networks/create', { Name: 'bridge' })).status).toBe(403);
    expect((await remove('/networks/bridge')).status).toBe(403);
    expect((await remove('/networks/nosuch')).text).toContain('network nosuch not found');
    expect((await post('/networks/create', { Name: 'n', IPAM: { Config: [{ Subnet: '10.9.0.0/30' }] } })).status).toBe(
      201,
    );
    expect((await post('/networks/create', { Name: 'n' })).status).toBe(409);
    expect((await post('/networks/create', { Name: 'm', IPAM: { Config: [{ Subnet: '10.9.0.0/16' }] } })).status).toBe(
      403,
    );
    for (const [Driver, status] of [
      ['overlay', 501],
      ['macvlan', 501],
      ['frob', 404],
    ] as const) {
      expect((await post('/networks/create', { Name: 'm', Driver })).status, Driver).toBe(status);
    }
    const HostConfig = { NetworkMode: 'n' };
    await runDetached(fixture.daemon, ['sleep', '1000'], { HostConfig }, 'one');
    await expect(runDetached(fixture.daemon, 'true', { HostConfig }, 'two')).rejects.toThrow(
      'no available IPv4 addresses',
    );
    expect((await remove('/networks/n')).status).toBe(403);
    expect((await post('/networks/n/connect', { Container: 'nosuch' })).status).toBe(404);
    expect((await post('/networks/nosuch/connect', { Container: 'one' })).status).toBe(404);
    expect((await post('/networks/n/connect', {})).status).toBe(400);
    await fixture.daemon.removeAllContainers();
    expect((await remove('/networks/n')).status).toBe(204);
    expect((await fixture.daemon.api.send('GET', '/networks?filters={"frob":["1"]}')).status).toBe(400);
  });

  test('names such as __proto__ are names, and a network that is gone is told at the start', async () => {
    for (const Name of ['__proto__', 'constructor']) {
      const { Id } = await fixture.daemon.api.post<{ Id: string }>('/networks/create', {
        Name,
        Labels: { __proto__x: '1' },
      });
      const { stdout } = await run(fixture.daemon, 'ip -o addr show eth0', { HostConfig: { NetworkMode: Name } });
      expect(stdout).toContain('inet ');
      expect((await remove(`/networks/${Id}`)).status).toBe(204);
    }
    expect(({} as Record<string, unknown>).Driver).toBeUndefined();
    await expect(runDetached(fixture.daemon, 'true', { HostConfig: { NetworkMode: 'gone' } })).rejects.toThrow(
      'network gone not found',
    );
  });
});

test(
  'a hundred containers at once on one bridge, five times: each its own address, and nothing left',
  async () => {
    const { daemon } = fixture;
    await run(daemon, 'true');
    // An emulated machine takes half a minute for each round.
    const rounds = timeFactor > 1 ? 2 : 5;
    for (let round = 0; round < rounds; round++) {
      const ids = await Promise.all(Array.from({ length: 100 }, () => runDetached(daemon, ['sleep', '1000'])));
      const { Containers } = await daemon.api.get<{
        Containers: Record<string, { IPv4Address: string; MacAddress: string }>;
      }>('/networks/bridge');
      const list = Object.values(Containers);
      expect(new Set(list.map(({ IPv4Address }) => IPv4Address)).size).toBe(100);
      expect(new Set(list.map(({ MacAddress }) => MacAddress)).size).toBe(100);
      const [some = ''] = ids;
      const { NetworkSettings } = await inspect(daemon, some);
      expect(await inside(some, 'ip -o addr show eth0')).toContain(`inet ${NetworkSettings.IPAddress}/16`);
      await Promise.all(ids.map((id) => daemon.api.delete(`/containers/${id}?force=1`)));
      await eventually('all interfaces are gone', async () => (await daemon.network.links()).length === 1, {
        timeoutMs: 20_000,
      });
      const after = await daemon.api.get<{ Containers: object }>('/networks/bridge');
      expect(after.Containers).toEqual({});
    }
  },
  180_000 * timeFactor,
);
