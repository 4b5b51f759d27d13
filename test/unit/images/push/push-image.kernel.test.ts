// Pushing, against a registry in memory that checks what it gets as a real one does.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { ProgressMessage } from '../../../../daemon/docker-types/progress.ts';
import { pushImages } from '../../../../daemon/images/push/push-image.ts';
import { noCredentials, type Registries, type RegistrySession } from '../../../../daemon/registry/registry-session.ts';
import { dir, file, rawTar } from '../../jail/raw-tar.ts';
import { contentOf, put, StoreFixture } from '../store-fixture.ts';

const fixture = new StoreFixture();
afterAll(() => fixture.close());

function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

class MemoryRegistry {
  readonly blobs = new Map<string, Map<string, Buffer>>();
  readonly manifests = new Map<string, Buffer>();
  readonly uploads: string[] = [];
  mayMount = true;
  failAt: string | undefined;
  atOnce = 0;
  most = 0;

  readonly registries: Pick<Registries, 'open'> = {
    open: (repository) => this.#session(repository),
  };

  #session(repository: string): RegistrySession {
    const mine = this.blobs.get(repository) ?? new Map<string, Buffer>();
    this.blobs.set(repository, mine);
    const session: Partial<RegistrySession> = {
      repository,
      [Symbol.dispose]: () => {},
      headBlob: async (digest) => mine.get(digest)?.length,
      mountBlob: async (digest, from) => {
        const found = this.blobs.get(from)?.get(digest);
        if (found === undefined || !this.mayMount) return false;
        mine.set(digest, found);
        return true;
      },
      uploadBlob: async (blob, open, options) => {
        this.most = Math.max(this.most, ++this.atOnce);
        const bytes = await contentOf(open());
        this.atOnce--;
        if (this.failAt === blob.digest) throw new Error('the registry is on fire');
        expect([digestOf(bytes), bytes.length]).toEqual([blob.digest, blob.size]);
        options?.onProgress?.(bytes.length);
        this.uploads.push(blob.digest);
        mine.set(blob.digest, bytes);
      },
      putManifest: async (reference, mediaType, bytes) => {
        const { config, layers, ...more } = JSON.parse(Buffer.from(bytes).toString());
        expect(more.mediaType).toBe(mediaType);
        for (const { digest, size } of [config, ...layers]) expect(mine.get(digest)?.length, digest).toBe(size);
        this.manifests.set(`${repository}:${reference}`, Buffer.from(bytes));
        return digestOf(Buffer.from(bytes));
      },
    };
    return session as RegistrySession;
  }
}

let registry = new MemoryRegistry();
beforeEach(() => {
  registry = new MemoryRegistry();
  fixture.events.length = 0;
});

async function push(ref: string, more = {}): Promise<string[]> {
  const lines: ProgressMessage[] = [];
  const options = {
    tag: '',
    credentials: noCredentials,
    tell: (line: ProgressMessage) => void lines.push(line),
    ...more,
  };
  await pushImages(fixture.catalogue, registry.registries as Registries, ref, options);
  return lines.map(({ status, id, aux }) => (aux !== undefined ? JSON.stringify(aux) : `${id ?? '-'} ${status}`));
}

async function twoLayers(name: string, words: string): Promise<string> {
  const base = await fixture.import([dir('etc'), file('etc/conf', words.repeat(5000))]);
  const box = await fixture.create(base);
  fixture.inRoot(box, () => put('more', words));
  const id = await fixture.commit(box, base, { repo: name, tag: '1' });
  fixture.containers.remove(box);
  return id;
}

