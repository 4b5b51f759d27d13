// An image as what a stage begins with, or takes files from.
import type { ImageConfig } from '../../../images/documents/image-config.ts';
import { normalised } from '../../../images/documents/platform.ts';
import { parseReference } from '../../../registry/reference.ts';
import type { PlanContext } from '../instructions/step-context.ts';
import type { BuildPlatform } from '../operation.ts';
import type { ResolvedImage } from '../plan.ts';
import type { FoundBase, Stage } from './stage.ts';

/** An image without layers has no vertex, and is not counted as a step. */
export function imageBase(
  { graph }: PlanContext,
  { image, platform, stage, name }: { image: ResolvedImage; platform: BuildPlatform; stage: Stage; name: () => string },
): FoundBase {
  const { reference, imageId, config } = image;
  const operation = { kind: 'source', source: { type: 'image', reference, imageId } } as const;
  const hasFiles = config.rootfs.diff_ids.length > 0;
  return {
    files: () => (hasFiles ? graph.add({ operation, name: name(), lines: stage.lines }) : undefined),
    config,
    platform,
  };
}

/** With a tag when there is neither tag nor digest. Throws 'invalid' for what is no reference. */
export function canonicalName(name: string): string {
  const { repository, tag, digest } = parseReference(name);
  const shownTag = tag ?? (digest === undefined ? 'latest' : undefined);
  return `${repository}${shownTag === undefined ? '' : `:${shownTag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** What the image is for, when it is for something else than was asked. */
export function platformOf({ os, architecture, variant }: ImageConfig, asked: BuildPlatform): BuildPlatform {
  const own = normalised({ os, architecture, ...(variant === undefined ? {} : { variant }) });
  return own.os === asked.os && own.architecture === asked.architecture ? asked : own;
}
