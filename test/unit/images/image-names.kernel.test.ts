// Names, lists and removal of images, in Docker's words; and what is there after a kill.
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { dir, file, symlink } from '../jail/raw-tar.ts';
import { StoreFixture } from './store-fixture.ts';

const fixture = new StoreFixture();
afterAll(() => fixture.close());
afterEach(() => {
  fixture.users.clear();
  fixture.events.length = 0;
  expect(fixture.errors).toEqual([]);
});

const base = [
  dir('bin'),
  file('bin/tool', '#!', 0o4755),
  dir('etc', 0o750),
  file('etc/conf', 'one'),
  dir('data'),
  file('data/a', 'a'),
  file('data/b', 'b'),
  symlink('/etc', 'link'),
];
const imported = fixture.import(base, 'base:1');
beforeAll(() => imported);
const everything = { all: true, filters: new Map<string, string[]>(), sharedSize: false };
const layerDirs = (): string[] => readdirSync(join(fixture.path, 'layers')).sort();

describe('names and lists', () => {
  test('a tag moves from image to image, and the other is dangling', async () => {
    const one = await fixture.import([file('1', '1')], 'moving:x');
    const two = await fixture.import([file('2', '2')], 'moving:x');
    expect(fixture.store.get('moving:x').id).toBe(two);
    const dangling = fixture.list({ ...everything, filters: new Map([['dangling', ['true']]]) });
    expect(dangling.map(({ Id }) => Id)).toContain(one);
    expect(dangling.find(({ Id }) => Id === one)?.RepoTags).toEqual([]);
  });

  test('of two tags the one that stands alone counts', async () => {
    const id = await fixture.import([file('two', 'tags')], '');
    fixture.store.tag(id, 'twotags:one', 'two');
    expect([fixture.store.resolve('twotags:one'), fixture.store.get('twotags:two').id]).toEqual([undefined, id]);
    await fixture.store.remove('twotags:two', { force: false, noPrune: false });
  });

  test('a name that reads as an id is refused, whoever gives it', async () => {
    const id = await fixture.import([file('alg', 'orithm')], 'algorithm:1');
    const refused = { code: 'invalid', message: 'refusing to create an ambiguous tag using digest algorithm as name' };
    for (const [repo, tag] of [
      ['sha256:x', ''],
      ['sha256', 'x'],
      ['docker.io/library/sha256', 'x'],
    ] as const) {
      expect(() => fixture.store.tag(id, repo, tag)).toThrow(refused.message);
      await expect(fixture.import([file('x', 'x')], `${repo}${tag && `:${tag}`}`)).rejects.toMatchObject(refused);
      await expect(fixture.commit('0'.repeat(64), id, { repo, tag })).rejects.toMatchObject(refused);
    }
    for (const repo of ['sha512', 'localhost/sha256', 'mine/sha256']) fixture.store.tag(id, repo, 'x');
    await fixture.store.remove(id, { force: true, noPrune: false });
  });

  test('names such as constructor and __proto__ are only names', async () => {
    for (const name of ['constructor', 'x/constructor', 'tostring']) {
      fixture.store.tag('base:1', name, 'constructor');
      expect(fixture.store.get(`${name}:constructor`).id).toBe(await imported);
    }
    expect(() => fixture.store.tag('base:1', '__proto__', 'x')).toThrow(/invalid reference format/);
    expect(fixture.store.resolve('constructor')).toBeUndefined();
    for (const name of ['constructor', 'x/constructor', 'tostring']) {
      await fixture.store.remove(`${name}:constructor`, { force: false, noPrune: false });
    }
  });

  test('filters', async () => {
    const id = await fixture.import([file('f', 'f')], 'reg.example:5000/team/app:v1', ['LABEL k=v']);
    const ids = (key: string, ...values: string[]) =>
      fixture.list({ ...everything, filters: new Map([[key, values]]) }).map(({ Id }) => Id);
    expect(ids('label', 'k=v')).toEqual([id]);
    expect(ids('label', 'k=w')).toEqual([]);
    expect(ids('reference', 'reg.example:5000/*/app')).toEqual([id]);
    expect(ids('reference', '*:1')).toContain(await imported);
    expect(ids('reference', 'ba*')).toEqual([await imported]);
    expect(ids('until', '1h')).toEqual([]);
    expect(() => ids('nosuch', 'x')).toThrow("invalid filter 'nosuch'");
    expect(() => ids('before', 'missing')).toThrow('No such image: missing:latest');
  });

  test('what is not there', () => {
    for (const [ref, shown] of [
      ['nosuch', 'nosuch:latest'],
      ['a/b:c', 'a/b:c'],
      ['sha256:abc', 'sha256:abc'],
      ['f'.repeat(64), 'f'.repeat(64)],
    ]) {
      expect(() => fixture.store.get(ref as string)).toThrow(`No such image: ${shown}`);
    }
    expect(() => fixture.store.get('Bad Name')).toThrow(/invalid reference format/);
  });
});

