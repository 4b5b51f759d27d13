// POST /commit: what a container changed becomes a layer, and with its config an image. A running container is paused for it by default,
// so that the layer is of one moment.
import type { ContainerConfig } from '../docker-types/container-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from './container-events.ts';
import type { CommitOptions } from './container-service.ts';
import type { Needs } from './needs.ts';
import { type CgroupPathNeeds, cgroupPathOf } from './start/cgroup-path.ts';

/** See needs.ts. */
export type CommitContainerNeeds = Needs<
  'cgroups.exists' | 'cgroups.freeze' | 'cgroups.thaw' | 'images.commit' | 'store.get'
> &
  CgroupPathNeeds &
  ContainerEventsNeeds;

export function commitContainer(
  services: CommitContainerNeeds,
  ref: string,
  options: CommitOptions,
): Promise<{ Id: string }> {
  const container = services.store.get(ref);
  return container.locked(async () => {
    if (container.isRemoving) {
      throw new EngineError('conflict', `You cannot commit container ${container.id} which is being removed`);
    }
    const cgroup = cgroupPathOf(services, container);
    const pauses = options.pause && container.state.status === 'running';
    if (pauses) {
      await services.cgroups.freeze(cgroup);
      publishContainerEvent(services, container, 'pause');
    }
    try {
      const { record } = container;
      const repo = options.repo ?? '';
      const tag = options.tag ?? '';
      const id = await services.images.commit({
        containerId: container.id,
        imageId: record.imageId,
        containerConfig: record.body.config,
        config: mergeCommitConfig(record.body.config, options.config ?? {}),
        changes: options.changes,
        author: options.author,
        comment: options.comment,
        repo,
        tag,
      });
      publishContainerEvent(services, container, 'commit', {
        comment: options.comment,
        imageID: id,
        imageRef: repo === '' ? '' : `${repo}:${tag || 'latest'}`,
      });
      return { Id: id };
    } finally {
      // It may have ended while it was frozen: then there is no cgroup, and nothing to thaw.
      if (pauses && services.cgroups.exists(cgroup)) {
        await services.cgroups.thaw(cgroup);
        publishContainerEvent(services, container, 'unpause');
      }
    }
  });
}

/** The image's config: what the request names wins over the container's; maps and lists of variables are merged. */
function mergeCommitConfig(own: ContainerConfig, asked: ContainerConfig): ContainerConfig {
  const merged: Record<string, unknown> = { ...own };
  for (const [key, value] of Object.entries(asked)) {
    const isUnsaid = value === null || value === '' || value === false || (Array.isArray(value) && value.length === 0);
    if (isUnsaid) continue;
    if (['Labels', 'ExposedPorts', 'Volumes'].includes(key))
      merged[key] = { ...(own[key as 'Labels'] ?? {}), ...(value as object) };
    else if (key !== 'Env') merged[key] = value;
  }
  const names = new Set((asked.Env ?? []).map((entry) => entry.split('=', 1)[0]));
  merged.Env = [...(own.Env ?? []).filter((entry) => !names.has(entry.split('=', 1)[0])), ...(asked.Env ?? [])];
  // What belongs to the run and not to the image.
  for (const key of [
    'Hostname',
    'Domainname',
    'AttachStdin',
    'AttachStdout',
    'AttachStderr',
    'Tty',
    'OpenStdin',
    'StdinOnce',
  ]) {
    delete merged[key];
  }
  merged.Image = own.Image ?? '';
  return merged as ContainerConfig;
}
