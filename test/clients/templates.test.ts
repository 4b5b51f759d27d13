// Every field that docker's own client prints with a template, printed by ours: the same text, for every kind of object.
import { expect, test } from 'vitest';
import { type CliName, cli } from '../harness/clis.ts';
import { testNeeding } from '../harness/needs.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

async function ok(name: CliName, ...args: string[]): Promise<string> {
  const { stdout, stderr, code } = await cli(fixture.daemon, name, args);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return stdout;
}

/** All paths through objects, as templates name them. */
function paths(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path];
  const entries = Object.entries(value).filter(([key]) => /^[A-Za-z_]\w*$/.test(key));
  return [...(path === '' ? [] : [path]), ...entries.flatMap(([key, item]) => paths(item, `${path}.${key}`))];
}

/** The fields whose names differ. */
function goNames(path: string): string {
  return path
    .replace(/\.Id$/, '.ID')
    .replace(/\.Cpu(Count|Percent|Period|Quota|Realtime|Shares)/, '.CPU$1')
    .replace(/\.NanoCpus/, '.NanoCPUs')
    .replace(/\.Dns/, '.DNS');
}

/** An address of memory is another one in every process. */
const isComparable = (line: string) => !/=.*0x[0-9a-f]{8}/.test(line);

testNeeding('docker')('each field of what inspect shows prints as with docker', async () => {
  const { daemon } = fixture;
  await ok('tsdocker', 'volume', 'create', '--label', 'a=b', 'vol');
  await ok('tsdocker', 'network', 'create', '--label', 'a=b', '--subnet', '10.77.0.0/24', 'n');
  const flags = `--name c --restart on-failure:3 -p 8080:80 -v vol:/v -v /tmp:/t:ro --mount type=tmpfs,dst=/m,tmpfs-size=1m --network n
    --log-opt max-size=1m --label a=b --health-cmd true --health-interval 90s --ulimit nofile=10:20 --device /dev/null --tmpfs /x
    --stop-timeout 3 --add-host h:1.2.3.4 --cap-add SYS_TIME --sysctl net.core.somaxconn=9 --init`;
  await ok('tsdocker', 'run', '-d', ...flags.split(/\s+/), 'busybox', 'sleep', '1000');
  for (const [kind, name, least] of [
    ['container', 'c', 150],
    ['image', 'busybox', 20],
    ['network', 'n', 15],
    ['volume', 'vol', 6],
  ] as const) {
    const [value] = JSON.parse(await ok('docker', 'inspect', '--type', kind, name)) as unknown[];
    const all = paths(value);
    expect(all.length, kind).toBeGreaterThan(least);
    const differing: unknown[] = [];
    // With a name that only the JSON has, both print all of a template as JSON: so a second one has Go's names only.
    const typed = all.map(goNames);
    for (const template of [all, typed].map((list) => list.map((path) => `${path}={{${path}}}`).join('\n'))) {
      const show = async (program: CliName) =>
        (await ok(program, 'inspect', '--type', kind, '-f', template, name)).split('\n');
      const wanted = await show('docker');
      const shown = await show('tsdocker');
      for (const [i, line] of wanted.entries()) {
        if (line !== shown[i] && isComparable(line)) differing.push([line, shown[i]]);
      }
    }
    expect(differing, kind).toEqual([]);
  }
  await daemon.api.send('DELETE', '/containers/c?force=1');
  await daemon.api.send('DELETE', '/networks/n');
});

test('a struct inside another is shown, not its address', async () => {
  await ok('tsdocker', 'run', '-d', '--name', 'c', 'busybox', 'sleep', '1000');
  expect(await ok('tsdocker', 'inspect', '-f', '{{.NetworkSettings.Networks}}', 'c')).toMatch(
    /^map\[bridge:&\{<nil> \[\] \[\] 02:42/,
  );
});
