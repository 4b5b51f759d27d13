import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResolvedConfig } from '../../../daemon/api/types/container-config.ts';
import type { HostConfig } from '../../../daemon/api/types/host-config.ts';
import { createMissingSources, mountPoints, parseMounts } from '../../../daemon/runtime/mounts.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tsd-mounts-'));
  mkdirSync(`${dir}/d`);
  writeFileSync(`${dir}/f`, '');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const config = (Volumes: ResolvedConfig['Volumes'] = null) => ({ Volumes }) as ResolvedConfig;
const parse = (hostConfig: HostConfig, volumes?: ResolvedConfig['Volumes']) =>
  parseMounts(hostConfig, config(volumes ?? null));
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
    ['./a:/b', 'create ./a: "./a" includes invalid characters for a local volume name'],
    ['/a:/proc', '"/proc" cannot be mounted because it is inside /proc'],
    ['/a:/x/../proc/self/attr', '"/proc/self/attr" cannot be mounted because it is inside /proc'],
  ])('%s is refused', (bind, message) => {
    expect(() => parse({ Binds: [bind] })).toThrow(message);
  });

  test.each(['/proc:/proc', '/x:/proc/meminfo', '/x:/dev', '/x:/sys/fs/cgroup'])('%s is allowed', (bind) => {
    expect(parse({ Binds: [bind] })).toHaveLength(1);
  });

  test.each(['data:/x', '/x'])('the volume %s is not implemented', (bind) => {
    expect(() => parse({ Binds: [bind] })).toThrow(expect.objectContaining({ code: 'not-implemented' }));
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

  test.each(['volume', 'image', 'npipe', 'cluster'])('type %s is not implemented', (Type) => {
    expect(() => parse({ Mounts: [{ Type, Target: '/t' }] })).toThrow(
      expect.objectContaining({ code: 'not-implemented' }),
    );
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

test('a volume of the image is not implemented, unless something is mounted there', () => {
  expect(() => parse({}, { '/data': {} })).toThrow('the volume /data of the image');
  expect(parse({ Tmpfs: { '/data': '' } }, { '/data/': {} })).toHaveLength(1);
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
