// What a build holds while it is planned: images, whatever others do with them.
import { afterAll, expect, test } from 'vitest';
import { BuildLookups } from '../../../daemon/build/plan-lookups.ts';
import { CacheRecords } from '../../../daemon/build/solver/cache-records.ts';
import { Solver } from '../../../daemon/build/solver/solver.ts';
import type { Steps } from '../../../daemon/build/steps/step.ts';
import { hostPlatform } from '../../../daemon/images/documents/platform.ts';
import { noCredentials } from '../../../daemon/registry/registry-session.ts';
import { StoreFixture } from '../images/store-fixture.ts';
import { file } from '../jail/raw-tar.ts';
import { noClient, noSettings, vertex } from './solver/solver-fixture.ts';

const fixture = new StoreFixture();
afterAll(() => fixture.close());

const none = async () => {
  throw new Error('nothing runs');
};
const steps: Steps = { source: none, exec: none, file: none, merge: none, diff: none, checksum: none };

test('an image that is removed while the build plans is there for its steps', async () => {
  const { catalogue, containers: snapshots, storage } = fixture;
  const { layers } = storage;
  const imageId = await fixture.import([file('only', 'here')], 'only');
  const records = new CacheRecords(fixture.database, layers, (error) => fixture.errors.push(error));
  const { signal } = new AbortController();
  const tell = () => undefined;
  const build = { tell, signal, keepsFailed: false, exec: noSettings, client: noClient };
  {
    await using solve = new Solver({ steps, records, layers }, 1).open(build);
    const registry = { pull: none, distribution: none };
    const request = { pulls: false, auth: () => noCredentials, tell };
    using lookups = new BuildLookups({ catalogue, registry, snapshots }, solve, request);
    const asked = { reference: 'only', platform: hostPlatform(), name: '' };
    const { reference } = await lookups.resolveImage(asked);
    await fixture.remove('only', { force: true, noPrune: false });
    catalogue.collect();
    const base = vertex('base', { kind: 'source', source: { type: 'image', reference, imageId } });
    const result = await solve.evaluate(base);
    expect(result).toMatchObject({ kind: 'layers', top: expect.any(Number) });
    expect(layers.chain(result.kind === 'layers' ? result.top : undefined)).toHaveLength(1);
  }
  catalogue.collect();
  expect([...layers.all()]).toEqual([]);
  records.close();
  expect(fixture.errors).toEqual([]);
});
