// Docker's objects of our volumes, to the byte: clients get their keys in docker's order.
import { expect, test } from 'vitest';
import { volumeRequest } from '../../../daemon/docker-api/request/volume-request.ts';
import { volumePruneView, volumeUsageView, volumeView } from '../../../daemon/docker-api/views/volume-view.ts';

const seen = {
  record: { name: 'v', createdNs: '1577836800999999999', labels: { a: 'b' }, options: null },
  mountpoint: '/root/volumes/v/_data',
};
const shown =
  '"CreatedAt":"2020-01-01T00:00:00Z","Driver":"local","Labels":{"a":"b"},"Mountpoint":"/root/volumes/v/_data",' +
  '"Name":"v","Options":null,"Scope":"local"';

test('a volume, and what is measured of it', () => {
  expect(JSON.stringify(volumeView(seen))).toBe(`{${shown}}`);
  expect(JSON.stringify(volumeUsageView({ ...seen, sizeBytes: 5, users: 2 }))).toBe(
    `{${shown},"UsageData":{"Size":5,"RefCount":2}}`,
  );
  expect(JSON.stringify(volumeUsageView({ ...seen, sizeBytes: undefined, users: 0 }))).toBe(
    `{${shown},"UsageData":{"Size":-1,"RefCount":0}}`,
  );
});

test('what was pruned: an empty list is one', () => {
  expect(JSON.stringify(volumePruneView({ removed: [], reclaimedBytes: 0 }))).toBe(
    '{"VolumesDeleted":[],"SpaceReclaimed":0}',
  );
});

test('what is asked for may be left out, and is none of swarm’s', () => {
  const nothing = { name: '', driver: '', options: null, labels: null };
  expect(volumeRequest({})).toEqual(nothing);
  expect(volumeRequest({ Name: 'v', Driver: 'local', DriverOpts: { o: 'x' }, Labels: { a: 'b' } })).toEqual({
    ...{ name: 'v', driver: 'local' },
    ...{ options: { o: 'x' }, labels: { a: 'b' } },
  });
  expect(volumeRequest({ ClusterVolumeSpec: null })).toEqual(nothing);
  expect(() => volumeRequest({ ClusterVolumeSpec: {} })).toThrow('This node is not a swarm manager');
});
