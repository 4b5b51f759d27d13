// The registry client against servers that say what a test tells them: who gets which credentials, what is repeated, what is refused.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { OCI_MANIFEST } from '../../../daemon/content/media-types.ts';
import { Connections } from '../../../daemon/registry/connections.ts';
import { hop } from '../../../daemon/registry/http-hop.ts';
import { HttpRegistries } from '../../../daemon/registry/http-registries.ts';
import { type Credentials, noCredentials } from '../../../daemon/registry/registry-session.ts';
import {
  defaultRegistryOptions,
  type RegistryOptions,
  RegistrySettings,
} from '../../../daemon/registry/registry-settings.ts';
import { type Answer, ScriptedRegistry } from './scripted-registry.ts';

const servers: ScriptedRegistry[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serve(answer: Answer): Promise<ScriptedRegistry> {
  const server = await ScriptedRegistry.start(answer);
  servers.push(server);
  return server;
}

const registries = (options: Partial<RegistryOptions> = {}) =>
  new HttpRegistries({ ...defaultRegistryOptions, retryPauseMs: 1, certsDirectory: '/nonexistent', ...options });
const alice: Credentials = { ...noCredentials, username: 'alice', password: 'secret' };
const aliceBasic = `Basic ${Buffer.from('alice:secret').toString('base64')}`;
const bytes = Buffer.from('{"schemaVersion":2}');
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const manifest: Answer = (_, response) => response.writeHead(200, { 'Content-Type': OCI_MANIFEST }).end(bytes);
const deny =
  (challenge: string): Answer =>
  (_, response) =>
    response
      .writeHead(401, { 'WWW-Authenticate': challenge })
      .end('{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}');

describe('credentials', () => {
  test('are sent after a basic challenge, not before', async () => {
    const server = await serve((asked, response) =>
      asked.authorization === aliceBasic ? manifest(asked, response) : deny('Basic realm="r"')(asked, response),
    );
    using session = registries().open(`${server.host}/a`, alice, 'pull');
    expect((await session.manifest('1')).digest).toBe(digest);
    expect(server.asked.map(({ authorization }) => authorization)).toEqual([undefined, aliceBasic]);
  });

  test('are exchanged for a token of the repository’s scope, once for requests at the same time', async () => {
    const realm = await serve((_, response) => response.end('{"token":"tok"}'));
    const server = await serve((asked, response) =>
      asked.authorization === 'Bearer tok'
        ? manifest(asked, response)
        : deny(`Bearer realm="http://${realm.host}/token",service="reg"`)(asked, response),
    );
    using session = registries().open(`${server.host}/a/b`, alice, 'pull');
    await Promise.all([session.manifest('1'), session.manifest('2'), session.manifest('3')]);
    expect(realm.urls).toEqual(['GET /token?service=reg&scope=repository%3Aa%2Fb%3Apull&account=alice']);
    expect(realm.asked[0]?.authorization).toBe(aliceBasic);
  });

  test('an identity token goes to the realm as a form', async () => {
    const realm = await serve((_, response) => response.end('{"access_token":"tok"}'));
    const server = await serve((asked, response) =>
      asked.authorization === 'Bearer tok'
        ? manifest(asked, response)
        : deny(`Bearer realm="http://${realm.host}/t",service="s"`)(asked, response),
    );
    using session = registries().open(`${server.host}/a`, { ...noCredentials, identityToken: 'refresh' }, 'pull');
    await session.manifest('1');
    const form = new URLSearchParams(realm.asked[0]?.body);
    expect(realm.asked[0]?.method).toBe('POST');
    expect(Object.fromEntries(form)).toMatchObject({
      grant_type: 'refresh_token',
      refresh_token: 'refresh',
      service: 's',
    });
  });

  test('stay with the registry when it redirects', async () => {
    const other = await serve((_, response) => response.end('blob'));
    const server = await serve((asked, response) => {
      if (asked.authorization === undefined) deny('Basic')(asked, response);
      else response.writeHead(307, { Location: `http://${other.host}/elsewhere` }).end();
    });
    using session = registries().open(`${server.host}/a`, alice, 'pull');
    expect((await buffer((await session.blob(digest)).stream)).toString()).toBe('blob');
    expect(other.asked[0]?.authorization).toBeUndefined();
  });

  test('are not in the words of an error', async () => {
    const server = await serve(deny('Basic realm="r"'));
    using session = registries().open(`${server.host}/a`, alice, 'pull');
    const error = await session.manifest('1').catch((caught: Error) => caught);
    expect(String(error)).not.toMatch(/secret|YWxpY2/);
  });

  test('a token with a line break in it is refused', async () => {
    const realm = await serve((_, response) => response.end(JSON.stringify({ token: 'a\r\nX: y' })));
    const server = await serve(deny(`Bearer realm="http://${realm.host}/t"`));
    using session = registries().open(`${server.host}/a`, noCredentials, 'pull');
    await expect(session.manifest('1')).rejects.toThrow('cannot be a token');
  });
});

describe('a mirror', () => {
  test('is asked first and without the user’s credentials; the registry when it has nothing', async () => {
    const mirror = await serve(deny('Basic realm="mirror"'));
    const server = await serve((asked, response) =>
      asked.authorization === undefined ? deny('Basic')(asked, response) : manifest(asked, response),
    );
    const options = { mirrorsOf: { [server.host]: [`http://${mirror.host}/proxy`] } };
    using session = registries(options).open(`${server.host}/a`, alice, 'pull');
    expect((await session.manifest('1')).digest).toBe(digest);
    expect(mirror.urls).toEqual(['GET /proxy/v2/a/manifests/1']);
    expect(mirror.asked.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  test('that gives other bytes than the digest is passed over', async () => {
    const mirror = await serve((_, response) => response.end('{}'));
    const server = await serve(manifest);
    const options = { mirrorsOf: { [server.host]: [`http://${mirror.host}`] } };
    using session = registries(options).open(`${server.host}/a`, noCredentials, 'pull');
    expect((await session.manifest(digest)).bytes).toEqual(bytes);
  });

  test('on this host gives others no right to lead there', async () => {
    const secret = await serve(manifest);
    const here = await serve((_, response) => response.writeHead(404).end());
    const proxy = await serve((_, response) => response.writeHead(302, { Location: `http://${secret.host}/` }).end());
    const options = {
      mirrorsOf: { 'registry.test': [`http://${here.host}`, 'http://elsewhere.test'] },
      proxies: { HTTP_PROXY: `http://${proxy.host}` },
      maxAttempts: 1,
    };
    using session = registries(options).open('registry.test/a', noCredentials, 'pull');
    await expect(session.manifest('1')).rejects.toThrow();
    expect([here.asked.length, proxy.asked.length, secret.asked.length]).toEqual([1, 1, 0]);
  });
});

describe('what may pass is repeated', () => {
  test('too many requests and errors of the server; what is final is not', async () => {
    const answers = [429, 503, 500];
    const server = await serve((asked, response) => {
      const status = answers.shift();
      if (status === undefined) manifest(asked, response);
      else response.writeHead(status, { 'Retry-After': '0' }).end();
    });
    using session = registries().open(`${server.host}/a`, noCredentials, 'pull');
    await session.manifest('1');
    expect(server.asked).toHaveLength(4);
    answers.push(404);
    await expect(session.manifest('2')).rejects.toThrow('404');
    expect(server.asked).toHaveLength(5);
  });

  test('but not for ever', async () => {
    const server = await serve((_, response) => response.writeHead(500).end());
    using session = registries({ maxAttempts: 3 }).open(`${server.host}/a`, noCredentials, 'pull');
    await expect(session.manifest('1')).rejects.toThrow('500');
    expect(server.asked).toHaveLength(3);
  });
});

describe('limits', () => {
  test.each<[string, Answer, string]>([
    ['a manifest without end', (_, response) => void response.write(Buffer.alloc(5 * 1024 * 1024)), 'larger than'],
    [
      'redirects in a circle',
      (asked, response) => response.writeHead(302, { Location: asked.url }).end(),
      'too many redirects',
    ],
    [
      'a redirect to a file',
      (_, response) => response.writeHead(302, { Location: 'file:///etc/passwd' }).end(),
      'no http',
    ],
    [
      'bytes encoded unasked',
      (_, response) => response.writeHead(200, { 'Content-Encoding': 'br' }).end('x'),
      'encoded as br',
    ],
  ])('%s ends in an error', async (_, answer, message) => {
    const server = await serve(answer);
    using session = registries().open(`${server.host}/a`, noCredentials, 'pull');
    await expect(session.manifest('1')).rejects.toThrow(message);
  });

  test('another range than the one that was asked for is refused', async () => {
    const server = await serve((_, response) =>
      response.writeHead(206, { 'Content-Range': 'bytes 0-9/10' }).end('0123456789'),
    );
    using session = registries().open(`${server.host}/a`, noCredentials, 'pull');
    await expect(session.blob(digest, { offset: 5 })).rejects.toThrow('another range');
  });
});

describe('all tags', () => {
  test('come page by page; the next page has to be of the same list', async () => {
    const server = await serve((asked, response) => {
      if (asked.url === '/v2/a/tags/list') {
        response.writeHead(200, { Link: '</v2/a/tags/list?last=1>; rel="next"' }).end('{"tags":["1"]}');
      } else if (asked.url.endsWith('last=1')) response.end('{"tags":["2"]}');
      else response.writeHead(200, { Link: '<http://other.example/v2/b/tags/list>; rel="next"' }).end('{"tags":[]}');
    });
    using session = registries().open(`${server.host}/a`, noCredentials, 'pull');
    expect(await session.tags()).toEqual(['1', '2']);
    using lied = registries().open(`${server.host}/b`, noCredentials, 'pull');
    await expect(lied.tags()).rejects.toThrow('somewhere else');
  });
});

describe('an upload', () => {
  const uploads: Answer = (asked, response) => {
    if (asked.method === 'POST') response.writeHead(202, { Location: '/up/1?state=a' }).end();
    else if (asked.method === 'PATCH') response.writeHead(202, { Location: '/up/1?state=b' }).end();
    else response.writeHead(201).end();
  };

  test('goes where the registry says, and ends with the digest', async () => {
    const server = await serve(uploads);
    using session = registries().open(`${server.host}/a`, noCredentials, 'push');
    const sent: number[] = [];
    const blob = { mediaType: 'x', digest, size: bytes.length };
    await session.uploadBlob(blob, () => Readable.from([bytes]), { onProgress: (count) => sent.push(count) });
    expect(server.urls).toEqual([
      'POST /v2/a/blobs/uploads/',
      'PATCH /up/1?state=a',
      `PUT /up/1?state=b&digest=${encodeURIComponent(digest)}`,
    ]);
    expect(server.asked[1]?.body).toBe(bytes.toString());
    expect(sent.at(-1)).toBe(bytes.length);
  });

  test('is not sent to another host', async () => {
    const server = await serve((_, response) => response.writeHead(202, { Location: 'http://127.0.0.1:1/x' }).end());
    using session = registries().open(`${server.host}/a`, noCredentials, 'push');
    const blob = { mediaType: 'x', digest, size: 1 };
    await expect(session.uploadBlob(blob, () => Readable.from([bytes]))).rejects.toThrow('refused');
  });
});

describe('a login', () => {
  test('tells wrong passwords as unauthorized, and gives the refresh token of a good one', async () => {
    const realm = await serve((asked, response) =>
      asked.authorization === aliceBasic
        ? response.end('{"token":"t","refresh_token":"later"}')
        : response.writeHead(401).end(),
    );
    const server = await serve((asked, response) =>
      asked.authorization === 'Bearer t'
        ? response.end()
        : deny(`Bearer realm="http://${realm.host}/t"`)(asked, response),
    );
    expect(await registries().login(server.host, alice)).toBe('later');
    await expect(registries().login(server.host, { ...alice, password: 'x' })).rejects.toMatchObject({
      code: 'unauthorized',
    });
  });
});

test('an answer that never gets further than its interim ones is given up', async () => {
  const server = await serve((_, response) => {
    const timer = setInterval(() => response.writeProcessing(), 20);
    response.once('close', () => clearInterval(timer));
  });
  using connections = new Connections(new RegistrySettings(defaultRegistryOptions));
  const url = new URL(`http://${server.host}/v2/`);
  connections.trust(url);
  await expect(hop(connections, { method: 'GET', url, headers: {}, idleMs: 100 })).rejects.toThrow(
    /no answer in 0.4 s/,
  );
});
