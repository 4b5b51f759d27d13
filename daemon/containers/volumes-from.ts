// --volumes-from: the mounts of other containers, for one that is being made.
import type { HostConfig } from '../api/types/host-config.ts';
import type { ResolvedMount } from '../runtime/container-input.ts';
import { parseVolumesFrom } from '../runtime/parse-bind.ts';
import type { ContainerStore } from './container-store.ts';

/** The later container wins where two have a mount at one place. Throws 'not-found' for a container that is not there. */
export function inheritedMounts(store: ContainerStore, hostConfig: HostConfig): ResolvedMount[] {
  const byTarget = new Map<string, ResolvedMount>();
  for (const spec of hostConfig.VolumesFrom ?? []) {
    const { container, readonly } = parseVolumesFrom(spec);
    for (const mount of store.get(container).record.mounts) {
      if (mount.isUnlisted) continue;
      const inherited = { ...mount, readonly: mount.readonly || readonly };
      // What is in the volume is the other container's: nothing of this image goes there.
      if (inherited.volume !== undefined) inherited.volume = { ...inherited.volume, copiesUp: false };
      byTarget.set(mount.target, inherited);
    }
  }
  return [...byTarget.values()];
}
