import { describe, expect, test } from 'vitest';
import {
  checkSlice,
  containerGroupPath,
  containerOfScope,
  parseContainerGroup,
  scopeName,
  slicePath,
} from '../../../../daemon/cgroups/systemd/unit-names.ts';

const id = 'ab'.repeat(32);

describe('unit names', () => {
  test.each([
    ['system.slice', '/system.slice'],
    ['a-b-c.slice', '/a.slice/a-b.slice/a-b-c.slice'],
    ['-.slice', ''],
  ])('the group of %s is %j', (name, path) => {
    expect(() => checkSlice(name)).not.toThrow();
    expect(slicePath(name)).toBe(path);
  });

  test.each([
    '',
    '/tsdocker',
    'x',
    '.slice',
    'a--b.slice',
    '-a.slice',
    'a-.slice',
    'a/b.slice',
    '..slice',
    `${'x'.repeat(255)}.slice`,
  ])('%j is no slice', (name) => {
    expect(() => checkSlice(name)).toThrow(/should be a valid slice named as "xxx.slice"/);
  });

  test('a container’s group is below its scope, and names it', () => {
    const path = containerGroupPath('a-b.slice', id);
    expect(path).toBe(`/a.slice/a-b.slice/tsdocker-${id}.scope/container`);
    expect(parseContainerGroup(path)).toEqual({
      slice: 'a-b.slice',
      scope: scopeName(id),
      scopePath: `/a.slice/a-b.slice/tsdocker-${id}.scope`,
    });
    expect(parseContainerGroup(containerGroupPath('-.slice', id))?.slice).toBe('-.slice');
    expect(parseContainerGroup(`/tsdocker/${id}`)).toBeUndefined();
    expect(containerOfScope(scopeName(id))).toBe(id);
    expect(containerOfScope('docker-abc.scope')).toBeUndefined();
  });
});
