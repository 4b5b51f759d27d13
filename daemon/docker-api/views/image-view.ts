// What docker's clients see of images: inspected, in a list, how they came about, what went of them. Older clients see it through image-versions.ts.
import type {
  DistributionInspect,
  HistoryResponseItem,
  ImageDeleteResponseItem,
  ImageInspect,
  ImagePruneResponse,
  ImageSummary,
} from '../../docker-types/image.ts';
import type { HistoryStep, ListedImage, PrunedImages, RemovedPart, SeenImage } from '../../images/image-service.ts';
import type { ImageName } from '../../images/image-tables.ts';
import type { RemoteImage } from '../../images/registry-service.ts';
import { familiar } from '../../registry/reference.ts';

const NEVER = '0001-01-01T00:00:00Z';

/** GET /images/{name}/json. */
export function inspectView({ image, names, taggedAt, layerDirs }: SeenImage): ImageInspect {
  const { config } = image;
  const data: Record<string, string> = {};
  const [upper, ...lower] = layerDirs;
  if (upper !== undefined) data.UpperDir = upper;
  if (lower.length > 0) data.LowerDir = lower.join(':');
  return {
    Id: image.id,
    RepoTags: repoTags(names),
    RepoDigests: repoDigests(names),
    Parent: image.parentId ?? '',
    Comment: config.comment || (config.history?.at(-1)?.comment ?? ''),
    Created: config.created ?? NEVER,
    Container: config.container ?? '',
    ContainerConfig: config.container_config ?? {},
    DockerVersion: config.docker_version ?? '',
    Author: config.author ?? '',
    Config: config.config ?? null,
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    ...(config['os.version'] === undefined ? {} : { OsVersion: config['os.version'] }),
    Size: image.sizeBytes,
    GraphDriver: { Name: 'overlay2', Data: data },
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    Metadata: { LastTagTime: taggedAt || NEVER },
  };
}

/** One element of GET /images/json. */
export function summaryView(image: ListedImage): ImageSummary {
  return {
    Id: image.id,
    ParentId: image.parentId ?? '',
    RepoTags: repoTags(image.names),
    RepoDigests: repoDigests(image.names),
    Created: image.createdSeconds,
    Size: image.sizeBytes,
    SharedSize: image.sharedBytes ?? -1,
    Labels: image.labels,
    Containers: image.containers,
  };
}

/** One element of GET /images/{name}/history. Steps of images that are not here have the id "<missing>". */
export function historyView(step: HistoryStep): HistoryResponseItem {
  const tags = repoTags(step.image?.names ?? []);
  return {
    Id: step.image?.id ?? '<missing>',
    Created: step.createdSeconds,
    CreatedBy: step.createdBy,
    Tags: tags.length === 0 ? null : tags,
    Size: step.sizeBytes,
    Comment: step.comment,
  };
}

/** One element of what DELETE /images/{name} answers. */
export function removedView(part: RemovedPart): ImageDeleteResponseItem {
  return 'untagged' in part ? { Untagged: shown(part.untagged) } : { Deleted: part.deleted };
}

/** POST /images/prune. */
export function pruneView({ removed, reclaimedBytes }: PrunedImages): ImagePruneResponse {
  return { ImagesDeleted: removed.length === 0 ? null : removed.map(removedView), SpaceReclaimed: reclaimedBytes };
}

/** GET /distribution/{name}/json. */
export function distributionView({ descriptor, platforms }: RemoteImage): DistributionInspect {
  return { Descriptor: descriptor, Platforms: [...platforms] };
}

function repoTags(names: readonly ImageName[]): string[] {
  return names.filter(({ tag }) => tag !== undefined).map(shown);
}

function repoDigests(names: readonly ImageName[]): string[] {
  return names.filter(({ digest }) => digest !== undefined).map(shown);
}

function shown({ repository, tag, digest }: ImageName): string {
  return familiar({ repository, tag, digest });
}
