// Which named context stands for a name: --build-context name=…, by image or stage, with or without a platform behind it.

import { isEngineError } from '../../../errors/engine-error.ts';
import { platformText } from '../../../images/documents/platform.ts';
import { familiar, parseReference } from '../../../registry/reference.ts';
import type { ContextChoice } from '../../build-request.ts';
import type { BuildPlatform } from '../operation.ts';

/** "name::linux/arm64" goes before "name"; ":latest" and "docker.io/library/" make no difference. */
export function findNamedContext(
  contexts: ReadonlyMap<string, ContextChoice>,
  name: string,
  platform: BuildPlatform | undefined,
): ContextChoice | undefined {
  if (contexts.size === 0 || name.toLowerCase() === 'scratch' || name.toLowerCase() === 'context') return undefined;
  const wanted = familiarContextName(name);
  if (platform !== undefined) {
    const special = contexts.get(`${wanted}::${platformText(platform)}`);
    if (special !== undefined) return special;
  }
  return contexts.get(wanted);
}

/** As contexts are looked up. What is no image reference stays as it is. */
export function familiarContextName(name: string): string {
  try {
    return familiar(parseReference(name)).replace(/:latest$/, '');
  } catch (error) {
    if (isEngineError(error, 'invalid')) return name;
    throw error;
  }
}

/** The contexts under the names that they are looked up by. */
export function byFamiliarName(contexts: ReadonlyMap<string, ContextChoice>): Map<string, ContextChoice> {
  const named = new Map<string, ContextChoice>();
  for (const [name, choice] of contexts) {
    const [plain = '', platform] = name.split('::');
    named.set(`${familiarContextName(plain)}${platform === undefined ? '' : `::${platform}`}`, choice);
  }
  return named;
}
