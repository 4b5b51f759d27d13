// Pulling, seen from the registry's side: what is asked of it, how often, and from which byte on.
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { inNetworkNamespace } from '../../native-bindings/namespaces.ts';
import { eventually } from '../harness/eventually.ts';
import { tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const OCI = 'application/vnd.oci.image';
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

interface Held {
  bytes: Buffer;
  type: string;
}

/** Serves blobs with ranges. `holdBack`: of a blob's bytes only so many leave, then the connection stands still. */
class Registry {
  readonly asked: { path: string; range: string | undefined }[] = [];
  readonly sent = new Map<string, number>();
  readonly held = new Map<string, Held>();
  holdBack: { path: string; bytes: number } | undefined;
  /** What is answered with a Content-Encoding that nobody asked for. */
  packs: (path: string) => boolean = () => false;
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));

  listen(namespacePath: string): void {
    const fd = openSync(namespacePath, 'r');
    inNetworkNamespace(fd, () => this.#server.listen(0));
    closeSync(fd);
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  count(path: string): number {
    return this.asked.filter((one) => one.path === path).length;
  }

  forget(): void {
    this.asked.length = 0;
    this.sent.clear();
    this.holdBack = undefined;
    this.packs = () => false;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').replace(/^\/v2\//, '');
    const { range } = request.headers;
    this.asked.push({ path, range });
    const found = this.held.get(path);
    if (found === undefined) {
      response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const total = found.bytes.length;
    if (this.packs(path)) {
      const packed = gzipSync(found.bytes);
      response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': packed.length }).end(packed);
      return;
    }
    const headers: Record<string, string | number> = { 'Content-Type': found.type, 'Content-Length': total - from };
    if (from > 0) headers['Content-Range'] = `bytes ${from}-${total - 1}/${total}`;
    response.writeHead(from > 0 ? 206 : 200, headers);
    const stop = this.holdBack?.path === path ? this.holdBack.bytes : total;
    const bytes = found.bytes.subarray(from, Math.max(from, stop));
    this.sent.set(path, (this.sent.get(path) ?? 0) + bytes.length);
    if (stop < total) response.write(bytes);
    else response.end(bytes);
  }
}

interface Image {
  name: string;
  digest: string;
  id: string;
  layers: { path: string; bytes: Buffer }[];
}

interface Oddity {
  /** Media types, as the manifest says them. */
  configType?: string;
  layerType?: string;
  /** Of the config's JSON. */
  architecture?: string;
}

function makeImage(registry: Registry, name: string, files: Buffer[], odd: Oddity = {}): Image {
  const tars = files.map((data, i) => tarOf([{ name: `file-${i}`, data }]));
  const hold = (bytes: Buffer, type: string) => {
    registry.held.set(`${name}/blobs/${sha256(bytes)}`, { bytes, type: 'application/octet-stream' });
    return { mediaType: /[/]|^$/.test(type) ? type : `${OCI}.${type}`, digest: sha256(bytes), size: bytes.length };
  };
  const packed = tars.map((tar) => gzipSync(tar, { level: 1 }));
  const urls = odd.layerType === undefined ? {} : { urls: ['http://127.0.0.1:9/elsewhere'] };
  const layers = packed.map((bytes) => ({ ...hold(bytes, odd.layerType ?? 'layer.v1.tar+gzip'), ...urls }));
  const rootfs = { type: 'layers', diff_ids: tars.map(sha256) };
  const json = JSON.stringify({ architecture: odd.architecture ?? 'amd64', os: 'linux', rootfs });
  const config = hold(Buffer.from(json), odd.configType ?? 'config.v1+json');
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config, layers }),
  );
  const digest = sha256(manifest);
  for (const reference of ['1', digest]) {
    registry.held.set(`${name}/manifests/${reference}`, { bytes: manifest, type: `${OCI}.manifest.v1+json` });
  }
  const paths = packed.map((bytes) => ({ path: `${name}/blobs/${sha256(bytes)}`, bytes }));
  return { name, digest, id: config.digest, layers: paths };
}

