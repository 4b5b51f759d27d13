// What --cache-from and --cache-to may say: checked before anything is built, by names as BuildKit has them.
import { isDigest } from '../../content/digest.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseReference, type Reference } from '../../registry/reference.ts';
import type { CacheDestination, CacheSourceChoice } from '../build-request.ts';

const knownSources: Readonly<Record<CacheSourceChoice['type'], readonly string[]>> = {
  image: ['ref'],
  registry: ['ref'],
  local: ['src', 'tag', 'digest'],
};
const stored = ['mode', 'image-manifest', 'oci-mediatypes', 'compression', 'ignore-error'];
const knownDestinations: Readonly<Record<CacheDestination['type'], readonly string[]>> = {
  inline: ['mode'],
  registry: ['ref', ...stored],
  local: ['dest', 'tag', ...stored],
};

/** How a cache is stored elsewhere. */
export interface CacheForm {
  /** Also what no layer of the image came from. */
  readonly isMax: boolean;
  readonly isImage: boolean;
  readonly isOci: boolean;
  /** What goes wrong is told and does not fail the build. */
  readonly ignoresErrors: boolean;
}

/** Throws 'invalid', and 'not-implemented' for attributes that nothing is done with. */
export function checkCacheSource({ type, attributes, directory }: CacheSourceChoice): void {
  const option = `--cache-from type=${type}`;
  checkNames(option, attributes, knownSources[type]);
  if (type === 'local') {
    if (directory === undefined) throw new EngineError('invalid', `${option} requires src, a directory that was sent`);
    const { digest } = attributes;
    if (digest !== undefined && !isDigest(digest)) throw new EngineError('invalid', `${option}: invalid digest`);
  } else if (type === 'registry') cacheReference(option, attributes.ref);
}

/** Throws 'invalid', and 'not-implemented' for attributes that nothing is done with. */
export function checkCacheDestination({ type, attributes, sink }: CacheDestination): void {
  const option = `--cache-to type=${type}`;
  checkNames(option, attributes, knownDestinations[type]);
  const { mode = 'min', compression = 'gzip' } = attributes;
  if (mode !== 'min' && mode !== 'max') throw new EngineError('invalid', `${option}: mode is neither min nor max`);
  // As BuildKit: there is no place for others.
  if (type === 'inline' && mode === 'max')
    throw new EngineError('invalid', `${option} has the records of the image's layers only: mode=min`);
  if (compression !== 'gzip')
    throw new EngineError('not-implemented', `${option}: compression ${compression} is not there`);
  const { isImage, isOci } = cacheForm({ type, attributes });
  if (isImage && !isOci) throw new EngineError('invalid', `${option}: image-manifest=true needs oci-mediatypes=true`);
  if (type === 'registry') {
    const { digest } = cacheReference(option, attributes.ref);
    if (digest !== undefined) throw new EngineError('invalid', `${option}: cannot push a digest reference`);
  }
  if (type === 'local' && sink === undefined)
    throw new EngineError('invalid', `${option}: the client takes no archive`);
}

export function cacheForm({ type, attributes }: Pick<CacheDestination, 'type' | 'attributes'>): CacheForm {
  const flag = (name: string, initial: boolean): boolean => {
    const text = attributes[name] ?? String(initial);
    if (/^(?:1|t|true)$/i.test(text)) return true;
    if (/^(?:0|f|false)$/i.test(text)) return false;
    throw new EngineError('invalid', `--cache-to type=${type}: ${name} is neither true nor false`);
  };
  const isOci = flag('oci-mediatypes', true);
  const isImage = flag('image-manifest', isOci);
  return { isMax: attributes.mode === 'max', isImage, isOci, ignoresErrors: flag('ignore-error', false) };
}

/** With a tag or a digest. Throws 'invalid'. */
export function cacheReference(option: string, text: string | undefined): Reference {
  if (text === undefined || text === '') throw new EngineError('invalid', `${option} requires ref`);
  const reference = parseReference(text);
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}

function checkNames(option: string, attributes: Readonly<Record<string, string>>, known: readonly string[]): void {
  for (const key of Object.keys(attributes)) {
    if (!known.includes(key))
      throw new EngineError('not-implemented', `${option}: the attribute ${JSON.stringify(key)} is not supported`);
  }
}
