// What the wire form of images owes to older clients: fields and values that newer versions of the API have dropped.
import type { ContainerConfig } from '../../docker-types/container-config.ts';
import type { ImageInspect, ImageSummary } from '../../docker-types/image.ts';

const unnamed = '<none>:<none>';

export function adaptImageSummary(image: ImageSummary, version: number): ImageSummary {
  if (version >= 1051) return image;
  const uncounted = { ...image, Containers: -1 };
  if (version >= 1044) return uncounted;
  const adapted: ImageSummary = { ...uncounted, VirtualSize: image.Size };
  if (version < 1043 && image.RepoTags.length === 0) {
    adapted.RepoTags = [unnamed];
    if (image.RepoDigests.length === 0) adapted.RepoDigests = ['<none>@<none>'];
  }
  return adapted;
}

/** What Docker's Config always had: clients index it. */
const emptyConfig: ContainerConfig = {
  Cmd: null,
  Entrypoint: null,
  Env: null,
  Labels: null,
  OnBuild: null,
  User: '',
  Volumes: null,
  WorkingDir: '',
};
/** Before 1.50 also what belongs to a container and says nothing of an image. */
const emptyOlderConfig: ContainerConfig = {
  ...emptyConfig,
  AttachStderr: false,
  AttachStdin: false,
  AttachStdout: false,
  Domainname: '',
  Hostname: '',
  Image: '',
  OpenStdin: false,
  StdinOnce: false,
  Tty: false,
};

export function adaptImageInspect(image: ImageInspect, version: number): ImageInspect {
  const { Container, ContainerConfig, ...rest } = image;
  const Config = version < 1050 ? { ...emptyOlderConfig, ...image.Config } : ofImage(image.Config ?? {});
  // Docker has no ContainerConfig from 1.45 on, and since then docker-compose 1 cannot recreate a container: it looks volumes up there.
  const adapted: ImageInspect = { ...rest, Config, ContainerConfig: { ...emptyOlderConfig, ...ContainerConfig } };
  if (version < 1045 && Container) adapted.Container = Container;
  return version >= 1044 ? adapted : { ...adapted, VirtualSize: image.Size };
}

/** From 1.50 on: what only a container can have is left out, whatever the image says. */
function ofImage(config: ContainerConfig): ContainerConfig {
  const isOfContainer = (key: string) => key in emptyOlderConfig && !(key in emptyConfig);
  return { ...emptyConfig, ...Object.fromEntries(Object.entries(config).filter(([key]) => !isOfContainer(key))) };
}
