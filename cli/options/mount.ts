// `--mount`, `-v` and `--tmpfs`.
import { resolve } from 'node:path';
import type { HostConfig, Mount } from '../../daemon/docker-types/host-config.ts';
import { parseBool } from '../../daemon/protocols/units/go-numbers.ts';
import { parseSizeBytes } from '../../daemon/protocols/units/size.ts';
import { CliError } from '../errors.ts';
import { cut, parseCsvLine } from './csv.ts';

/** A mount while its fields are being read. */
interface MountParts {
  Type: string;
  Source?: string;
  Target?: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: NonNullable<Mount['BindOptions']>;
  VolumeOptions?: VolumeOptions;
  ImageOptions?: { Subpath?: string };
  TmpfsOptions?: NonNullable<Mount['TmpfsOptions']>;
}

interface VolumeOptions {
  NoCopy?: boolean;
  Labels?: Record<string, string>;
  Subpath?: string;
  DriverConfig: { Name?: string; Options?: Record<string, string> };
}

type Setter = (mount: MountParts, value: string, key: string) => void;

const readOnly: Setter = (mount, value, key) => {
  mount.ReadOnly = bool(value, key);
};
const source: Setter = (mount, value) => {
  mount.Source = value === '.' || value.startsWith('./') || value.startsWith('../') ? resolve(value) : value;
};
const target: Setter = (mount, value) => {
  mount.Target = value;
};

const setters = new Map<string, Setter>([
  ['type', (mount, value) => Object.assign(mount, { Type: value.toLowerCase() })],
  ['source', source],
  ['src', source],
  ['target', target],
  ['dst', target],
  ['destination', target],
  ['readonly', readOnly],
  ['ro', readOnly],
  ['consistency', (mount, value) => Object.assign(mount, { Consistency: value.toLowerCase() })],
  ['bind-propagation', (mount, value) => Object.assign(bind(mount), { Propagation: value.toLowerCase() })],
  ['bind-nonrecursive', (mount, value, key) => Object.assign(bind(mount), { NonRecursive: bool(value, key) })],
  ['bind-recursive', bindRecursive],
  ['bind-create-src', (mount, value, key) => Object.assign(bind(mount), { CreateMountpoint: bool(value, key) })],
  ['volume-subpath', (mount, value) => Object.assign(volume(mount), { Subpath: value })],
  ['volume-nocopy', (mount, value, key) => Object.assign(volume(mount), { NoCopy: bool(value, key) })],
  ['volume-label', (mount, value) => setLabel(volume(mount), value)],
  ['volume-driver', (mount, value) => Object.assign(volume(mount).DriverConfig, { Name: value })],
  [
    'volume-opt',
    (mount, value) => {
      const { DriverConfig } = volume(mount);
      DriverConfig.Options ??= Object.create(null) as Record<string, string>;
      setPair(DriverConfig.Options, value);
    },
  ],
  [
    'image-subpath',
    (mount, value) => {
      mount.ImageOptions = { Subpath: value };
    },
  ],
  ['tmpfs-size', (mount, value, key) => Object.assign(tmpfs(mount), { SizeBytes: size(value, key) })],
  ['tmpfs-mode', (mount, value, key) => Object.assign(tmpfs(mount), { Mode: octal(value, key) })],
]);

/** Keys that mean "true" when they stand alone. */
const switches = new Set(['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive', 'bind-create-src']);

export function parseMount(text: string): Mount {
  const mount: MountParts = { Type: 'volume' };
  for (const field of parseCsvLine(text)) {
    const [rawKey, given] = cut(field, '=');
    if (rawKey === '') throw new Error(`invalid field '${field}' must be a key=value pair`);
    const key = rawKey.toLowerCase();
    const setter = setters.get(key);
    const value = given ?? (switches.has(key) ? 'true' : undefined);
    if (value === undefined) throw new Error(`invalid field '${field}' must be a key=value pair`);
    if (!setter) throw new Error(`unexpected key '${key}' in '${field}'`);
    setter(mount, value, key);
  }
  return check(mount);
}

