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
      Source: mount.volume === undefined ? mount.source : (volumePaths.get(mount.volume.name) ?? ''),
      Destination: mount.target,
      ...(mount.volume === undefined ? {} : { Driver: localDriver }),
      Mode: mount.mode,
      RW: !mount.readonly,
      Propagation: mount.type === 'bind' ? mount.propagation : '',
    }));
}