describe('pull', () => {
  const fixture = useDaemon({ image: false });
  const registry = new Registry();
  beforeAll(() => registry.listen(fixture.daemon.network.path));
  afterAll(() => registry.close());
  afterEach(async () => {
    for (const image of (await fixture.daemon.api.call<{ Id: string }[]>('GET', '/images/json')) ?? []) {
      await fixture.daemon.api.call('DELETE', `/images/${image.Id}?force=1`);
    }
    registry.forget();
  });

  const pull = async (name: string, tag: string, platform = '') => {
    const query = `fromImage=${encodeURIComponent(`${registry.host}/${name}`)}&tag=${encodeURIComponent(tag)}&platform=${platform}`;
    const answer = await fixture.daemon.api.send('POST', `/images/create?${query}`);
    const lines = answer.text.split('\r\n').filter((line) => line !== '');
    return { status: answer.status, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
  };
  const statuses = (lines: Record<string, unknown>[]) => lines.map(({ status }) => String(status));

  test('tells what docker tells, names the image by tag and digest, and has nothing to do the second time', async () => {
    const image = makeImage(registry, 'words', [randomBytes(1000), randomBytes(2000)]);
    const first = await pull('words', '1');
    const words = statuses(first.lines);
    expect(words[0]).toBe('Pulling from words');
    for (const word of ['Pulling fs layer', 'Verifying Checksum', 'Download complete', 'Pull complete']) {
      expect(words.filter((status) => status === word)).toHaveLength(2);
    }
    expect(words.slice(-2)).toEqual([
      `Digest: ${image.digest}`,
      `Status: Downloaded newer image for ${registry.host}/words:1`,
    ]);
    const inspect = await fixture.daemon.api.call('GET', `/images/${registry.host}/words:1/json`);
    expect(inspect).toMatchObject({
      Id: image.id,
      RepoTags: [`${registry.host}/words:1`],
      RepoDigests: [`${registry.host}/words@${image.digest}`],
    });
    const second = await pull('words', '1');
    expect(statuses(second.lines)).toEqual([
      'Pulling from words',
      `Digest: ${image.digest}`,
      `Status: Image is up to date for ${registry.host}/words:1`,
    ]);
    expect(registry.count(image.layers[0]?.path ?? '')).toBe(1);
  });

  test('by digest gives the same image without a tag', async () => {
    const image = makeImage(registry, 'by-digest', [randomBytes(1000)]);
    const { lines } = await pull('by-digest', image.digest);
    expect(statuses(lines).at(-1)).toBe(
      `Status: Downloaded newer image for ${registry.host}/by-digest@${image.digest}`,
    );
    const { RepoTags } = await fixture.daemon.api.call(
      'GET',
      `/images/${registry.host}/by-digest@${image.digest}/json`,
    );
    expect(RepoTags).toEqual([]);
    const listed = async (dangling: string) => {
      const filters = encodeURIComponent(JSON.stringify({ dangling: [dangling] }));
      const images = await fixture.daemon.api.call<{ Id: string }[]>('GET', `/images/json?filters=${filters}`);
      return images.map(({ Id }) => Id);
    };
    expect(await listed('true')).toEqual([image.id]);
    expect(await listed('false')).toEqual([image.id]);
    const pruned = await fixture.daemon.api.call('POST', '/images/prune');
    expect(JSON.stringify(pruned)).toContain(image.id);
  });

  test.each(['application/octet-stream', 'application/json', 'text/html', ''])(
    'a config that the manifest calls %j is one, as for docker',
    async (configType) => {
      const image = makeImage(registry, 'config-type', [randomBytes(1000)], { configType });
      expect(statuses((await pull('config-type', '1')).lines).at(-1)).toMatch(/^Status: Downloaded newer image/);
      const { Id } = await fixture.daemon.api.call('GET', `/images/${registry.host}/config-type:1/json`);
      expect(Id).toBe(image.id);
    },
  );

  test.each([
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ])('a foreign layer (%s) is taken when the registry has it, and fetched from nowhere else', async (layerType) => {
    const image = makeImage(registry, 'foreign', [randomBytes(1000)], { layerType });
    expect(statuses((await pull('foreign', '1')).lines).at(-1)).toMatch(/^Status: Downloaded newer image/);
    await fixture.daemon.api.call('DELETE', `/images/${image.id}?force=1`);
    registry.held.delete(image.layers[0]?.path ?? '');
    const { lines } = await pull('foreign', '1');
    expect(String(lines.at(-1)?.error)).toMatch(
      /^layer sha256:.*the registry does not have it, and foreign layers are not/,
    );
    // What was begun is kept for another try; the tests behind this one count what is there.
    await fixture.daemon.api.call('POST', '/images/prune');
  });

  test('what is packed once more on the way is unpacked again', async () => {
    makeImage(registry, 'encoded', [randomBytes(300_000), Buffer.alloc(2_000_000, 'x')]);
    registry.packs = () => true;
    expect(statuses((await pull('encoded', '1')).lines).at(-1)).toMatch(/^Status: Downloaded newer image/);
  });

  test('an image for another platform than the one that was asked for is taken, with a warning', async () => {
    makeImage(registry, 'elsewhere', [randomBytes(1000)], { architecture: 's390x' });
    const warned = statuses((await pull('elsewhere', '1', 'linux/riscv64')).lines);
    expect(warned.slice(-2)).toEqual([
      `Status: Downloaded newer image for ${registry.host}/elsewhere:1`,
      `WARNING: image with reference ${registry.host}/elsewhere:1 was found but its platform (linux/s390x) does not match the specified platform (linux/riscv64)`,
    ]);
    for (const platform of ['', 'linux/s390x']) {
      expect(statuses((await pull('elsewhere', '1', platform)).lines).at(-1)).toMatch(/^Status: Image is up to date/);
    }
    const bad = await pull('elsewhere', '1', 'foo');
    expect([bad.status, bad.lines[0]?.message]).toEqual([400, expect.stringMatching(/unknown operating system/)]);
  });

  test('what is not there is 404 in docker’s words', async () => {
    const { status, lines } = await pull('nothing', '1');
    expect(status).toBe(404);
    expect(lines[0]?.message).toBe(
      `manifest for ${registry.host}/nothing:1 not found: manifest unknown: manifest unknown`,
    );
  });

  test('by ten clients at once downloads each blob once', async () => {
    const image = makeImage(registry, 'ten', [randomBytes(3_000_000), randomBytes(2_000_000)]);
    const answers = await Promise.all(Array.from({ length: 10 }, () => pull('ten', '1')));
    for (const { lines } of answers) expect(statuses(lines)).toContain(`Digest: ${image.digest}`);
    expect(image.layers.map(({ path }) => registry.count(path))).toEqual([1, 1]);
    expect(registry.count(`ten/blobs/${image.id}`)).toBe(1);
  });

  test('goes on where it was when the daemon was killed in the middle', async () => {
    const image = makeImage(registry, 'killed', [randomBytes(8_000_000), randomBytes(1000)]);
    const [large] = image.layers;
    if (large === undefined) throw new Error('the image has no layer');
    registry.holdBack = { path: large.path, bytes: 5_000_000 };
    const cut = pull('killed', '1').catch(() => undefined);
    const ingest = `${fixture.daemon.dataRoot}/content/ingest`;
    await eventually('part of the blob has come', () => {
      return (registry.sent.get(large.path) ?? 0) > 0 && readdirSync(ingest).includes(large.path.slice(-64));
    });
    await eventually('it is on the disk', () => statSync(`${ingest}/${large.path.slice(-64)}`).size >= 4_000_000);
    await fixture.daemon.crash();
    await cut;
    await fixture.daemon.start();
    expect(await fixture.daemon.api.call('GET', '/images/json')).toEqual([]);
    registry.forget();
    const { lines } = await pull('killed', '1');
    expect(statuses(lines)).toContain(`Digest: ${image.digest}`);
    const from = Number(
      /^bytes=(\d+)-$/.exec(registry.asked.find(({ path }) => path === large.path)?.range ?? '')?.[1],
    );
    expect(from).toBeGreaterThanOrEqual(4_000_000);
    expect(registry.sent.get(large.path)).toBe(large.bytes.length - from);
    expect(readdirSync(ingest)).toEqual([]);
  });

  test('ends when its only client leaves, and goes on for the next one', async () => {
    const image = makeImage(registry, 'left', [randomBytes(4_000_000)]);
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('the image has no layer');
    registry.holdBack = { path: layer.path, bytes: 1_000_000 };
    const query = `fromImage=${encodeURIComponent(`${registry.host}/left`)}&tag=1`;
    const leaver = fixture.daemon.api.send('POST', `/images/create?${query}`, { timeoutMs: 500 }).catch(() => 'left');
    await eventually('the download has begun', () => registry.count(layer.path) > 0);
    expect(await leaver).toBe('left');
    registry.holdBack = undefined;
    const { lines } = await pull('left', '1');
    expect(statuses(lines)).toContain(`Digest: ${image.digest}`);
    expect(registry.count(layer.path)).toBe(2);
  });
});
