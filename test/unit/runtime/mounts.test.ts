import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResolvedConfig } from '../../../daemon/docker-types/container-config.ts';
import type { HostConfig } from '../../../daemon/docker-types/host-config.ts';
import { createMissingSources, mountPoints } from '../../../daemon/runtime/mounts.ts';
import { parseVolumesFrom } from '../../../daemon/spec/docker/parse-bind.ts';
import { parseMounts } from '../../../daemon/spec/docker/parse-mounts.ts';
import type { ResolvedMount } from '../../../daemon/spec/mount.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tsd-mounts-'));
  mkdirSync(`${dir}/d`);
  writeFileSync(`${dir}/f`, '');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const config = (Volumes: ResolvedConfig['Volumes'] = null) => ({ Volumes }) as ResolvedConfig;
const parse = (hostConfig: HostConfig, volumes?: ResolvedConfig['Volumes'], inherited: ResolvedMount[] = []) =>
  parseMounts(hostConfig, config(volumes ?? null), inherited);
const bindMode = (mode: string) => parse({ Binds: [`/src:/dst${mode === '' ? '' : `:${mode}`}`] })[0];

describe('-v', () => {
  test('is a recursive private bind whose missing source is made', () => {
    expect(bindMode('')).toMatchObject({
      type: 'bind',
      source: '/src',
      target: '/dst',
      readonly: false,
      recursive: true,
      propagation: 'rprivate',
      mode: '',
      createSource: true,
    });
  });

  test.each([
    ['ro', { readonly: true, mode: 'ro' }],
    ['rw,z', { readonly: false, mode: 'rw,z' }],
    ['ro,rshared', { readonly: true, propagation: 'rshared' }],
    ['slave,Z,cached', { propagation: 'slave' }],
  ])('mode %s', (mode, expected) => expect(bindMode(mode)).toMatchObject(expected));

  test.each(['rx', 'ro,rw', 'z,Z', 'shared,slave', 'ro,', 'nocopy'])('mode %s is invalid', (mode) => {
    expect(() => bindMode(mode)).toThrow(`invalid mode: ${mode}`);
  });

  test('cleans its paths', () => {
    expect(parse({ Binds: ['/a/../b//:/x/./y/'] })[0]).toMatchObject({ source: '/b', target: '/x/y' });
  });

  test.each([
    ['/a:/b:ro:x', "invalid volume specification: '/a:/b:ro:x'"],
    [':/b', "invalid volume specification: ':/b'"],
    ['/a:ro', "invalid volume specification: '/a:ro'"],
    ['/a:b', "invalid volume specification: '/a:b': invalid mount path: 'b' mount path must be absolute"],
    ['/a:/', "invalid volume specification: '/a:/': invalid specification: destination can't be '/'"],
    ['/proc', '"/proc" cannot be mounted because it is inside /proc'],
    ['data:/proc/meminfo', '"/proc/meminfo" cannot be mounted because it is inside /proc'],
    ['data:/', "destination can't be '/'"],
    ['data:/x:rshared', 'field BindOptions must not be specified'],
    ['data', "invalid mount path: 'data' mount path must be absolute"],
    ['/a:/proc', '"/proc" cannot be mounted because it is inside /proc'],
    ['/a:/x/../proc/self/attr', '"/proc/self/attr" cannot be mounted because it is inside /proc'],
  ])('%s is refused', (bind, message) => {
    expect(() => parse({ Binds: [bind] })).toThrow(message);
  });

  test.each(['/proc:/proc', '/x:/proc/meminfo', '/x:/dev', '/x:/sys/fs/cgroup'])('%s is allowed', (bind) => {
    expect(parse({ Binds: [bind] })).toHaveLength(1);
  });

  test('a name is a volume, and a path alone an anonymous one', () => {
    expect(parse({ Binds: ['data:/x', 'logs:/y/:ro,nocopy', '/z'], VolumeDriver: 'd' })).toMatchObject([
      {
        type: 'volume',
        target: '/x',
        readonly: false,
        mode: 'z',
        volume: { name: 'data', copiesUp: true, driver: 'd' },
      },
      { type: 'volume', target: '/y', readonly: true, mode: 'ro,nocopy', volume: { name: 'logs', copiesUp: false } },
      { type: 'volume', target: '/z', mode: '', volume: { name: '', isAnonymous: true, copiesUp: true } },
    ]);
  });
});

