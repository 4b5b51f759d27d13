// Docker's objects of our images, to the byte: clients get their keys in docker's order.
import { describe, expect, test } from 'vitest';
import {
  distributionView,
  historyView,
  inspectView,
  pruneView,
  removedView,
  summaryView,
} from '../../../daemon/docker-api/views/image-view.ts';
import type { SeenImage } from '../../../daemon/images/image-service.ts';

const id = `sha256:${'1'.repeat(64)}`;
const digest = `sha256:${'2'.repeat(64)}`;
const names = [
  { repository: 'docker.io/library/box', tag: '1' },
  { repository: 'docker.io/team/app', tag: 'v' },
  { repository: 'docker.io/library/box', digest },
  { repository: 'localhost:5000/a/b', digest },
];

describe('inspect', () => {
  test('of an image that says everything', () => {
    const seen: SeenImage = {
      image: {
        id,
        parentId: digest,
        sizeBytes: 7,
        config: {
          architecture: 'arm',
          variant: 'v7',
          os: 'linux',
          'os.version': '1',
          created: '2020-01-01T00:00:00.5Z',
          author: 'me',
          comment: 'why',
          container: 'c',
          docker_version: '28',
          container_config: { Cmd: ['made'] },
          config: { Cmd: ['run'] },
          rootfs: { type: 'layers', diff_ids: ['sha256:low', 'sha256:high'] },
        },
      },
      names,
      taggedAt: '2021-01-01T00:00:00Z',
      layerDirs: ['/l/3', '/l/2', '/l/1'],
    };
    expect(JSON.stringify(inspectView(seen))).toBe(
      `{"Id":"${id}","RepoTags":["box:1","team/app:v"],"RepoDigests":["box@${digest}","localhost:5000/a/b@${digest}"],` +
        `"Parent":"${digest}","Comment":"why","Created":"2020-01-01T00:00:00.5Z","Container":"c",` +
        '"ContainerConfig":{"Cmd":["made"]},"DockerVersion":"28","Author":"me","Config":{"Cmd":["run"]},' +
        '"Architecture":"arm","Variant":"v7","Os":"linux","OsVersion":"1","Size":7,' +
        '"GraphDriver":{"Name":"overlay2","Data":{"UpperDir":"/l/3","LowerDir":"/l/2:/l/1"}},' +
        '"RootFS":{"Type":"layers","Layers":["sha256:low","sha256:high"]},"Metadata":{"LastTagTime":"2021-01-01T00:00:00Z"}}',
    );
  });

  test('of one that says nothing and has nothing', () => {
    const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers' as const, diff_ids: [] } };
    const image = { id, parentId: undefined, sizeBytes: 0, config };
    expect(JSON.stringify(inspectView({ image, names: [], taggedAt: '', layerDirs: [] }))).toBe(
      `{"Id":"${id}","RepoTags":[],"RepoDigests":[],"Parent":"","Comment":"","Created":"0001-01-01T00:00:00Z",` +
        '"Container":"","ContainerConfig":{},"DockerVersion":"","Author":"","Config":null,"Architecture":"amd64",' +
        '"Os":"linux","Size":0,"GraphDriver":{"Name":"overlay2","Data":{}},"RootFS":{"Type":"layers","Layers":[]},' +
        '"Metadata":{"LastTagTime":"0001-01-01T00:00:00Z"}}',
    );
  });
});

test('in a list', () => {
  const image = { id, parentId: digest, names, createdSeconds: 5, sizeBytes: 7, labels: { a: 'b' }, containers: 2 };
  expect(JSON.stringify(summaryView({ ...image, sharedBytes: 3 }))).toBe(
    `{"Id":"${id}","ParentId":"${digest}","RepoTags":["box:1","team/app:v"],` +
      `"RepoDigests":["box@${digest}","localhost:5000/a/b@${digest}"],` +
      '"Created":5,"Size":7,"SharedSize":3,"Labels":{"a":"b"},"Containers":2}',
  );
  const bare = { ...image, parentId: undefined, names: [], labels: null, sharedBytes: undefined };
  expect(summaryView(bare)).toMatchObject({
    ParentId: '',
    RepoTags: [],
    RepoDigests: [],
    SharedSize: -1,
    Labels: null,
  });
});

test('history: a step has an id and tags when its image is here', () => {
  const step = { createdSeconds: 5, createdBy: 'sh', comment: 'c', sizeBytes: 9 };
  const shown = (image: { id: string; names: typeof names } | undefined) =>
    JSON.stringify(historyView({ ...step, image }));
  const rest = '"Size":9,"Comment":"c"}';
  expect(shown({ id, names })).toBe(`{"Id":"${id}","Created":5,"CreatedBy":"sh","Tags":["box:1","team/app:v"],${rest}`);
  expect(shown({ id, names: names.slice(2) })).toBe(`{"Id":"${id}","Created":5,"CreatedBy":"sh","Tags":null,${rest}`);
  expect(shown(undefined)).toBe(`{"Id":"<missing>","Created":5,"CreatedBy":"sh","Tags":null,${rest}`);
});

test('what went: names as people write them, images and layers by their digests', () => {
  const removed = [...names.slice(1, 3).map((name) => ({ untagged: name })), { deleted: id }];
  const shown = `[{"Untagged":"team/app:v"},{"Untagged":"box@${digest}"},{"Deleted":"${id}"}]`;
  expect(JSON.stringify(removed.map(removedView))).toBe(shown);
  expect(JSON.stringify(pruneView({ removed, reclaimedBytes: 8 }))).toBe(
    `{"ImagesDeleted":${shown},"SpaceReclaimed":8}`,
  );
  expect(JSON.stringify(pruneView({ removed: [], reclaimedBytes: 0 }))).toBe(
    '{"ImagesDeleted":null,"SpaceReclaimed":0}',
  );
});

test('what a registry has', () => {
  const descriptor = { mediaType: 'm', digest, size: 4 };
  const platforms = [{ architecture: 'arm', os: 'linux', variant: 'v7' }];
  expect(JSON.stringify(distributionView({ descriptor, platforms }))).toBe(
    `{"Descriptor":{"mediaType":"m","digest":"${digest}","size":4},` +
      '"Platforms":[{"architecture":"arm","os":"linux","variant":"v7"}]}',
  );
});
