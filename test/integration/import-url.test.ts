// `import URL`: the daemon fetches the tar itself, from a server on its own loopback.
import { closeSync, openSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inNetworkNamespace } from '../../native-bindings/namespaces.ts';
import { cli, cliNames } from '../harness/clis.ts';
import { run } from '../harness/containers.ts';
import { busyboxEntries } from '../harness/raw-image.ts';
import { tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon({ image: false });
const tar = tarOf(busyboxEntries('from afar'));
const answers: Record<string, (response: ServerResponse, request: IncomingMessage) => void> = {
  '/fs.tar': (response) => response.writeHead(200, { 'Content-Length': tar.length }).end(tar),
  '/fs.tar.gz': (response) => response.end(gzipSync(tar)),
  '/moved': (response) => response.writeHead(302, { Location: '/fs.tar' }).end(),
  '/circle': (response) => response.writeHead(302, { Location: '/circle' }).end(),
  '/file': (response) => response.writeHead(302, { Location: 'file:///etc/passwd' }).end(),
  '/short': (response) => {
    response.writeHead(200, { 'Content-Length': tar.length });
    response.write(tar.subarray(0, 100_000), () => response.destroy());
  },
  '/words': (response) => response.end('<html>not a tar, but a page of some length</html>'.repeat(20)),
};
const server: Server = createServer((request, response) => {
  const answer = answers[request.url ?? ''];
  if (answer === undefined) response.writeHead(404).end('nothing here');
  else answer(response, request);
});
let base = '';
beforeAll(() => {
  const fd = openSync(fixture.daemon.network.path, 'r');
  inNetworkNamespace(fd, () => server.listen(0));
  closeSync(fd);
  base = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function fetched(source: string, query = ''): Promise<{ status: number; lines: Record<string, unknown>[] }> {
  const path = `/images/create?fromSrc=${encodeURIComponent(source)}${query}`;
  const { status, text } = await fixture.daemon.api.send('POST', path);
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  return { status, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test.each(['fs.tar', 'fs.tar.gz', 'moved'])('of %s makes an image, with or without a scheme', async (name) => {
  for (const scheme of ['http://', '']) {
    const { status, lines } = await fetched(`${scheme}${base}/${name}`, '&repo=afar&tag=1&changes=ENV%20A=1');
    expect([status, lines[0]?.status]).toEqual([200, `Downloading from http://${base}/${name}`]);
    expect(lines.at(-1)?.status).toMatch(/^sha256:[0-9a-f]{64}$/);
    const { stdout } = await run(fixture.daemon, ['/bin/busybox', 'cat', '/hello'], { Image: 'afar:1' });
    expect(stdout).toBe('hello from afar\n');
    const { Comment } = await fixture.daemon.api.get<{ Comment: string }>('/images/afar:1/json');
    expect(Comment).toBe(`Imported from ${scheme}${base}/${name}`);
  }
  await fixture.daemon.api.delete('/images/afar:1');
});

test.each(cliNames)('with %s', async (name) => {
  const { code, stdout } = await cli(fixture.daemon, name, ['import', `http://${base}/fs.tar`, 'afar:cli']);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/sha256:[0-9a-f]{64}\s*$/)]);
  await fixture.daemon.api.delete('/images/afar:cli');
});

test.each<[string, string, number, RegExp]>([
  ['what is not there', '/nothing', 404, /failed to GET http:.*\/nothing with status 404/],
  ['a redirect in a circle', '/circle', 400, /more than 10 redirects/],
  ['a redirect to a file', '/file', 400, /no http or https URL/],
  ['no tar', '/words', 200, /tar/],
  ['what breaks off', '/short', 200, /./],
])('%s is told, and nothing is made', async (_, path, status, why) => {
  const answer = await fetched(`http://${base}${path}`, '&repo=never&tag=1');
  expect(answer.status).toBe(status);
  const last = answer.lines.at(-1);
  expect(String(status === 200 ? last?.error : last?.message)).toMatch(why);
  expect((await fixture.daemon.api.send('GET', '/images/never:1/json')).status).toBe(404);
});

test('what is no URL, no name or no platform is refused before anybody is asked', async () => {
  expect((await fetched('ftp://127.0.0.1/x')).status).toBe(400);
  expect((await fetched('http://')).status).toBe(400);
  for (const query of ['&repo=UPPER', '&platform=foo', '&changes=RUN%20x']) {
    expect((await fetched('http://127.0.0.1:9/x', query)).status).toBe(400);
  }
  const closed = await fetched('http://127.0.0.1:9/x');
  expect([closed.status, String(closed.lines[0]?.message)]).toEqual([500, expect.stringMatching(/ECONNREFUSED/)]);
});

test('a push that fails after its head ends with the error', async () => {
  await fetched(`${base}/fs.tar`, '&repo=127.0.0.1:9/x&tag=1');
  const { status, text } = await fixture.daemon.api.send('POST', '/images/127.0.0.1:9/x/push?tag=1');
  const last = JSON.parse(text.trim().split('\r\n').at(-1) ?? '{}') as { error?: string; errorDetail?: object };
  expect([status, last.error, last.errorDetail]).toEqual([
    200,
    expect.stringMatching(/ECONNREFUSED/),
    { message: last.error },
  ]);
});