describe('push', () => {
  test('sends what is missing, in Docker’s words, and remembers the digest', async () => {
    const id = await twoLayers('r.test/a', 'first');
    const lines = await push('r.test/a:1');
    const { RootFS, RepoDigests } = fixture.inspect(id);
    const [lower, upper] = (RootFS.Layers ?? []).map((diffId) => diffId.slice(7, 19)) as [string, string];
    expect(lines[0]).toBe('- The push refers to repository [r.test/a]');
    expect(lines.slice(1, 3)).toEqual([`${upper} Preparing`, `${lower} Preparing`]);
    expect(lines).toContain(`${lower} Pushed`);
    const manifest = registry.manifests.get('r.test/a:1') as Buffer;
    const digest = digestOf(manifest);
    expect(lines.slice(-2)).toEqual([
      `- 1: digest: ${digest} size: ${manifest.length}`,
      JSON.stringify({ Tag: '1', Digest: digest, Size: manifest.length }),
    ]);
    expect(RepoDigests).toEqual([`r.test/a@${digest}`]);
    expect(fixture.events).toContainEqual({ action: 'push', id: 'r.test/a:1', attributes: { name: 'r.test/a' } });
    const { layers, mediaType } = JSON.parse(String(manifest));
    expect(mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
    const packed = registry.blobs.get('r.test/a')?.get(layers[0].digest) as Buffer;
    expect(digestOf(gunzipSync(packed))).toBe(RootFS.Layers?.[0]);
    // No time, no name in the gzip header: nothing that differs the next time.
    expect(packed.subarray(3, 8)).toEqual(Buffer.alloc(5));
  });

  test('again it sends nothing, elsewhere it is mounted, and the digest stays', async () => {
    const id = await twoLayers('r.test/b', 'second');
    await push('r.test/b:1');
    const sent = registry.uploads.length;
    expect((await push('r.test/b:1')).filter((line) => line.endsWith('Layer already exists'))).toHaveLength(2);
    fixture.store.tag(id, 'r.test/c/d', '2');
    const lines = await push('r.test/c/d', { tag: '2' });
    expect(lines.filter((line) => line.endsWith('Mounted from b'))).toHaveLength(2);
    // The config.
    expect(registry.uploads).toHaveLength(sent + 1);
    expect(digestOf(registry.manifests.get('r.test/c/d:2') as Buffer)).toBe(
      digestOf(registry.manifests.get('r.test/b:1') as Buffer),
    );
    registry.mayMount = false;
    fixture.store.tag(id, 'r.test/e', '2');
    expect((await push('r.test/e:2')).filter((line) => line.endsWith('Pushed'))).toHaveLength(2);
  });

  test('a layer is packed to the same bytes by another engine', async () => {
    const other = new StoreFixture();
    try {
      const entries = [dir('x'), file('x/y', Buffer.alloc(700_000, 'ab'))];
      const blobs: string[] = [];
      for (const each of [fixture, other]) {
        await each.import(entries, 'r.test/same:1');
        registry = new MemoryRegistry();
        await pushImages(each.catalogue, registry.registries as Registries, 'r.test/same:1', {
          tag: '',
          credentials: noCredentials,
          tell: () => {},
        });
        blobs.push(JSON.parse(String(registry.manifests.get('r.test/same:1'))).layers[0].digest);
      }
      expect(blobs[0]).toBe(blobs[1]);
    } finally {
      await other.close();
    }
  });

  test('what came from outside goes out bit for bit', async () => {
    const layer = gzipSync(rawTar([file('odd', 'x'.repeat(100_000))]), { level: 9 });
    const config = JSON.stringify(
      { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digestOf(gunzipSync(layer))] } },
      undefined,
      7,
    );
    const describe = (mediaType: string, bytes: Buffer | string) => ({
      mediaType,
      digest: digestOf(bytes),
      size: Buffer.byteLength(bytes),
    });
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: [describe('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
      annotations: { of: 'somebody' },
    });
    const index = {
      schemaVersion: 2,
      manifests: [
        {
          ...describe('application/vnd.oci.image.manifest.v1+json', manifest),
          annotations: { 'org.opencontainers.image.ref.name': 'r.test/odd:1' },
        },
      ],
    };
    const entries = [
      file('index.json', JSON.stringify(index)),
      ...[layer, config, manifest].map((bytes) => file(`blobs/sha256/${digestOf(bytes).slice(7)}`, bytes)),
    ];
    await fixture.store.load(Readable.from([rawTar(entries)]), { quiet: true, tell: () => {} });
    await push('r.test/odd:1');
    expect(String(registry.manifests.get('r.test/odd:1'))).toBe(manifest);
  });

  test('a plain layer that was loaded is packed for it, and takes no second place afterwards', async () => {
    const layer = rawTar([file('plain', 'x'.repeat(200_000))]);
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    });
    const entries = [
      file('layer.tar', layer),
      file('c.json', config),
      file(
        'manifest.json',
        JSON.stringify([{ Config: 'c.json', RepoTags: ['r.test/plain:1'], Layers: ['layer.tar'] }]),
      ),
    ];
    await fixture.store.load(Readable.from([rawTar(entries)]), { quiet: true, tell: () => {} });
    await push('r.test/plain:1');
    const [blob] = JSON.parse(String(registry.manifests.get('r.test/plain:1'))).layers;
    expect(digestOf(gunzipSync(readFileSync(join(fixture.path, 'content/blobs/sha256', blob.digest.slice(7)))))).toBe(
      digestOf(layer),
    );
    expect(fixture.catalogue.parts.blobs.layerBlobs(digestOf(layer))).toHaveLength(1);
  });

  test('all tags of a repository', async () => {
    const id = await twoLayers('r.test/all', 'third');
    fixture.store.tag(id, 'r.test/all', '2');
    expect((await push('r.test/all')).filter((line) => line.includes('digest:'))).toHaveLength(2);
    expect([...registry.manifests.keys()]).toEqual(['r.test/all:1', 'r.test/all:2']);
  });

  test('a failure in the middle leaves no manifest and no digest', async () => {
    const id = await twoLayers('r.test/fail', 'fourth');
    registry.failAt = id;
    await expect(push('r.test/fail:1')).rejects.toThrow(/on fire/);
    expect([...registry.manifests.keys()]).toEqual([]);
    expect(fixture.inspect(id).RepoDigests).toEqual([]);
    registry.failAt = undefined;
    await push('r.test/fail:1');
    expect(registry.most).toBeLessThanOrEqual(5);
  });

  test.each([
    ['r.test/nothing:1', /An image does not exist locally with the tag: r\.test\/nothing/],
    ['r.test/all:9', /tag does not exist: r\.test\/all:9/],
    [`r.test/all@sha256:${'0'.repeat(64)}`, /cannot push a digest reference/],
    ['UPPER', /must be lowercase/],
  ])('%s is refused', async (ref, why) => {
    await expect(push(ref)).rejects.toThrow(why);
    expect(registry.uploads).toEqual([]);
  });

  test('a platform that it does not have', async () => {
    await expect(push('r.test/all:1', { platform: { os: 'linux', architecture: 's390x' } })).rejects.toThrow(
      /does not provide the specified platform/,
    );
  });
});