describe('removal', () => {
  const force = { force: true, noPrune: false };
  const plain = { force: false, noPrune: false };

  test('the last name takes the image and its layer along', async () => {
    const id = await fixture.import([file('gone', 'soon')], 'gone:1');
    const layer = fixture.inspect(id).GraphDriver.Data?.UpperDir as string;
    fixture.store.tag('gone:1', 'gone', '2');
    expect(await fixture.remove('gone:1', plain)).toEqual([{ Untagged: 'gone:1' }]);
    const records = await fixture.remove('gone:2', plain);
    expect(records.slice(0, 2)).toEqual([{ Untagged: 'gone:2' }, { Deleted: id }]);
    expect(records).toHaveLength(3);
    expect(existsSync(layer)).toBe(false);
    expect(existsSync(join(fixture.path, 'content/blobs/sha256', id.slice(7)))).toBe(false);
    expect(fixture.events.map(({ action }) => action)).toEqual(['tag', 'import', 'tag', 'untag', 'untag', 'delete']);
  });

  test('by id, several names of several repositories need force', async () => {
    const id = await fixture.import([file('m', 'm')], 'many:1');
    fixture.store.tag(id, 'other', '1');
    const short = id.slice(7, 19);
    await expect(fixture.store.remove(id, plain)).rejects.toThrow(
      `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
    );
    const records = await fixture.remove(short, force);
    expect(records.slice(0, 3)).toEqual([{ Untagged: 'many:1' }, { Untagged: 'other:1' }, { Deleted: id }]);
  });

  test('containers stand in the way in the words of Docker', async () => {
    const id = await fixture.import([file('u', 'u')], 'used:1');
    const [short, box] = [id.slice(7, 19), 'c'.repeat(64)];
    fixture.users.set(id, [{ id: box, isRunning: false }]);
    await expect(fixture.store.remove('used:1', plain)).rejects.toThrow(
      `conflict: unable to remove repository reference "used:1" (must force) - container cccccccccccc is using its referenced image ${short}`,
    );
    await expect(fixture.store.remove(short, plain)).rejects.toThrow(
      `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
    );
    fixture.users.set(id, [{ id: box, isRunning: true }]);
    await expect(fixture.store.remove(short, force)).rejects.toThrow(
      `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
    );
    expect(fixture.store.get('used:1').id).toBe(id);
  });

  test('a forced removal leaves the container its layers', async () => {
    const id = await fixture.import([file('kept', 'still here')], 'forced:1');
    const box = await fixture.create(id);
    fixture.users.set(id, [{ id: box, isRunning: false }]);
    await fixture.store.remove('forced:1', force);
    expect(fixture.store.resolve(id)).toBeUndefined();
    expect(fixture.inRoot(box, () => readFileSync('kept', 'utf8'))).toBe('still here');
    await fixture.restart();
    expect(fixture.inRoot(box, () => readFileSync('kept', 'utf8'))).toBe('still here');
    const before = layerDirs().length;
    fixture.containers.remove(box);
    await fixture.store.prune(new Map());
    expect(layerDirs().length).toBeLessThan(before);
  });

  test('an image with children cannot go, and goes with the last of them', async () => {
    const parent = await fixture.import([file('p', 'p')], 'parent:1');
    const box = await fixture.create(parent);
    const child = await fixture.commit(box, parent, { repo: 'child', tag: '1' });
    fixture.containers.remove(box);
    await expect(fixture.store.remove(parent, force)).rejects.toThrow(/image has dependent child images/);
    expect(await fixture.remove('parent:1', plain)).toEqual([{ Untagged: 'parent:1' }]);
    const records = await fixture.remove('child:1', plain);
    expect(records).toContainEqual({ Deleted: child });
    expect(records).toContainEqual({ Deleted: parent });
  });

  test('prune takes the nameless, or all that no container uses', async () => {
    const nameless = await fixture.import([file('n', '12345')]);
    const used = await fixture.import([file('v', 'v')], 'inuse:1');
    fixture.users.set(used, [{ id: 'd'.repeat(64), isRunning: false }]);
    const pruned = await fixture.prune(new Map());
    expect(pruned.ImagesDeleted).toContainEqual({ Deleted: nameless });
    expect(pruned.SpaceReclaimed).toBeGreaterThanOrEqual(5);
    await fixture.store.prune(new Map([['dangling', ['false']]]));
    expect(fixture.list(everything).map(({ Id }) => Id)).toEqual([used]);
  });

  test('prune and time give back what failed pulls have left, and the events of a removal carry labels', async () => {
    const { content } = fixture.catalogue.parts;
    const blob = content.put(Buffer.from('of nobody'));
    const kept = content.put(Buffer.from('held'));
    using _held = content.hold([kept]);
    const partial = (name: string, ageMs: number) => {
      const path = join(fixture.path, 'content/ingest', name.repeat(64));
      writeFileSync(path, 'half');
      utimesSync(path, new Date(Date.now() - ageMs), new Date(Date.now() - ageMs));
      return path;
    };
    const [old, young] = [partial('a', 25 * 3600_000), partial('b', 60_000)];
    expect(fixture.catalogue.reclaim()).toBe('of nobody'.length + 'half'.length);
    expect([content.has(blob), content.has(kept), existsSync(old), existsSync(young)]).toEqual([
      false,
      true,
      false,
      true,
    ]);
    const again = content.put(Buffer.from('of nobody'));
    const { SpaceReclaimed } = await fixture.prune(new Map());
    expect(SpaceReclaimed).toBeGreaterThanOrEqual('of nobody'.length + 'half'.length);
    expect([content.has(again), existsSync(young)]).toEqual([false, false]);

    await fixture.import([file('l', 'l')], 'labelled:1', ['LABEL a=b']);
    fixture.events.length = 0;
    await fixture.store.remove('labelled:1', plain);
    expect(fixture.events).toMatchObject([
      { action: 'untag', attributes: { name: 'labelled:1', a: 'b' } },
      { action: 'delete' },
    ]);
  });

  test('prune goes on past a tag that takes the digest of its repository along', async () => {
    const pushed = await fixture.import([file('p', 'p')], 'registry.test/pushed:1');
    const digest = `sha256:${'5'.repeat(64)}`;
    fixture.catalogue.parts.tables.setDigest('registry.test/pushed', digest, pushed);
    const other = await fixture.import([file('o', 'o')], 'zz:1');
    const pruned = await fixture.prune(new Map([['dangling', ['false']]]));
    for (const record of [{ Untagged: `registry.test/pushed@${digest}` }, { Deleted: pushed }, { Deleted: other }]) {
      expect(pruned.ImagesDeleted?.filter((each) => JSON.stringify(each) === JSON.stringify(record))).toHaveLength(1);
    }
  });
});

describe('after a kill', () => {
  test('half-made things are gone, whole ones are there', async () => {
    const id = await fixture.import([file('whole', 'yes')], 'whole:1');
    const box = await fixture.create(id);
    mkdirSync(join(fixture.path, 'staging/half/fs'), { recursive: true });
    mkdirSync(join(fixture.path, 'layers/9999'));
    writeFileSync(join(fixture.path, 'trash/old'), 'x');
    await fixture.restart();
    expect(existsSync(join(fixture.path, 'staging/half'))).toBe(false);
    expect(existsSync(join(fixture.path, 'layers/9999'))).toBe(false);
    expect(fixture.containers.ids()).toContain(box);
    expect(fixture.inRoot(box, () => readFileSync('whole', 'utf8'))).toBe('yes');
    await expect.poll(() => readdirSync(join(fixture.path, 'trash')), { timeout: 5000 }).toEqual([]);
  });

  test('a damaged config is told, not used', async () => {
    const id = await fixture.import([file('dam', 'age')], 'damaged:1');
    await fixture.restart();
    writeFileSync(join(fixture.path, 'content/blobs/sha256', id.slice(7)), '{}');
    expect(() => fixture.store.get('damaged:1')).toThrow(/it is damaged/);
  });
});
