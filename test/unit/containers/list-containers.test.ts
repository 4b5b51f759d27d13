// A list of many containers: what it asks of the images and the layers does not grow with their number.
import { expect, test, vi } from 'vitest';
import { listContainers } from '../../../daemon/containers/seen/list-containers.ts';
import type { ImageRecord } from '../../../daemon/images/image-service.ts';
import { specOf } from '../spec/spec-of.ts';
import { containerOf } from './container-of.ts';

const imageIds: Record<string, string> = { one: 'sha256:1', two: 'sha256:2' };

function image(id: string): ImageRecord {
  const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers' as const, diff_ids: [] } };
  return { id, parentId: undefined, sizeBytes: 1000, config };
}

function manyContainers(count: number) {
  const containers = Array.from({ length: count }, (_, n) => {
    const name = n % 2 === 0 ? 'one' : 'two';
    return containerOf({
      ...{ id: n.toString(16).padStart(64, '0'), name: `c${n}`, imageId: imageIds[name] ?? '' },
      createdNs: `${1_000_000_000_000 + n}`,
      spec: specOf({ Links: n < 50 ? [`${'0'.repeat(64)}:a${n}`] : null }, { Image: n === 3 ? 'gone' : name }),
    });
  });
  const byId = new Map(containers.map((container) => [container.id, container]));
  const images = {
    resolve: vi.fn((ref: string) => (ref in imageIds ? image(imageIds[ref] ?? '') : undefined)),
    byId: vi.fn(image),
  };
  const layers = { usages: vi.fn(async (ids: readonly string[]) => new Map(ids.map((id, n) => [id, n]))) };
  const services = {
    ...{ images, layers, volumes: { mountpoint: () => '' } },
    networks: { sandboxes: { of: () => undefined } },
    store: {
      all: () => byId.values(),
      find: (ref: string) => byId.get(ref),
      get: (ref: string) => {
        throw new Error(`nobody asks for ${ref}`);
      },
    },
  };
  return { services, images, layers };
}

const options = (filters: Record<string, string[]> = {}) => ({
  ...{ all: true, limit: 0, filters: new Map(Object.entries(filters)) },
});

test.each([10, 1000])('a list of %i asks once for each image, and once for all sizes', async (count) => {
  const { services, images, layers } = manyContainers(count);
  const found = await listContainers(services, { ...options(), size: true });
  expect(found).toHaveLength(count);
  expect(images.resolve).toHaveBeenCalledTimes(3);
  expect(images.byId).toHaveBeenCalledTimes(2);
  expect(layers.usages).toHaveBeenCalledTimes(1);
  expect(found.at(-1)).toMatchObject({ imageName: 'one', sizes: { writtenBytes: count - 1, imageBytes: 1000 } });
  expect(found.at(-1)?.linkNames.slice(0, 2)).toEqual([
    { by: 'c0', alias: 'a0' },
    { by: 'c1', alias: 'a1' },
  ]);
  // Its name means nothing any more.
  expect(found.at(-4)).toMatchObject({ imageName: undefined, record: { imageId: 'sha256:2' } });
});

test('the filter ancestor looks at each image once', async () => {
  const { services, images } = manyContainers(1000);
  const found = await listContainers(services, { ...options({ ancestor: ['one'] }), size: false });
  expect(found).toHaveLength(500);
  expect(images.byId.mock.calls.length).toBeLessThanOrEqual(3);
});