describe('--mount', () => {
  const mount = (fields: object) => parse({ Mounts: [{ Type: 'bind', Source: dir, Target: '/t', ...fields }] });

  test('bind: recursive read-only unless asked otherwise', () => {
    expect(mount({ ReadOnly: true })[0]).toMatchObject({ readonly: true, recursive: true, recursiveReadonly: true });
    expect(mount({ BindOptions: { NonRecursive: true } })[0]).toMatchObject({ recursive: false });
    expect(mount({ ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } })[0]).toMatchObject({
      recursive: true,
      recursiveReadonly: false,
    });
  });

  test('a missing source is an error, unless it may be made', () => {
    expect(() => mount({ Source: `${dir}/none` })).toThrow(
      `invalid mount config for type "bind": bind source path does not exist: ${dir}/none`,
    );
    expect(mount({ Source: `${dir}/none`, BindOptions: { CreateMountpoint: true } })[0]).toMatchObject({
      createSource: true,
    });
  });

  test.each([
    [{ Type: 'x' }, 'invalid mount config for type "x": mount type unknown'],
    [{ Target: '' }, 'field Target must not be empty'],
    [{ Target: 'x' }, "invalid mount path: 'x' mount path must be absolute"],
    [{ Target: '/' }, "destination can't be '/'"],
    [{ Source: '' }, 'field Source must not be empty'],
    [{ Source: 'x' }, "invalid mount path: 'x' mount path must be absolute"],
    [{ TmpfsOptions: {} }, 'field TmpfsOptions must not be specified'],
    [{ BindOptions: { Propagation: 'suid' } }, 'invalid propagation mode: suid'],
    [{ Type: 'tmpfs' }, 'field Source must not be specified'],
  ])('%j', (fields, message) => expect(() => mount(fields)).toThrow(message));

  test('tmpfs: options become mount words', () => {
    const mounts = parse({
      Mounts: [
        {
          Type: 'tmpfs',
          Target: '/t',
          TmpfsOptions: { SizeBytes: 4096, Mode: 0o1770, Options: [['exec'], ['uid', '3']] },
        },
      ],
    });
    expect(mounts[0]?.tmpfsOptions).toEqual(['nosuid', 'nodev', 'size=4096', 'mode=1770', 'exec', 'uid=3']);
  });

  test('volume: named, anonymous, with all that it takes to make one', () => {
    const [named, anonymous] = parse({
      Mounts: [
        {
          Type: 'volume',
          Source: 'data',
          Target: '/v',
          ReadOnly: true,
          VolumeOptions: {
            NoCopy: true,
            Labels: { a: 'b' },
            DriverConfig: { Name: 'local', Options: { type: 'tmpfs', device: 'tmpfs' } },
            Subpath: 'a/../b',
          },
        },
        { Type: 'volume', Target: '/w' },
      ],
    });
    expect(named).toMatchObject({
      type: 'volume',
      readonly: true,
      mode: 'z',
      subpath: 'a/../b',
      volume: { name: 'data', driver: 'local', copiesUp: false, isAnonymous: false, labels: { a: 'b' } },
    });
    expect(anonymous).toMatchObject({ volume: { name: '', isAnonymous: true, copiesUp: true } });
  });

  test('image: read-only, of the image as typed', () => {
    const [mount] = parse({ Mounts: [{ Type: 'image', Source: 'a:1', Target: '/i', ImageOptions: { Subpath: 'b' } }] });
    expect(mount).toMatchObject({ type: 'image', source: 'a:1', imageName: 'a:1', readonly: true, subpath: 'b' });
  });

  test.each([
    [{ Type: 'volume', BindOptions: {} }, 'field BindOptions must not be specified'],
    [{ Type: 'volume', ReadOnly: true }, 'must not set ReadOnly mode when using anonymous volumes'],
    [{ Type: 'volume', VolumeOptions: { Subpath: 'a' } }, 'must not set Subpath when using anonymous volumes'],
    [{ Type: 'volume', Source: 'v', VolumeOptions: { Subpath: '../a' } }, 'subpath must be a relative path'],
    [{ Type: 'volume', Source: 'v', VolumeOptions: { Subpath: '/a' } }, 'subpath must be a relative path'],
    [{ Type: 'volume', Source: 'v', VolumeOptions: { Subpath: 'a/../../b' } }, 'subpath must be a relative path'],
    [{ Type: 'image' }, 'field Source must not be empty'],
    [{ Type: 'image', Source: 'i', ImageOptions: { Subpath: '..' } }, 'subpath must be a relative path'],
    [{ Type: 'npipe', Source: 'x' }, 'single Linux host'],
  ])('%j is refused', (fields, message) => {
    expect(() => parse({ Mounts: [{ Target: '/t', ...fields }] })).toThrow(message);
  });
});

