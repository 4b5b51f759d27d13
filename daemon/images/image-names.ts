// Names of images as users give them, checked, and as Docker shows them again.
import { EngineError } from '../errors/engine-error.ts';
import { familiar, isValidTag, parseReference, refuseAlgorithm } from '../registry/reference.ts';

/** The name that an image shall get. The tag goes before one that stands in `repo`. */
export function parseTarget(repo: string, tag: string): { repository: string; tag: string } {
  if (repo.includes('@')) throw new EngineError('invalid', 'refusing to create a tag with a digest reference');
  const reference = parseReference(repo);
  if (tag !== '' && !isValidTag(tag)) throw new EngineError('invalid', 'invalid tag format');
  refuseAlgorithm(reference.repository);
  return { repository: reference.repository, tag: tag || (reference.tag ?? 'latest') };
}

/** As Docker names what it did not find: with the tag it looked for. */
export function shownReference(ref: string): string {
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(ref) || ref.startsWith('sha256:')) return ref;
  const reference = parseReference(ref);
  return familiar(reference.digest === undefined ? { ...reference, tag: reference.tag ?? 'latest' } : reference);
}
