// Which image a reference means: with images that are here, and a registry that can be asked.
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { resolveImage } from '../../../daemon/build/sources/image-resolver.ts';
import { holdLayers } from '../../../daemon/build/steps/layers-result.ts';
import { hostPlatform } from '../../../daemon/images/documents/platform.ts';
import type { PullOptions } from '../../../daemon/images/registry-service.ts';
import { noCredentials } from '../../../daemon/registry/registry-session.ts';
import { StoreFixture } from '../images/store-fixture.ts';
import { file, rawTarStream } from '../jail/raw-tar.ts';

const fixture = new StoreFixture();
const host = hostPlatform();
const foreign = { os: 'linux', architecture: 's390x' };
const index = `sha256:${'1'.repeat(64)}`;
let here = '';
let pulls: PullOptions[] = [];
let onPull: (options: PullOptions) => Promise<void> = async () => undefined;
const told: unknown[] = [];
const needs = {
  get catalogue() {
    return fixture.catalogue;
  },
  registry: {
    pull: async (options: PullOptions) => {
      pulls.push(options);
      await onPull(options);
    },
    distribution: async () => ({ descriptor: { mediaType: '', digest: index, size: 1 }, platforms: [] }),
  },
};

function resolve(reference: string, more: { platform?: typeof foreign; pulls?: boolean; signal?: AbortSignal } = {}) {
  const auth = (registry: string) => ({ ...noCredentials, username: registry });
  const tell = (...status: unknown[]): void => void told.push(status);
  const { signal } = new AbortController();
  return resolveImage(needs, reference, { platform: host, pulls: false, auth, tell, signal, ...more });
}

beforeEach(async () => {
  here = await fixture.import([file('a', '1')], 'base:1');
  pulls = [];
  told.length = 0;
  onPull = async () => undefined;
});
afterAll(() => fixture.close());

describe('an image that is here', () => {
  test.each([
    ['base:1', 'docker.io/library/base:1'],
    ['docker.io/library/base:1', 'docker.io/library/base:1'],
  ])('%s', async (reference, shown) => {
    using image = await resolve(reference);
    expect(image).toMatchObject({ imageId: here, reference: shown, config: { os: 'linux' } });
    expect(pulls).toEqual([]);
  });

  test('by its id, or the beginning of it', async () => {
    for (const id of [here, here.slice(7), here.slice(7, 27)]) {
      using image = await resolve(id, { pulls: true });
      expect(image).toMatchObject({ imageId: here, reference: id, digest: undefined });
    }
    expect(pulls).toEqual([]);
    await expect(resolve(`sha256:${'f'.repeat(64)}`)).rejects.toMatchObject({ code: 'not-found' });
  });

  test('keeps its layers when its names go', async () => {
    await fixture.import([file('only', 'here')], 'only');
    const image = await resolve('only');
    await fixture.remove('only', { force: true, noPrune: false });
    fixture.catalogue.collect();
    expect(() => fixture.catalogue.topLayer(image.imageId)).toThrow(/No such image/);
    const files = holdLayers(fixture.storage.layers, image.topLayer);
    image[Symbol.dispose]();
    fixture.catalogue.collect();
    expect(fixture.storage.layers.has(files.top ?? -1)).toBe(true);
    files[Symbol.dispose]();
    fixture.catalogue.collect();
    expect(fixture.storage.layers.has(files.top ?? -1)).toBe(false);
  });
});

describe('a registry is asked', () => {
  test('for what is not here, with its own credentials, and its progress is told', async () => {
    onPull = async ({ onProgress }) => {
      onProgress({ status: 'Pulling from library/new', id: 'latest' });
      onProgress({ status: 'Downloading', id: 'abc', progressDetail: { current: 1, total: 2 } });
      onProgress({ status: 'Download complete', id: 'abc', progressDetail: {} });
      onProgress({ status: 'Extracting', id: 'abc', progressDetail: { current: 1, total: 2 } });
      onProgress({ status: 'Pull complete', id: 'abc', progressDetail: {} });
      await fixture.import([file('b', '1')], 'new:latest');
    };
    using image = await resolve('new');
    expect(image.reference).toBe('docker.io/library/new:latest');
    expect(pulls).toMatchObject([{ image: 'new:latest', tag: '', credentials: { username: 'docker.io' } }]);
    expect(told).toEqual([
      ['downloading abc', 1, 2, false],
      ['downloading abc', 2, 2, true],
      ['extracting abc', 1, 2, false],
      ['extracting abc', 2, 2, true],
    ]);
  });

  test('for what is here, when it is to', async () => {
    using image = await resolve('base:1', { pulls: true });
    expect(image.imageId).toBe(here);
    expect(pulls).toHaveLength(1);
  });

  test('for another platform by digest: the name stays with the host’s own', async () => {
    onPull = async ({ image, platform }) => {
      expect(image).toBe(`base@${index}`);
      expect(platform).toBe('linux/s390x');
      const id = await fixture.store.importTar(rawTarStream([file('b', 'foreign')]), {
        repo: '',
        tag: '',
        message: '',
        changes: [],
        platform: 'linux/s390x',
      });
      fixture.catalogue.parts.tables.setDigest('docker.io/library/base', index, id);
    };
    using image = await resolve('base:1', { platform: foreign });
    expect(image).toMatchObject({ digest: index, config: { architecture: 's390x' } });
    expect(fixture.catalogue.get('base:1').id).toBe(here);
  });

  test('and what it says is what is thrown', async () => {
    onPull = async () => {
      throw new Error('no such thing');
    };
    await expect(resolve('none')).rejects.toThrow(/no such thing/);
    await expect(resolve('Upper')).rejects.toMatchObject({ code: 'invalid' });
    const cancel = new AbortController();
    cancel.abort(new Error('stopped'));
    await expect(resolve('base:1', { signal: cancel.signal })).rejects.toThrow(/stopped/);
  });
});
