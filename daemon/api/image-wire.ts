// What the wire form of images owes to older clients: fields and values that newer versions of the API have dropped.
import type { ImageInspect, ImageSummary } from './types/image.ts';

const unnamed = '<none>:<none>';

export function adaptImageSummary(image: ImageSummary, version: number): ImageSummary {
  if (version >= 1044) return image;
  const adapted: ImageSummary = { ...image, VirtualSize: image.Size };
  if (version < 1043 && image.RepoTags.length === 0) {
    adapted.RepoTags = [unnamed];
    if (image.RepoDigests.length === 0) adapted.RepoDigests = ['<none>@<none>'];
  }
  return adapted;
}

export function adaptImageInspect(image: ImageInspect, version: number): ImageInspect {
  return version >= 1044 ? image : { ...image, VirtualSize: image.Size };
}
