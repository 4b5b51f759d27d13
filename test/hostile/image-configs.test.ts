// Configs of images with values that nobody would build, and names of images that nobody would give: refused in words, or harmless in what a
// container does with them.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EvilRegistry } from '../harness/evil-registry.ts';
import { imageNames, load, pull, type Transfer, watched } from '../harness/image-transfers.ts';
import { jsonTwice, workMs } from '../harness/pace.ts';
import {
  busyboxEntries,
  dockerArchive,
  type RawImage,
  type RawLayer,
  rawImage,
  rawLayer,
} from '../harness/raw-image.ts';
import { Tripwire } from '../harness/tripwire.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon({ image: false, dataInMemory: 'size=1g' });
let registry: EvilRegistry;
let wire: Tripwire;
let layer: RawLayer;
let good: RawImage;

beforeAll(async () => {
  registry = await EvilRegistry.start(fixture.daemon.network);
  wire = new Tripwire();
  const out = { name: 'out', type: 'symlink', linkname: wire.dir };
  layer = await rawLayer([...busyboxEntries(), out]);
  good = rawImage({ layers: [layer] });
});
beforeEach(async () => {
  registry.reset();
  // Its layer stays, and is not unpacked again for each.
  await load(fixture.daemon, dockerArchive(good, 'good:1'));
});
afterEach(async () => {
  wire.check();
  // The fixture starts it again, and says what its last words were.
  if (!fixture.daemon.isRunning) return;
  await fixture.daemon.removeAllContainers();
  for (const name of (await imageNames(fixture.daemon)).filter((one) => one !== 'good:1'))
    await fixture.daemon.api.send('DELETE', `/images/${encodeURIComponent(name)}?force=1`);
});
afterAll(async () => {
  await registry.close();
  wire.remove();
});

const ways = ['pull', 'load'] as const;
type Way = (typeof ways)[number];
function bring(way: Way, config: Record<string, unknown> | Buffer): Promise<Transfer> {
  const image = rawImage({ layers: [layer], config });
  if (way === 'load') return load(fixture.daemon, dockerArchive(image, 'evil:latest'));
  return pull(fixture.daemon, registry.hold(image, 'evil'));
}
const nameOf = (way: Way) => (way === 'pull' ? `${registry.host}/evil:latest` : 'evil:latest');
const names = (count: number, name: (i: number) => string) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [name(i), {}]));
const each = <T>(table: Record<string, T>) =>
  Object.keys(table).flatMap((name) => ways.map((way) => [name, way] as const));

describe('a config that is refused has', () => {
  const refused: Record<string, Record<string, unknown>> = {
    'a User that is a number': { User: 0 },
    'a User with a NUL': { User: 'root\0x' },
    'a WorkingDir that is a list': { WorkingDir: ['/'] },
    'an Env that is text': { Env: 'PATH=/bin' },
    'an Env of numbers': { Env: [7] },
    'an Env with a NUL': { Env: ['A=b\0LD_PRELOAD=/x'] },
    'an Env of a million': { Env: Array(1_000_000).fill('A=b') },
    'an Entrypoint that is an object': { Entrypoint: { 0: '/x' } },
    'a Cmd with null in it': { Cmd: ['/x', null] },
    'Labels that are a list': { Labels: ['a'] },
    'Labels that are numbers': { Labels: { a: 7 } },
    'ExposedPorts that are text': { ExposedPorts: '80' },
    'Volumes that are a list': { Volumes: ['/x'] },
    'a StopSignal that is a number': { StopSignal: 9 },
    'a Healthcheck that is text': { Healthcheck: 'CMD x' },
    'a Healthcheck whose Test is text': { Healthcheck: { Test: 'x' } },
    'a Healthcheck whose Test holds a list': { Healthcheck: { Test: ['CMD', ['x']] } },
    'a Healthcheck of half a nanosecond': { Healthcheck: { Test: ['CMD', 'x'], Interval: 0.5 } },
    'a Healthcheck beyond all years': { Healthcheck: { Test: ['CMD', 'x'], Interval: 1e300 } },
  };
  test.each(each(refused))('%s, by %s', async (name, way) => {
    const config = refused[name] as Record<string, unknown>;
    const seen = await watched(fixture.daemon, bring(way, { config }));
    const key = Object.keys(config)[0] as string;
    // One million parts are too much before anybody looks at what they are.
    expect(seen.result.error, seen.result.text).toMatch(new RegExp(`image config: .*(${key}|too much)`));
    expect(seen.pingMs).toBeLessThan(100 * seen.usualMs);
    expect(await imageNames(fixture.daemon)).toEqual(['good:1']);
  });
});

