// Registries that want more than their own credentials: redirects, token servers, page links, upload places and foreign layers on another
// host. What went where is read from the requests that arrived, not from what the daemon says.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EvilRegistry, type Rule, reply, when } from '../harness/evil-registry.ts';
import { imageNames, pull, push, watched } from '../harness/image-transfers.ts';
import { busyboxEntries, media, type RawImage, type RawLayer, rawImage, rawLayer } from '../harness/raw-image.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon({ image: false });
let registry: EvilRegistry;
let layer: RawLayer;
let good: RawImage;
const auth = { username: 'joe', password: 'hunter2-secret' };
const basic = `Basic ${Buffer.from('joe:hunter2-secret').toString('base64')}`;

beforeAll(async () => {
  registry = await EvilRegistry.start(fixture.daemon.network);
  layer = await rawLayer(busyboxEntries());
  good = rawImage({ layers: [layer] });
});
beforeEach(() => registry.reset());
afterEach(async () => {
  // Whatever happened: no secret in the daemon's log, and none at the other host.
  expect(fixture.daemon.log()).not.toMatch(/hunter2|token-of-joe/);
  for (const name of await imageNames(fixture.daemon)) {
    await fixture.daemon.api.send('DELETE', `/images/${encodeURIComponent(name)}?force=1`);
  }
});
afterAll(() => registry.close());

const blobPath = () => `/blobs/${layer.descriptor.digest}`;
const pullEvil = () => pull(fixture.daemon, registry.hold(good, 'evil'), { auth });

/** The registry wants a user's name and password at every request. */
const basicOnly: Rule = ({ host, headers }) =>
  host === 'registry' && headers.authorization !== basic
    ? reply.status(401, { 'WWW-Authenticate': 'Basic realm="r"' })
    : undefined;

/** The registry wants a token of this realm. */
const bearer =
  (realm: string): Rule =>
  ({ host, headers, url }) =>
    host === 'registry' && url.startsWith('/v2/') && headers.authorization !== 'Bearer token-of-joe'
      ? reply.status(401, { 'WWW-Authenticate': `Bearer realm="${realm}",service="s",scope="repository:evil:pull"` })
      : undefined;

function expectNothingGivenAway(): void {
  for (const { headers } of registry.seen.filter(({ host }) => host === 'other')) {
    expect(headers.authorization).toBeUndefined();
    expect(headers.cookie).toBeUndefined();
    expect(JSON.stringify(headers)).not.toMatch(/joe|hunter2/);
  }
}

describe('the registry gets the credentials', () => {
  test('basic: asked for once, not sent before', async () => {
    registry.rules = [basicOnly];
    expect((await pullEvil()).error).toBeUndefined();
    expect(registry.seen[0]?.headers.authorization).toBeUndefined();
    expect(registry.requests(blobPath())[0]?.headers.authorization).toBe(basic);
  });

  test('a token from its own realm', async () => {
    registry.rules = [
      bearer(`http://${registry.host}/token`),
      when('/token', reply.bytes('{"token":"token-of-joe"}', { 'Content-Type': 'application/json' })),
    ];
    expect((await pullEvil()).error).toBeUndefined();
    expect(registry.requests('/token')[0]?.headers.authorization).toBe(basic);
    expect(registry.requests('/v2/').some(({ headers }) => headers.authorization === basic)).toBe(false);
  });

  test('none are known: the error says so', async () => {
    registry.rules = [basicOnly];
    const result = await pull(fixture.daemon, registry.hold(good, 'evil'));
    expect(result.error).toMatch(/no basic auth credentials|unauthorized|authentication required|docker login/i);
    expect(await imageNames(fixture.daemon)).toEqual([]);
  });
});

