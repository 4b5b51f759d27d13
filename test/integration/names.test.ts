// What containers and networks are called, and what a name leads to: host names, links, references to what is not there (any more).
import { describe, expect, test } from 'vitest';
import { cli } from '../harness/clis.ts';
import { create, exec, inspect, run, runDetached, start, wait } from '../harness/containers.ts';
import { testNeeding } from '../harness/needs.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const api = () => fixture.daemon.api;
const makeNetwork = async (name: string) => (await api().post<{ Id: string }>('/networks/create', { Name: name })).Id;
const networksOf = async (ref: string) => (await inspect(fixture.daemon, ref)).NetworkSettings.Networks;

describe('host names', () => {
  test.each([
    ['foo.bar.baz', undefined, 'foo.bar.baz foo'],
    ['foo', 'bar.baz', 'foo.bar.baz foo'],
    ['foo.x', 'bar', 'foo.x.bar foo'],
    ['foo', undefined, 'foo'],
    ['h'.repeat(64), undefined, 'h'.repeat(64)],
  ])('%s and the domain %s are in /etc/hosts as docker writes them', async (hostname, domainname, names) => {
    const { stdout } = await run(
      fixture.daemon,
      'hostname; cat /etc/hostname; tail -n 1 /etc/hosts; ping -c 1 $(hostname)',
      {
        Hostname: hostname,
        ...(domainname === undefined ? {} : { Domainname: domainname }),
      },
    );
    const [uts, file, line = ''] = stdout.split('\n');
    expect([uts, file]).toEqual([hostname, hostname]);
    expect(line.replace(/^[\d.]+\t/, '')).toBe(names);
    if (domainname === undefined) expect(stdout).toContain('1 packets received');
  });

  test.each(['h'.repeat(65), 'ö'.repeat(33), 'a\n10.0.0.1\tevil'])('%j is none', async (Hostname) => {
    const answer = await api().send('POST', '/containers/create', {
      body: { Image: 'busybox', Cmd: ['true'], Hostname },
    });
    expect(answer.status, answer.text).toBe(400);
  });

  test('who shares a container’s network has its host name, which resolves, in every process', async () => {
    const { daemon } = fixture;
    await runDetached(daemon, ['sleep', '1000'], { Hostname: 'donor', Domainname: 'of.it' }, 'donor');
    const id = await create(daemon, 'sleep 1000', { HostConfig: { NetworkMode: 'container:donor' } }, 'guest');
    await start(daemon, id);
    const { stdout } = await exec(daemon, id, 'hostname; cat /etc/hostname; echo $HOSTNAME; ping -c 1 $(hostname)');
    expect(stdout.split('\n').slice(0, 3)).toEqual(['donor', 'donor', 'donor']);
    expect(stdout).toContain('1 packets received');
    const [guest, donor] = [await inspect(daemon, 'guest'), await inspect(daemon, 'donor')];
    expect(guest.Config).toMatchObject({ Hostname: 'donor', Domainname: 'of.it' });
    expect([guest.HostnamePath, guest.HostsPath]).toEqual([donor.HostnamePath, donor.HostsPath]);
    await daemon.restart();
    expect((await exec(daemon, id, 'echo $HOSTNAME')).stdout).toBe('donor\n');
  });
});