describe('a config that is taken, or refused, without harm has', () => {
  const strange: Record<string, () => Record<string, unknown>> = {
    'a User that does not exist': () => ({ User: 'nobody-of-this-name' }),
    'a User beyond all numbers': () => ({ User: '99999999999999:-1' }),
    'a User of a megabyte': () => ({ User: 'u'.repeat(1 << 20) }),
    'a WorkingDir outside': () => ({ WorkingDir: `${'../'.repeat(20)}${wire.dir.slice(1)}/new` }),
    'a WorkingDir below a link to the host': () => ({ WorkingDir: '/out/new' }),
    'a WorkingDir that is a file': () => ({ WorkingDir: '/hello' }),
    'a WorkingDir in /proc': () => ({ WorkingDir: '/proc/self/fd/3' }),
    'a WorkingDir of a megabyte': () => ({ WorkingDir: `/${'w/'.repeat(1 << 19)}` }),
    'an Env for the loader and for Node': () => ({
      Env: ['LD_PRELOAD=/hello', 'LD_LIBRARY_PATH=/', 'NODE_OPTIONS=--require /hello', 'PATH=', '=', 'x', ''],
    }),
    'an Env with line ends': () => ({ Env: ['A=1\nB=2\r\n\x1b[31m'] }),
    'an Env of a megabyte': () => ({ Env: [`A=${'x'.repeat(1 << 20)}`] }),
    'an Env of ten thousand': () => ({ Env: Array.from({ length: 10_000 }, (_, i) => `V${i}=x`) }),
    'a label of a megabyte': () => ({ Labels: { big: 'x'.repeat(1 << 20) } }),
    'fifty thousand labels': () => ({
      Labels: Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`l${i}`, ''])),
    }),
    'labels named like a prototype': () => ({
      Labels: JSON.parse('{"__proto__":"x","constructor":"y","toString":"z"}') as unknown,
    }),
    'ports that are none': () => ({
      ExposedPorts: names(4, (i) => ['99999/tcp', '../x', '80/bogus', '-1'][i] as string),
    }),
    'ports from the first to the last': () => ({ ExposedPorts: { '1-65535/tcp': {} } }),
    'ten thousand ports': () => ({ ExposedPorts: names(10_000, (i) => `${i + 1}/tcp`) }),
    'a volume outside': () => ({ Volumes: { [`${'../'.repeat(20)}${wire.dir.slice(1)}`]: {} } }),
    'a volume at a link to the host': () => ({ Volumes: { '/out/new': {} } }),
    'a volume that is the root': () => ({ Volumes: { '/': {} } }),
    'a volume over /proc': () => ({ Volumes: { '/proc': {}, '/proc/self': {} } }),
    'a volume of no name': () => ({ Volumes: { '': {}, relative: {}, '/a:/b:rw': {} } }),
    'a volume with a NUL': () => ({ Volumes: { '/a\0b': {} } }),
    'ten thousand volumes': () => ({ Volumes: names(10_000, (i) => `/v${i}`) }),
    'a StopSignal that is none': () => ({ StopSignal: 'SIGNOPE; rm -rf /' }),
    'a StopSignal beyond the last': () => ({ StopSignal: '99999' }),
    'a Healthcheck of negative times': () => ({ Healthcheck: { Test: ['CMD', 'x'], Interval: -1, Retries: -1 } }),
    'a Healthcheck of a kind that is none': () => ({ Healthcheck: { Test: ['EVIL', 'x'] } }),
    'a Healthcheck of a megabyte': () => ({ Healthcheck: { Test: ['CMD-SHELL', 'x'.repeat(1 << 20)] } }),
    'a Cmd of a hundred thousand words': () => ({ Cmd: Array(90_000).fill('x') }),
  };
  test.each(each(strange))('%s, by %s', async (name, way) => {
    const { daemon } = fixture;
    const { api } = daemon;
    const config = { Cmd: ['/bin/busybox', 'true'], ...(strange[name] as () => Record<string, unknown>)() };
    const brought = await bring(way, { config });
    expect(brought.error ?? '').not.toMatch(/internal error/);
    if (brought.error !== undefined) {
      expect(await imageNames(daemon)).toEqual(['good:1']);
      return;
    }
    const use = async () => {
      expect((await api.send('GET', `/images/${encodeURIComponent(nameOf(way))}/json`)).status).toBe(200);
      const body = { Image: nameOf(way), HostConfig: { NetworkMode: 'none' } };
      const made = await api.send('POST', '/containers/create', { body });
      if (made.status !== 201) {
        expect(made.status, made.text.slice(0, 300)).toBe(400);
        return;
      }
      const { Id } = made.json as { Id: string };
      const started = await api.send('POST', `/containers/${Id}/start`);
      expect([204, 400], started.text.slice(0, 300)).toContain(started.status);
      expect((await api.send('GET', `/containers/${Id}/json`)).status).toBe(200);
      expect((await api.send('DELETE', `/containers/${Id}?force=1&v=1`)).status).toBe(204);
    };
    const seen = await watched(daemon, use());
    // In one piece it may be copied, written and read some times, however large it is.
    const passMs = workMs(() => jsonTwice(config));
    expect(seen.pingMs).toBeLessThan(Math.max(100 * seen.usualMs, 5 * passMs));
    // Whatever it was, others are not touched.
    expect((await api.send('GET', '/images/json')).status).toBe(200);
  });
});

