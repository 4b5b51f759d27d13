// ResolvedMount of each type, with what is the same for all of one type.
import type { Propagation, ResolvedMount, VolumeSource } from '../mount.ts';
import { checkLength, cleanPath } from '../mount-target.ts';
import { tmpfsOptions } from './mount-modes.ts';

const plain = {
  recursive: false,
  recursiveReadonly: false,
  propagation: 'rprivate',
  createSource: false,
  tmpfsOptions: [],
} as const;

export interface BindDetails {
  readonly: boolean;
  propagation: Propagation | undefined;
  mode: string;
  createSource: boolean;
  recursive?: boolean;
  recursiveReadonly?: boolean;
}

export function bindMount(source: string, target: string, details: BindDetails): ResolvedMount {
  checkLength(source);
  return {
    ...plain,
    type: 'bind',
    source: cleanPath(source),
    target,
    recursive: true,
    recursiveReadonly: true,
    ...details,
    propagation: details.propagation ?? 'rprivate',
  };
}

/** `words` are mount(8) options. */
export function tmpfsMount(target: string, words: readonly string[], mode: string, readonly = false): ResolvedMount {
  return {
    ...plain,
    type: 'tmpfs',
    source: '',
    target,
    readonly: readonly || words.includes('ro'),
    mode,
    // On /dev the devices go: nodes that cannot be opened are of no use to anybody.
    tmpfsOptions: tmpfsOptions([...(target === '/dev' ? ['dev'] : []), ...words, ...(readonly ? ['ro'] : [])]),
  };
}

export function volumeMount(
  target: string,
  volume: VolumeSource,
  details: { readonly: boolean; mode: string; subpath?: string },
): ResolvedMount {
  const { subpath = '', ...rest } = details;
  return {
    ...plain,
    type: 'volume',
    source: '',
    target,
    recursive: true,
    recursiveReadonly: true,
    volume,
    ...rest,
    ...(subpath === '' ? {} : { subpath }),
  };
}

/** Images are never written to. */
export function imageMount(image: string, target: string, subpath: string): ResolvedMount {
  return {
    ...plain,
    type: 'image',
    source: image,
    imageName: image,
    target,
    readonly: true,
    mode: '',
    ...(subpath === '' ? {} : { subpath }),
  };
}
