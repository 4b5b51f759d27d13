// What inspect and lists show of a container's mounts.
import type { SeenContainer } from '../../containers/seen/seen-container.ts';
import type { MountPoint } from '../../docker-types/container.ts';
import { localDriver } from '../../volumes/volume-record.ts';

export function mountPoints({ record, volumePaths }: SeenContainer): MountPoint[] {
  return record.spec.mounts
    .filter(({ isUnlisted }) => !isUnlisted)
    .map((mount) => ({
      Type: mount.type,
      ...(mount.volume === undefined ? {} : { Name: mount.volume.name }),
      ...(mount.imageName === undefined ? {} : { Name: mount.imageName }),
      Source: mount.volume === undefined ? mount.source : pathOf(volumePaths, mount.volume.name),
      Destination: mount.target,
      ...(mount.volume === undefined ? {} : { Driver: localDriver }),
      Mode: mount.mode,
      RW: !mount.readonly,
      Propagation: mount.type === 'bind' ? mount.propagation : '',
    }));
}

/** Throws TypeError for the volumes of a damaged record, which have none: see see-container.ts. */
function pathOf(paths: SeenContainer['volumePaths'], name: string): string {
  const path = paths.get(name);
  if (path === undefined) throw new TypeError(`a volume without a place: ${name}`);
  return path;
}
