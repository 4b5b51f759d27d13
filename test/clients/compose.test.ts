// docker-compose 1.29 (Debian's package, Python), unmodified: it creates containers unconnected, connects them with aliases, recreates by
// renaming, and reads health, labels and mounts back to know what it has.
import { expect } from 'vitest';
import { cliEnv } from '../harness/clis.ts';
import { eventually } from '../harness/eventually.ts';
import { testNeeding } from '../harness/needs.ts';
import { projectRoot } from '../harness/paths.ts';
import { mustRun } from '../harness/run-command.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

function compose(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const file = `${projectRoot}test/fixtures/compose.yml`;
  return mustRun('docker-compose', ['-p', 'shop', '-f', file, ...args], {
    env: { ...cliEnv(fixture.daemon), ...env },
    timeoutMs: 60_000,
  });
}

const inService = (service: string, ...command: string[]) => compose(['exec', '-T', service, ...command]);
const published = () => fixture.daemon.network.fetch('http://127.0.0.1:8080/');
const states = async () =>
  (await mustRun('docker', ['ps', '-a', '--format', '{{.Names}} {{.State}}'], { env: cliEnv(fixture.daemon) }))
    .trim()
    .split('\n')
    .sort();

testNeeding('docker-compose', 'docker')(
  'services find each other, keep their data, scale, are recreated, outlive the daemon and go without a trace',
  async () => {
    await compose(['up', '-d']);
    expect(await published()).toBe('web');
    expect(await inService('web', 'wget', '-q', '-O-', 'http://application:8000/')).toBe('app 1\n');
    expect(await inService('app', 'nc', 'db', '5432')).toBe('started\n');
    await expect(inService('web', 'nslookup', 'db'), 'web is not on the network of db').rejects.toThrow();
    await expect(
      inService('db', 'wget', '-q', '-T', '2', '-O-', 'http://web/'),
      'db is alone inside',
    ).rejects.toThrow();

    await compose(['up', '-d', '--scale', 'app=3']);
    const addresses = await inService('web', 'nslookup', '-type=a', 'application');
    expect(addresses.match(/^Address: \d+\.\d+\.\d+\.\d+$/gm)).toHaveLength(3);

    await fixture.daemon.crash();
    expect(await published(), 'nobody needs the daemon to be served').toBe('web');
    await fixture.daemon.start();

    await compose(['up', '-d'], { APP_VERSION: '2' });
    expect(await inService('web', 'wget', '-q', '-O-', 'http://app:8000/'), 'recreated').toBe('app 2\n');
    expect(await states()).toEqual(['shop_app_1 running', 'shop_db_1 running', 'shop_web_1 running']);

    await compose(['restart', 'db']);
    await eventually(
      'both starts of the database in its volume',
      async () => (await inService('db', 'cat', '/data/starts')) === 'started\nstarted\n',
    );
    await compose(['up', '-d', '--force-recreate', '--no-deps', 'db']);
    await eventually(
      'the data in the container that follows',
      async () => (await inService('db', 'cat', '/data/starts')) === 'started\nstarted\nstarted\n',
    );
    expect(await compose(['logs', '--no-color', 'web'])).toContain('Attaching to shop_web_1');
    await compose(['down', '-v', '-t', '1']);
    expect(await states()).toEqual(['']);
    const docker = (...args: string[]) => mustRun('docker', args, { env: cliEnv(fixture.daemon) });
    expect(await docker('volume', 'ls', '-q')).toBe('');
    expect((await docker('network', 'ls', '--format', '{{.Name}}')).trim().split('\n').sort()).toEqual([
      'bridge',
      'host',
      'none',
    ]);
    expect(await fixture.daemon.network.links(), 'the bridge of unnamed networks may stay').not.toContain(
      expect.stringMatching(/^(br-|veth)/),
    );
  },
  180_000,
);