test('--tmpfs: the last word on a subject counts, unknown ones are refused', () => {
  expect(parse({ Tmpfs: { '/t': 'rw,exec,size=1m,size=2m' } })[0]?.tmpfsOptions).toEqual([
    'nosuid',
    'nodev',
    'rw',
    'exec',
    'size=2m',
  ]);
  for (const word of ['size', 'foo', 'foo=1', 'size=']) {
    expect(() => parse({ Tmpfs: { '/t': word } })).toThrow(`invalid tmpfs option ["${word}"]`);
  }
});

test('two mounts on one target are refused', () => {
  expect(() => parse({ Binds: ['/a:/t'], Tmpfs: { '/t/': '' } })).toThrow('Duplicate mount point: /t');
});

test('a volume of the image is anonymous, unless something is mounted there', () => {
  expect(parse({}, { '/data': {} })).toMatchObject([{ type: 'volume', target: '/data', volume: { name: '' } }]);
  expect(parse({ Tmpfs: { '/data': '' } }, { '/data/': {} })).toHaveLength(1);
});

test.each([
  ['/../../tw', '/tw'],
  ['data', '/data'],
  ['a/../../b', '/b'],
])('the image’s volume %s stays inside', (volume, target) => {
  expect(parse({}, { [volume]: {} })).toMatchObject([{ target }]);
});

test.each(['/proc', '/proc/self/attr', '/x/../proc', '/'])('the image’s volume %s is refused', (volume) => {
  expect(() => parse({}, { [volume]: {} })).toThrow(/inside \/proc|destination can't be/);
});

test('mounts of other containers give way to the container’s own, and the image’s to both', () => {
  const inherited = parse({ Binds: ['theirs:/a', 'theirs2:/b'] });
  const mounts = parse({ Binds: ['mine:/a'] }, { '/b': {}, '/c': {} }, inherited);
  expect(mounts.map(({ target, volume }) => [target, volume?.name])).toEqual([
    ['/a', 'mine'],
    ['/b', 'theirs2'],
    ['/c', ''],
  ]);
});

test.each([
  ['c', { container: 'c', readonly: false }],
  ['c:ro', { container: 'c', readonly: true }],
  ['c:rw,z', { container: 'c', readonly: false }],
])('--volumes-from %s', (spec, expected) => expect(parseVolumesFrom(spec)).toEqual(expected));

test.each(['', 'c:', 'c:x', 'c:nocopy', 'c:rshared'])('--volumes-from "%s" is refused', (spec) => {
  expect(() => parseVolumesFrom(spec)).toThrow(/invalid mode|empty string/);
});

test('names such as __proto__ are only names', () => {
  expect(parse({ Tmpfs: JSON.parse('{"/__proto__":"size=1m"}') })[0]).toMatchObject({ target: '/__proto__' });
});

test('mount points: files for files, directories for the rest, the engine’s own among them', () => {
  const mounts = parse({ Binds: [`${dir}/f:/file`, `${dir}/d:/dir`, `${dir}/f:/dev/x`], Tmpfs: { '/t': '' } });
  expect(mountPoints(mounts, { hosts: '/h' })).toEqual([
    { path: '/dev', kind: 'directory' },
    { path: '/proc', kind: 'directory' },
    { path: '/sys', kind: 'directory' },
    { path: '/etc/hosts', kind: 'file' },
    { path: '/file', kind: 'file' },
    { path: '/dir', kind: 'directory' },
    { path: '/t', kind: 'directory' },
  ]);
});

test('a missing source of -v is made', () => {
  createMissingSources(parse({ Binds: [`${dir}/new/deep:/x`] }));
  expect(statSync(`${dir}/new/deep`).isDirectory()).toBe(true);
});
