// Images that are removed while they, or others with the same layers, are pulled: a pull that succeeds leaves an image that runs, and what
// nobody has any more goes.
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { run } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { EvilRegistry, type Reply, reply, when } from '../harness/evil-registry.ts';
import { imageNames, pull } from '../harness/image-transfers.ts';
import {
  busyboxEntries,
  media,
  type RawImage,
  type RawLayer,
  rawImage,
  rawLayer,
  sha256,
} from '../harness/raw-image.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon({ image: false });
let registry: EvilRegistry;
let base: RawLayer;
let top: RawLayer;
let image: RawImage;

beforeAll(async () => {
  registry = await EvilRegistry.start(fixture.daemon.network);
  base = await rawLayer(busyboxEntries());
  top = await rawLayer([{ name: 'top', data: 'top\n' }]);
  image = rawImage({ layers: [base, top] });
});
beforeEach(async () => {
  registry.reset();
  for (const name of await imageNames(fixture.daemon)) await rmi(name);
});
afterAll(() => registry.close());

const rmi = (name: string) => fixture.daemon.api.send('DELETE', `/images/${encodeURIComponent(name)}?force=1`);
const blob = (part: RawLayer) => `blobs/${part.descriptor.digest}`;
const isAsked = (part: string) => eventually(`${part} is asked for`, () => registry.requests(part).length > 0);

/** Lets an answer wait. */
function gate(answer: Reply): { reply: Reply; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { reply: (...call) => void promise.then(() => answer(...call)), open: resolve };
}

async function expectRuns(reference: string): Promise<void> {
  const { stdout } = await run(fixture.daemon, ['/bin/busybox', 'cat', '/hello', '/top'], { Image: reference });
  expect(stdout).toBe('hello world\ntop\n');
}

test('an image is removed while one on the same layer is pulled', async () => {
  const { daemon } = fixture;
  const lower = registry.hold(rawImage({ layers: [base] }), 'lower');
  expect((await pull(daemon, lower)).error).toBeUndefined();
  const reference = registry.hold(image, 'upper');
  const held = gate(reply.bytes(top.bytes));
  registry.rules = [when(blob(top), held.reply)];
  const pulling = pull(daemon, reference);
  await isAsked(blob(top));
  expect((await rmi(lower)).status).toBe(200);
  held.open();
  expect((await pulling).error).toBeUndefined();
  // It was not fetched again: it had been held.
  expect(registry.requests(blob(base))).toHaveLength(1);
  await expectRuns(reference);
});

test('an image that is pulled for the first time is not there yet to be removed', async () => {
  const reference = registry.hold(image, 'first');
  const held = gate(reply.bytes(top.bytes));
  registry.rules = [when(blob(top), held.reply)];
  const pulling = pull(fixture.daemon, reference);
  await isAsked(blob(top));
  expect((await rmi(reference)).status).toBe(404);
  expect((await fixture.daemon.api.send('POST', '/images/prune')).status).toBe(200);
  held.open();
  expect((await pulling).error).toBeUndefined();
  await expectRuns(reference);
});

test('an image is removed while its manifest is asked for again', async () => {
  const reference = registry.hold(image, 'again');
  expect((await pull(fixture.daemon, reference)).error).toBeUndefined();
  const held = gate(reply.bytes(image.manifest, { 'Content-Type': media.ociManifest }));
  registry.rules = [when('manifests/latest', held.reply)];
  registry.seen.length = 0;
  const pulling = pull(fixture.daemon, reference);
  await isAsked('manifests/latest');
  expect((await rmi(reference)).status).toBe(200);
  held.open();
  expect((await pulling).error).toBeUndefined();
  await expectRuns(reference);
});

test('pulls and removals of the same image at random end in one or the other, and in nothing left', async () => {
  const { daemon } = fixture;
  const reference = registry.hold(image, 'random');
  for (let round = 0; round < 15; round++) {
    const work = [0, 1, 2, 3].map(async (n) => {
      const { error } = await pull(daemon, reference);
      expect(error).toBeUndefined();
      expect([200, 404]).toContain((await rmi(n % 2 === 0 ? reference : sha256(image.config))).status);
    });
    await Promise.all(work);
    const names = await imageNames(daemon);
    if (names.includes(reference)) await expectRuns(reference);
  }
  expect((await pull(daemon, reference)).error).toBeUndefined();
  await expectRuns(reference);
  await daemon.removeAllContainers();
  expect((await rmi(reference)).status).toBe(200);
  const below = (dir: string) => readdirSync(`${daemon.dataRoot}/${dir}`);
  await eventually('no blob and nothing half-made is left', () =>
    ['content/blobs/sha256', 'content/ingest', 'staging', 'trash'].every((dir) => below(dir).length === 0),
  );
});