describe('links', () => {
  test('each process of a linked container has the variables, below what it was given itself', async () => {
    const { daemon } = fixture;
    const db = { ExposedPorts: { '5432-5433/tcp': {} }, Env: ['SECRET=x'] };
    await runDetached(daemon, ['sleep', '1000'], db, 'db');
    const id = await runDetached(daemon, ['sleep', '1000'], {
      Env: ['STORE_ENV_SECRET=mine'],
      HostConfig: { Links: ['db:store'] },
    });
    const first = (await exec(daemon, id, 'tr "\\0" "\\n" < /proc/1/environ')).stdout;
    const later = (await exec(daemon, id, 'env')).stdout;
    for (const environment of [first, later]) {
      expect(environment).toMatch(/^STORE_PORT=tcp:\/\/172\.17\.0\.\d+:5432$/m);
      expect(environment).toMatch(/^STORE_PORT_5433_TCP_PROTO=tcp$/m);
      expect(environment).toMatch(/^STORE_ENV_SECRET=mine$/m);
      expect(environment).not.toContain('STORE_ENV_SECRET=x');
    }
  });

  test('"parent/alias" is a name of the linked container, wherever one is expected', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'echo said; sleep 1000', {}, 'db');
    await runDetached(daemon, ['sleep', '1000'], { HostConfig: { Links: ['db:store'] } }, 'app');
    const called = async (path: string) => (await api().get<{ Id: string }>(path)).Id;
    expect(await called('/containers/app/store/json')).toBe(id);
    expect(await called('/containers/app%2Fstore/json')).toBe(id);
    expect(await called('/containers/%2Fapp%2Fstore/json')).toBe(id);
    expect((await api().send('GET', '/containers/app/other/json')).status).toBe(404);
    expect((await exec(daemon, 'app/store', 'echo in it')).stdout).toBe('in it\n');
    for (const name of ['tsdocker', 'docker'] as const) {
      expect((await cli(daemon, name, ['logs', 'app/store'])).stdout).toBe('said\n');
      expect((await cli(daemon, name, ['exec', 'app/store', 'echo', 'hi'])).stdout).toBe('hi\n');
    }
    expect((await api().send('POST', '/containers/app/store/kill')).status).toBe(204);
    expect(await wait(daemon, 'db')).toBe(137);
  });

  test('on a user network a link may be to a container that is still to come', async () => {
    const { daemon } = fixture;
    const network = await makeNetwork('to-come');
    for (const body of [
      { HostConfig: { NetworkMode: 'to-come', Links: ['later:it'] } },
      {
        HostConfig: { NetworkMode: 'to-come' },
        NetworkingConfig: { EndpointsConfig: { 'to-come': { Links: ['later:it'] } } },
      },
    ]) {
      const id = await runDetached(daemon, ['sleep', '1000'], body);
      expect((await exec(daemon, id, 'ping -c 1 it')).code).not.toBe(0);
      await runDetached(daemon, ['sleep', '1000'], { HostConfig: { NetworkMode: 'to-come' } }, 'later');
      expect((await exec(daemon, id, 'ping -c 1 it')).stdout).toContain('1 packets received');
      await api().delete('/containers/later?force=1');
      await api().delete(`/containers/${id}?force=1`);
    }
    await api().delete(`/networks/${network}`);
  });

  test('on the default bridge it has to be there', async () => {
    const answer = await api().send('POST', '/containers/create', {
      body: { Image: 'busybox', Cmd: ['true'], HostConfig: { Links: ['nosuch:x'] } },
    });
    expect([answer.status, answer.text]).toEqual([
      400,
      '{"message":"could not get container for nosuch: No such container: nosuch"}\n',
    ]);
  });
});

describe('what is not there', () => {
  testNeeding('docker')('--volumes-from a container that is not there says so, and pulls nothing', async () => {
    const body = { Image: 'busybox', Cmd: ['true'], HostConfig: { VolumesFrom: ['nosuch'] } };
    expect((await api().send('POST', '/containers/create', { body })).status).toBe(400);
    const { code, stderr } = await cli(fixture.daemon, 'docker', ['run', '--volumes-from', 'nosuch', 'busybox']);
    expect(code).toBe(125);
    expect(stderr).toContain('No such container: nosuch');
    expect(stderr).not.toContain('Unable to find image');
  });

  test('a network that is gone can be left: by force, or when the container does not run; then it starts', async () => {
    const { daemon } = fixture;
    const gone = await makeNetwork('gone');
    const id = await create(daemon, ['sleep', '1000']);
    await api().post('/networks/gone/connect', { Container: id });
    await api().delete('/networks/gone');
    const failed = await api().send('POST', `/containers/${id}/start`);
    expect([failed.status, failed.text]).toEqual([404, '{"message":"network gone not found"}\n']);
    expect(
      (await api().send('POST', `/networks/${gone}/disconnect`, { body: { Container: id, Force: true } })).status,
    ).toBe(200);
    await start(daemon, id);
    expect(Object.keys((await networksOf(id)) as object)).toEqual(['bridge']);
    const disconnect = (Force: boolean, Container = id) =>
      api().send('POST', '/networks/gone/disconnect', { body: { Container, Force } });
    expect((await disconnect(true)).text).toContain(`container ${id} is not connected to the network gone`);
    expect((await disconnect(false)).status).toBe(404);
    expect((await disconnect(true, 'nosuch')).status).toBe(404);

    await makeNetwork('gone');
    const stopped = await create(daemon, ['sleep', '1000'], { HostConfig: { NetworkMode: 'gone' } });
    await api().delete('/networks/gone');
    expect((await disconnect(false, stopped)).status).toBe(200);
    expect(await networksOf(stopped)).toEqual({});
  });
});

