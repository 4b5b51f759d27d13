// An image of another kind of machine: a warning when a container is made of it, and the reason when its programs cannot be run.
import { isEngineError } from '../../errors/engine-error.ts';
import { hostPlatform, type Platform, platformMatches } from '../../images/documents/platform.ts';
import type { ImageStore } from '../../images/image-service.ts';

interface Foreign {
  /** Docker's word of warning, for who asked for no platform. */
  warning: string;
  /** What to add to "exec format error". */
  hint: string;
}

/** Undefined for an image of this machine's kind. */
export function foreignPlatform(config: Platform): Foreign | undefined {
  const host = hostPlatform();
  if (platformMatches(host, config)) return undefined;
  const [image, own] = [config, host].map(words);
  return {
    warning: `The requested image's platform (${image}) does not match the detected host platform (${own}) and no specific platform was requested`,
    hint: `the image is for ${image}, and this host is ${own}`,
  };
}

/** What to add to an error of a container's programs. The image may be gone: then nobody knows. */
export function platformHint(images: ImageStore, imageId: string): string | undefined {
  try {
    return foreignPlatform(images.get(imageId).config)?.hint;
  } catch (error) {
    if (isEngineError(error)) return undefined;
    throw error;
  }
}

function words({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}
