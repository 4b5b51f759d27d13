// One `--mount`, as the API's Mount object: which fields go with which type, and docker's words for those that do not.
import { type Stats, statSync } from 'node:fs';
import type { Mount } from '../../docker-types/host-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { ResolvedMount } from '../mount.ts';
import { checkTarget, isLocalPath } from '../mount-target.ts';
import { isPropagation } from './mount-modes.ts';
import { bindMount, imageMount, tmpfsMount, volumeMount } from './new-mount.ts';

type Invalid = (why: string) => EngineError;
const types: ReadonlySet<string> = new Set(['bind', 'tmpfs', 'volume', 'image', 'npipe', 'cluster']);
const optionsOf: readonly (readonly [field: keyof Mount & string, type: string])[] = [
  ['BindOptions', 'bind'],
  ['VolumeOptions', 'volume'],
  ['TmpfsOptions', 'tmpfs'],
  ['ImageOptions', 'image'],
];
const subpathIsBad = 'subpath must be a relative path within the volume';

/** Looks at the source of a bind on the host, as docker does at create. Throws 'invalid'. */
export function parseMount(mount: Mount): ResolvedMount {
  const type = mount.Type ?? '';
  const invalid: Invalid = (why) => new EngineError('invalid', `invalid mount config for type "${type}": ${why}`);
  if (!types.has(type)) throw invalid('mount type unknown');
  if (type === 'npipe' || type === 'cluster') throw invalid('this engine runs on a single Linux host');
  for (const [field, owner] of optionsOf) {
    if (owner !== type && mount[field] !== undefined && mount[field] !== null) {
      throw invalid(`field ${field} must not be specified`);
    }
  }
  if (type === 'tmpfs' && mount.Source) throw invalid('field Source must not be specified');
  if (!mount.Target) throw invalid('field Target must not be empty');
  let target: string;
  try {
    target = type === 'bind' ? checkTarget(mount.Target, mount.Source ?? '') : checkTarget(mount.Target);
  } catch (error) {
    throw error instanceof EngineError && error.code === 'invalid' ? invalid(error.message) : error;
  }
  switch (type) {
    case 'tmpfs':
      return tmpfsMount(target, tmpfsWords(mount), '', mount.ReadOnly === true);
    case 'volume':
      return parseVolume(mount, target, invalid);
    case 'image':
      return parseImage(mount, target, invalid);
    default:
      return parseBindMount(mount, target, invalid);
  }
}

function parseBindMount(mount: Mount, target: string, invalid: Invalid): ResolvedMount {
  const source = mount.Source ?? '';
  if (source === '') throw invalid('field Source must not be empty');
  if (!source.startsWith('/')) throw invalid(`invalid mount path: '${source}' mount path must be absolute`);
  const options = mount.BindOptions ?? {};
  const propagation = options.Propagation || undefined;
  if (propagation !== undefined && !isPropagation(propagation))
    throw invalid(`invalid propagation mode: ${propagation}`);
  if (!options.CreateMountpoint && statOf(source) === undefined) {
    throw invalid(`bind source path does not exist: ${source}`);
  }
  if (options.ReadOnlyForceRecursive && (options.NonRecursive || !mount.ReadOnly)) {
    throw invalid('ReadOnlyForceRecursive needs a read-only, recursive mount');
  }
  return bindMount(source, target, {
    readonly: mount.ReadOnly === true,
    propagation,
    mode: '',
    createSource: options.CreateMountpoint === true,
    recursive: options.NonRecursive !== true,
    recursiveReadonly: options.NonRecursive !== true && options.ReadOnlyNonRecursive !== true,
  });
}

function parseVolume(mount: Mount, target: string, invalid: Invalid): ResolvedMount {
  const { Source: name = '', ReadOnly: readonly = false } = mount;
  const { NoCopy, Labels, Subpath = '', DriverConfig } = mount.VolumeOptions ?? {};
  const isAnonymous = name === '';
  if (Subpath !== '') {
    if (isAnonymous) throw invalid('must not set Subpath when using anonymous volumes');
    if (!isLocalPath(Subpath)) throw invalid(subpathIsBad);
  }
  if (readonly && isAnonymous) throw invalid('must not set ReadOnly mode when using anonymous volumes');
  const volume = {
    name,
    driver: DriverConfig?.Name ?? '',
    isAnonymous,
    // Below a path the volume has been somebody's before.
    copiesUp: NoCopy !== true && Subpath === '',
    labels: Labels ?? null,
    options: DriverConfig?.Options ?? null,
  };
  return volumeMount(target, volume, { readonly, mode: 'z', subpath: Subpath });
}

function parseImage(mount: Mount, target: string, invalid: Invalid): ResolvedMount {
  const { Source: image = '', ImageOptions } = mount;
  if (image === '') throw invalid('field Source must not be empty');
  const subpath = ImageOptions?.Subpath ?? '';
  if (subpath !== '' && !isLocalPath(subpath)) throw invalid(subpathIsBad);
  return imageMount(image, target, subpath);
}

function tmpfsWords(mount: Mount): string[] {
  const options = mount.TmpfsOptions ?? {};
  const words: string[] = [];
  if (options.SizeBytes) words.push(`size=${options.SizeBytes}`);
  if (options.Mode) words.push(`mode=${options.Mode.toString(8)}`);
  for (const pair of options.Options ?? []) words.push(pair.join('='));
  return words;
}

function statOf(file: string): Stats | undefined {
  return statSync(file, { throwIfNoEntry: false });
}
