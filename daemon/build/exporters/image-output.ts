// The output 'image': into the catalogue, under its names.
import { EngineError } from '../../errors/engine-error.ts';
import type { Catalogue } from '../../images/catalogue.ts';
import { parseTarget } from '../../images/image-names.ts';
import type { BuiltImage } from './built-image.ts';

export interface ImageName {
  /** "docker.io/library/a" */
  readonly repository: string;
  readonly tag: string;
}

/** Names as users give them, each once. Throws 'invalid'. */
export function targetNames(names: readonly string[]): ImageName[] {
  const targets = new Map<string, ImageName>();
  for (const name of names) {
    const target = parseTarget(name, '');
    targets.set(`${target.repository}:${target.tag}`, target);
  }
  return [...targets.values()];
}

/** Returns its id. */
export function storeImage(catalogue: Catalogue, image: BuiltImage, names: readonly ImageName[]): string {
  const [first, ...others] = names;
  const id = catalogue.add(image.config, {
    topLayer: image.topLayer,
    isTold: true,
    ...(first === undefined ? {} : { name: { repo: first.repository, tag: first.tag } }),
  });
  for (const { repository, tag } of others) catalogue.setTag(id, repository, tag);
  return id;
}

/** BuildKit's names of what came of an image. */
export function imageMetadata(id: string, names: readonly ImageName[]): Record<string, string> {
  return {
    'containerimage.digest': id,
    'containerimage.config.digest': id,
    ...(names.length === 0
      ? {}
      : { 'image.name': names.map(({ repository, tag }) => `${repository}:${tag}`).join(',') }),
  };
}

/** Refuses attributes of an output that nothing is done with. */
export function checkAttributes(
  type: string,
  attributes: Readonly<Record<string, string>>,
  known: readonly string[],
): void {
  for (const key of Object.keys(attributes)) {
    if (!known.includes(key))
      throw new EngineError(
        'not-implemented',
        `output type=${type}: the attribute ${JSON.stringify(key)} is not supported`,
      );
  }
}
