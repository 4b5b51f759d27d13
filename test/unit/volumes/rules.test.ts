import { describe, expect, test } from 'vitest';
import { planLocalMount } from '../../../daemon/volumes/local-options.ts';
import { pruneFilter, volumeFilter } from '../../../daemon/volumes/volume-filters.ts';
import { checkDriver, checkVolumeName, type VolumeRecord } from '../../../daemon/volumes/volume-record.ts';
import { MOUNT_ATTR } from '../../../native-bindings/constants.ts';

describe('names', () => {
  test.each(['ab', 'A.b-c_d', '0x', 'constructor', 'a'.repeat(255)])('%s', (name) => checkVolumeName(name));
  test.each(['../x', 'a/b', '.x', '-x', 'a b', 'ab\n', 'ä1', '..', 'x\0', ''])('%j is refused', (name) => {
    expect(() => checkVolumeName(name)).toThrow('includes invalid characters for a local volume name');
  });
  test.each([
    ['a', 'volume name is too short'],
    ['a'.repeat(256), 'at most 255'],
  ])('%s is refused', (name, words) => expect(() => checkVolumeName(name)).toThrow(words));
});

test('there is one driver', () => {
  checkDriver('v', 'local');
  expect(() => checkDriver('v', 'nfs')).toThrow('create v: error looking up volume plugin nfs: plugin "nfs" not found');
});

describe('options of the local driver', () => {
  test('none is a plain directory', () => {
    expect(planLocalMount(null)).toBeUndefined();
    expect(planLocalMount({})).toBeUndefined();
  });

  test.each([
    [{ foo: '1' }, 'invalid option: "foo"'],
    [{ type: 'tmpfs' }, 'missing required option: "device"'],
    [{ device: 'x' }, 'missing required option: "type"'],
    [{ o: 'x', type: 'y' }, 'missing required option: "device"'],
    [{ size: '1g' }, 'quota size requested but no quota support'],
    [{ type: 'none', device: 'rel', o: 'bind' }, 'absolute path'],
    [{ type: 'none', device: '/x', o: 'bind,size=3' }, 'a bind knows no "size=3"'],
    [{ type: 'tmpfs', device: 'tmpfs', o: 'shared' }, 'propagation is for binds'],
    [JSON.parse('{"__proto__":"x"}'), 'invalid option: "__proto__"'],
  ])('%j is refused', (options, words) => expect(() => planLocalMount(options)).toThrow(words));

  test('a bind, a tmpfs, another host’s', () => {
    expect(planLocalMount({ type: 'none', device: '/srv', o: 'rbind,ro,nosuid' })).toEqual({
      kind: 'bind',
      device: '/srv',
      recursive: true,
      attributes: MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID,
      propagation: 0,
    });
    expect(planLocalMount({ type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=5,noexec' })).toMatchObject({
      type: 'tmpfs',
      options: ['size=1m', 'uid=5'],
      attributes: MOUNT_ATTR.NOEXEC,
      isVolatile: true,
      isRemote: false,
    });
    expect(planLocalMount({ type: 'nfs', device: 'h:/x', o: 'addr=h,ro,soft' })).toMatchObject({
      options: ['addr=h', 'soft', 'ro'],
      isVolatile: false,
      isRemote: true,
    });
  });
});

describe('filters', () => {
  const record = (name: string, labels: Record<string, string> | null = null): VolumeRecord => ({
    name,
    labels,
    createdNs: '0',
    options: null,
  });
  const anonymous = record('f'.repeat(64), { 'com.docker.volume.anonymous': '' });
  const named = record('data', { a: 'b' });
  const matching = (filters: Record<string, string[]>) => {
    const test = volumeFilter(new Map(Object.entries(filters)), (name) => name === 'data');
    return [anonymous, named].filter(test).map(({ name }) => name[0]);
  };

  test('of a list', () => {
    expect(matching({})).toEqual(['f', 'd']);
    expect(matching({ dangling: ['true'] })).toEqual(['f']);
    expect(matching({ dangling: ['0'] })).toEqual(['d']);
    expect(matching({ name: ['^da'] })).toEqual(['d']);
    expect(matching({ driver: ['other'] })).toEqual([]);
    expect(matching({ label: ['a=b'] })).toEqual(['d']);
    expect(() => matching({ nope: ['x'] })).toThrow("invalid filter 'nope'");
  });

  test('of a prune: only what has no name of the user’s, unless all', () => {
    const pruned = (filters: [string, string[]][], all: boolean) =>
      [anonymous, named].filter(pruneFilter(new Map(filters), all)).map(({ name }) => name[0]);
    expect(pruned([], false)).toEqual(['f']);
    expect(pruned([], true)).toEqual(['f', 'd']);
    expect(pruned([['all', ['true']]], false)).toEqual(['f', 'd']);
    expect(pruned([['label!', ['a']]], true)).toEqual(['f']);
  });
});