describe('networks', () => {
  test('a subnet with bits below its prefix is refused, and every wrong one is named', async () => {
    const ask = async (Config: object[]) => {
      const answer = await api().send('POST', '/networks/create', { body: { Name: 'x', IPAM: { Config } } });
      return [answer.status, (answer.json as { message: string }).message];
    };
    expect(await ask([{ Subnet: '10.0.0.1/24' }])).toEqual([
      400,
      'invalid network config:\ninvalid subnet 10.0.0.1/24: it should be 10.0.0.0/24',
    ]);
    expect(await ask([{ Subnet: '10.77.0.1/24' }, { Subnet: '10.78.0.0/33' }])).toEqual([
      400,
      'invalid network config:\n* invalid subnet 10.77.0.1/24: it should be 10.77.0.0/24\n* invalid subnet 10.78.0.0/33: invalid CIDR block notation',
    ]);
  });

  test.each(['with a space', 'with/a/slash', 'ünder'])(
    'may be called %j, which its containers are found by',
    async (name) => {
      const { daemon } = fixture;
      await makeNetwork(name);
      const id = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { NetworkMode: name } });
      await runDetached(daemon, ['sleep', '1000'], { HostConfig: { NetworkMode: name } }, 'neighbour');
      expect((await exec(daemon, id, 'ping -c 1 neighbour')).stdout).toContain('1 packets received');
      expect(Object.keys((await networksOf(id)) as object)).toEqual([name]);
      const run = async (client: 'tsdocker' | 'docker', ...args: string[]) =>
        (await cli(daemon, client, ['network', ...args])).code;
      expect(await run('tsdocker', 'inspect', name)).toBe(0);
      expect(await run('docker', 'disconnect', name, 'neighbour')).toBe(0);
      expect(await run('tsdocker', 'connect', name, 'neighbour')).toBe(0);
      await daemon.removeAllContainers();
      expect(await run('docker', 'rm', name)).toBe(0);
    },
  );

  test('a list has Containers, empty since 1.28; inspect tells who is connected', async () => {
    interface Listed {
      Name: string;
      Containers: Record<string, { Name: string }>;
    }
    const id = await runDetached(fixture.daemon, ['sleep', '1000']);
    const connected = async (path: string) =>
      (await api().get<Listed[]>(path)).map(({ Name, Containers }) => [Name, Object.keys(Containers)]);
    for (const [, containers] of await connected('/networks')) expect(containers).toEqual([]);
    expect(await connected('/v1.27/networks')).toContainEqual(['bridge', [id]]);
    expect(Object.keys((await api().get<Listed>('/networks/bridge')).Containers)).toEqual([id]);
  });

  test.each(['IFNAME', 'ifname'])('sysctls of an interface: %s stands for its name', async (word) => {
    const sysctls = (text: string) => ({
      NetworkingConfig: {
        EndpointsConfig: { bridge: { DriverOpts: { 'com.docker.network.endpoint.sysctls': text } } },
      },
    });
    const { stdout } = await run(
      fixture.daemon,
      'cat /proc/sys/net/ipv4/conf/eth0/log_martians /proc/sys/net/ipv4/conf/lo/log_martians',
      sysctls(`net.ipv4.conf.${word}.log_martians=1`),
    );
    expect(stdout).toBe('1\n0\n');
    const body = { Image: 'busybox', Cmd: ['true'], ...sysctls('net.ipv4.conf.eth0.log_martians=1') };
    const answer = await api().send('POST', '/containers/create', { body });
    expect(answer.status).toBe(400);
    expect(answer.text).toContain("unrecognised network interface sysctl 'net.ipv4.conf.eth0.log_martians=1'");
  });

  test.each(['bridge', 'host', 'container:donor'])('NetworkDisabled: only loopback, whatever %s says', async (mode) => {
    const { daemon } = fixture;
    await runDetached(daemon, ['sleep', '1000'], {}, 'donor');
    const id = await runDetached(daemon, ['sleep', '1000'], {
      NetworkDisabled: true,
      HostConfig: {
        NetworkMode: mode,
        ...(mode === 'bridge' ? { PortBindings: { '80/tcp': [{ HostPort: '9911' }] } } : {}),
      },
    });
    expect((await exec(daemon, id, 'ls /sys/class/net 2>/dev/null; cat /proc/net/dev')).stdout).not.toMatch(
      /eth\d|tsdocker/,
    );
    expect((await exec(daemon, id, 'ping -c 1 127.0.0.1')).code).toBe(0);
    const namespaces = [id, 'donor'].map(async (ref) => (await exec(daemon, ref, 'readlink /proc/1/ns/net')).stdout);
    const [own, donors] = await Promise.all(namespaces);
    expect(own).not.toBe(donors);
    expect(await networksOf(id)).toEqual({});
    const stats = await api().get<Record<string, unknown>>(`/containers/${id}/stats?stream=0&one-shot=1`);
    expect(stats.networks).toBeUndefined();
    expect((await api().send('POST', '/networks/bridge/connect', { body: { Container: id } })).status).toBe(404);
  });

  test('stats of who shares a network are those of the network; of the host’s, none', async () => {
    const { daemon } = fixture;
    await runDetached(daemon, ['sleep', '1000'], {}, 'donor');
    await runDetached(daemon, ['sleep', '1000'], { HostConfig: { NetworkMode: 'host' } }, 'on-host');
    const networks = async (mode: string) => {
      const id = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { NetworkMode: mode } });
      return (await api().get<{ networks?: object }>(`/containers/${id}/stats?stream=0&one-shot=1`)).networks;
    };
    expect(Object.keys((await networks('container:donor')) ?? {})).toEqual(['eth0']);
    expect(await networks('container:on-host')).toBeUndefined();
  });
});