describe('a name that is none', () => {
  const bad: Record<string, string> = {
    'a parent': '../x',
    'parents inside': 'a/../../x',
    'a parent, escaped': 'localhost/..%2f..%2fx',
    'an empty component': 'a//b',
    'a slash at the end': 'a/',
    'a slash at the beginning': '/a',
    dots: '..',
    capitals: 'Evil',
    'letters of another alphabet': 'ünïcode',
    'three hundred characters': 'a'.repeat(300),
    'a hundred thousand characters': 'a-'.repeat(50_000),
    'a NUL': 'a\0b',
    'a line end': 'a\n',
    'an option': '-x',
    'an address': 'http://evil/x',
    'a host that is none': '[::1/x',
    'a tag too many': 'a:b:c',
    'a digest as a tag': 'a:sha256:abc',
    'a short digest': 'a@sha256:abc',
    'a digest with a path': `a@sha256:${'a'.repeat(60)}/../`,
    'an unknown digest': 'a@md5:d41d8cd98f00b204e9800998ecf8427e',
    'an id': 'a'.repeat(64),
  };
  const q = encodeURIComponent;
  const calls: Record<string, (name: string) => [string, string]> = {
    'to pull': (name) => ['POST', `/images/create?fromImage=${q(name)}`],
    'to pull, apart from its tag': (name) => ['POST', `/images/create?fromImage=good&tag=${q(name)}`],
    'to tag': (name) => ['POST', `/images/good:1/tag?repo=${q(name)}`],
    'to tag, as the tag': (name) => ['POST', `/images/good:1/tag?repo=x&tag=${q(name)}`],
    'to push': (name) => ['POST', `/images/${q(name)}/push`],
    'to save': (name) => ['GET', `/images/get?names=${q(name)}`],
    'to remove': (name) => ['DELETE', `/images/${q(name)}`],
    'to look at': (name) => ['GET', `/images/${q(name)}/json`],
    'to ask a registry for': (name) => ['GET', `/distribution/${q(name)}/json`],
    'to run': () => ['POST', '/containers/create'],
  };
  // A tag may have capitals and dots inside.
  const isTag = (name: string) => /^[\w][\w.-]{0,127}$/.test(name);

  test.each(Object.keys(calls))('%s', async (call) => {
    const { daemon } = fixture;
    for (const [what, name] of Object.entries(bad)) {
      if (/ tag$/.test(call) && isTag(name)) continue;
      const [method, path] = (calls[call] as (name: string) => [string, string])(name);
      const body = call === 'to run' ? { body: { Image: name } } : {};
      const begun = performance.now();
      const answer = await daemon.api.send(method, path, { ...body, timeoutMs: 5000 });
      // Refused as what it is, or not found; too long an address is refused before it is read.
      const expected = /pull|to tag/.test(call) ? [400, 414, 431] : [400, 404, 414, 431];
      expect(expected, `${what}: ${answer.status} ${answer.text.slice(0, 300)}`).toContain(answer.status);
      expect(performance.now() - begun, what).toBeLessThan(3000);
    }
    wire.check();
    expect(await imageNames(daemon)).toEqual(['good:1']);
  });

  test('in an archive', async () => {
    const { daemon } = fixture;
    for (const [what, name] of Object.entries(bad)) {
      // With a tag it is a name like others.
      if (what === 'an id') continue;
      const result = await load(daemon, dockerArchive(good, name.includes(':') ? name : `${name}:1`));
      expect(result.error, what).toMatch(/invalid|name|reference/);
      expect(await imageNames(daemon)).toEqual(['good:1']);
    }
  });
});
