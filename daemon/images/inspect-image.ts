// GET /images/{name}/json.
import type { ImageInspect } from '../docker-types/image.ts';
import type { Catalogue } from './catalogue.ts';
import type { ImageRecord } from './image-service.ts';
import { repoDigests, repoTags } from './list-images.ts';

const NEVER = '0001-01-01T00:00:00Z';

export function inspectImage(catalogue: Catalogue, image: ImageRecord): ImageInspect {
  const { config } = image;
  const row = catalogue.parts.tables.get(image.id);
  const names = catalogue.parts.tables.namesOf(image.id);
  const layers = catalogue.parts.layers.chain(row?.topLayer).map(({ number }) => catalogue.parts.layers.dirOf(number));
  const data: Record<string, string> = {};
  const [upper, ...lower] = layers;
  if (upper !== undefined) data.UpperDir = upper;
  if (lower.length > 0) data.LowerDir = lower.join(':');
  return {
    Id: image.id,
    RepoTags: repoTags(names),
    RepoDigests: repoDigests(names),
    Parent: image.parentId ?? '',
    Comment: config.comment ?? '',
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
    Metadata: { LastTagTime: row === undefined || row.taggedAt === '' ? NEVER : row.taggedAt },
  };
}