describe('another host gets nothing', () => {
  test('a blob that is redirected there comes, without the credentials', async () => {
    registry.rules = [
      basicOnly,
      (request) =>
        request.host === 'registry' && request.url.includes('/blobs/')
          ? (response) => {
              response.writeHead(307, {
                Location: `http://${registry.otherHost}${request.url}`,
                'Set-Cookie': 'joe=1',
              });
              response.end();
            }
          : undefined,
    ];
    expect((await pullEvil()).error).toBeUndefined();
    expect(registry.requests('/blobs/', 'other').length).toBeGreaterThan(0);
    expectNothingGivenAway();
  });

  test('a challenge of the host that a redirect leads to is not answered', async () => {
    registry.rules = [
      basicOnly,
      ({ host }) => (host === 'other' ? reply.status(401, { 'WWW-Authenticate': 'Basic realm="r"' }) : undefined),
      when('/blobs/', reply.redirect(`http://${registry.otherHost}/blobs/x`)),
    ];
    expect((await pullEvil()).error).toBeDefined();
    expect(registry.requests('', 'other').length).toBeGreaterThan(0);
    expectNothingGivenAway();
  });

  test('a layer with an address of its own', async () => {
    const urls = [`http://${registry.otherHost}/foreign`];
    const foreign = { ...layer, descriptor: { ...layer.descriptor, mediaType: media.dockerForeign, urls } };
    registry.rules = [basicOnly];
    const reference = registry.hold(rawImage({ layers: [foreign] }), 'evil');
    await pull(fixture.daemon, reference, { auth });
    expectNothingGivenAway();
  });

  test('the next page of tags', async () => {
    registry.hold(good, 'evil', 'a');
    registry.rules = [
      basicOnly,
      ({ host, url }) =>
        host === 'registry' && url.includes('/tags/list')
          ? reply.bytes('{"name":"evil","tags":["a"]}', {
              'Content-Type': 'application/json',
              Link: `<http://${registry.otherHost}/v2/evil/tags/list?last=a>; rel="next"`,
            })
          : undefined,
    ];
    await pull(fixture.daemon, `${registry.host}/evil`, { auth });
    expectNothingGivenAway();
  });

  test('the place to upload to', async () => {
    const reference = registry.hold(good, 'evil');
    expect((await pull(fixture.daemon, reference)).error).toBeUndefined();
    const target = `${registry.host}/victim`;
    await fixture.daemon.api.post(`/images/${encodeURIComponent(reference)}/tag?repo=${target}&tag=1`);
    registry.rules = [
      basicOnly,
      ({ host, method, url }) =>
        host === 'registry' && method === 'POST' && url.includes('/blobs/uploads')
          ? reply.status(202, { Location: `http://${registry.otherHost}/steal` })
          : undefined,
      ({ host, method }) => (host === 'other' && method !== 'GET' ? reply.status(201) : undefined),
    ];
    await push(fixture.daemon, target, '1', { auth });
    expect(registry.requests('/blobs/uploads', 'registry').length).toBeGreaterThan(0);
    expectNothingGivenAway();
  });
});

describe('a token server', () => {
  const realms: Record<string, () => string> = {
    'a file': () => 'file:///etc/passwd',
    'an address without a scheme': () => '//169.254.169.254/latest',
    'the cloud’s own address': () => 'http://169.254.169.254/latest/meta-data',
    'no address at all': () => 'nonsense',
    'a scheme that is none of the web’s': () => `gopher://${registry.otherHost}/`,
    'credentials in the address': () => `http://x:y@${registry.otherHost}/token`,
  };
  test.each(Object.keys(realms))('%s is not asked', async (name) => {
    registry.rules = [bearer((realms[name] as () => string)())];
    const result = await pullEvil();
    expect(result.error).toBeDefined();
    expect(result.error).not.toMatch(/root:|hunter2/);
    expect(registry.requests('', 'other')).toEqual([]);
  });

  const answers: Record<string, Parameters<typeof when>[1]> = {
    'two gigabytes': reply.endless(Buffer.alloc(1 << 16, 'x'), { 'Content-Type': 'application/json' }),
    'a token of ten megabytes': reply.bytes(JSON.stringify({ token: 'x'.repeat(10 << 20) })),
    'a token with a line end': reply.bytes(JSON.stringify({ token: 'x\r\nX-Injected: 1' })),
    'a token that is none': reply.bytes(JSON.stringify({ token: { a: 1 } })),
    'no JSON': reply.bytes('<html>'),
    'an error': reply.status(500),
  };
  test.each(Object.keys(answers))('that answers with %s', async (name) => {
    registry.rules = [
      bearer(`http://${registry.host}/token`),
      when('/token', answers[name] as Parameters<typeof when>[1]),
    ];
    const seen = await watched(fixture.daemon, pullEvil());
    expect(seen.result.error).toBeDefined();
    expect(seen.grownBytes).toBeLessThan(100 << 20);
    expect(registry.seen.some(({ headers }) => 'x-injected' in headers)).toBe(false);
    expect(await imageNames(fixture.daemon)).toEqual([]);
  });

  test('challenges without end are not answered without end', async () => {
    registry.rules = [
      when('/token', reply.bytes('{"token":"refused"}')),
      when(
        '/v2/',
        reply.status(401, { 'WWW-Authenticate': `Bearer realm="http://${registry.host}/token",service="s"` }),
      ),
    ];
    expect((await pullEvil()).error).toMatch(/unauthorized|denied|401/i);
    expect(registry.seen.length).toBeLessThan(20);
  });
});

describe('X-Registry-Auth', () => {
  test.each([
    '%%%',
    'bm90IGpzb24',
    Buffer.from('[]').toString('base64url'),
    Buffer.from('{"username":7}').toString('base64url'),
    'A'.repeat(100_000),
  ])('garbage is refused or nobody’s: %.12s', async (header) => {
    const { daemon } = fixture;
    registry.rules = [basicOnly];
    registry.hold(good, 'evil');
    const path = `/images/create?fromImage=${registry.host}/evil&tag=latest`;
    const answer = await daemon.api
      .send('POST', path, { headers: { 'X-Registry-Auth': header } })
      .catch(() => undefined);
    expect(answer?.status ?? 431).toBeGreaterThanOrEqual(400);
    expect(await imageNames(daemon)).toEqual([]);
  });
});