function check(mount: MountParts): Mount {
  if (mount.Type === '') throw new Error('type is required');
  if (!mount.Target) throw new Error('target is required');
  const kinds = [
    ['volume', mount.VolumeOptions],
    ['image', mount.ImageOptions],
    ['bind', mount.BindOptions],
    ['tmpfs', mount.TmpfsOptions],
  ] as const;
  for (const [kind, options] of kinds) {
    if (options && mount.Type !== kind)
      throw new Error(`cannot mix '${kind}-*' options with mount type '${mount.Type}'`);
  }
  const { BindOptions } = mount;
  if (BindOptions?.ReadOnlyForceRecursive) {
    if (!mount.ReadOnly)
      throw new Error("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction");
    if (BindOptions.Propagation !== 'rprivate') {
      throw new Error(
        "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
      );
    }
  }
  // The wire's VolumeOptions are open: volumes are parsed by the daemon that has them.
  return mount as Mount;
}

function bind(mount: MountParts) {
  mount.BindOptions ??= {};
  return mount.BindOptions;
}

function volume(mount: MountParts): VolumeOptions {
  mount.VolumeOptions ??= { DriverConfig: {} };
  return mount.VolumeOptions;
}

function tmpfs(mount: MountParts) {
  mount.TmpfsOptions ??= {};
  return mount.TmpfsOptions;
}

function bindRecursive(mount: MountParts, value: string, key: string): void {
  const options = bind(mount);
  if (value === 'disabled') options.NonRecursive = true;
  else if (value === 'writable') options.ReadOnlyNonRecursive = true;
  else if (value === 'readonly') options.ReadOnlyForceRecursive = true;
  else if (value !== 'enabled') {
    throw new Error(`invalid value for ${key}: ${value} (must be "enabled", "disabled", "writable", or "readonly")`);
  }
}

function setLabel(options: VolumeOptions, text: string): void {
  options.Labels ??= Object.create(null) as Record<string, string>;
  setPair(options.Labels, text);
}

function setPair(target: Record<string, string>, text: string): void {
  const [key, value = ''] = cut(text, '=');
  if (key !== '') target[key] = value;
}

function bool(value: string, key: string): boolean {
  try {
    return parseBool(value);
  } catch {
    throw new Error(`invalid value for ${key}: ${value}`);
  }
}

function size(value: string, key: string): number {
  try {
    return parseSizeBytes(value);
  } catch {
    throw new Error(`invalid value for ${key}: ${value}`);
  }
}

function octal(value: string, key: string): number {
  if (!/^[0-7]{1,10}$/.test(value)) throw new Error(`invalid value for ${key}: ${value}`);
  return Number.parseInt(value, 8);
}

/** `-v`: what binds a source, and the bare paths that ask for an anonymous volume. */
export function splitVolumes(specs: readonly string[]): { binds: string[]; volumes: Record<string, object> } {
  const binds: string[] = [];
  const volumes: Record<string, object> = Object.create(null);
  for (const spec of specs) {
    if (spec === '') throw new CliError('invalid empty volume spec');
    const parts = spec.split(':');
    if (parts.some((part) => part === '')) throw new CliError(`invalid spec: ${spec}: empty section between colons`);
    if (parts.length === 1) {
      volumes[spec] = {};
      continue;
    }
    const [host = '', ...rest] = parts;
    binds.push([host.startsWith('.') ? resolve(host) : host, ...rest].join(':'));
  }
  return { binds, volumes };
}

export function tmpfsMounts(specs: readonly string[]): NonNullable<HostConfig['Tmpfs']> {
  const mounts: Record<string, string> = Object.create(null);
  for (const spec of specs) {
    const [path, options = ''] = cut(spec, ':');
    mounts[path] = options;
  }
  return mounts;
}
