// --volumes-from: the mounts of other containers, for one that is being made.
import { EngineError } from '../../errors/engine-error.ts';
import { parseVolumesFrom } from '../../spec/docker/parse-bind.ts';
import type { ResolvedMount } from '../../spec/mount.ts';
import type { ContainerStore } from '../container-store.ts';

/**
 * The later container wins where two have a mount at one place. Throws 'invalid' for a container that is not there: docker's clients take a 404 of
 * create for a missing image, and pull it. */
export function inheritedMounts(store: ContainerStore, volumesFrom: readonly string[]): ResolvedMount[] {
  const byTarget = new Map<string, ResolvedMount>();
  for (const spec of volumesFrom) {
    const { container, readonly } = parseVolumesFrom(spec);
    const from = store.find(container);
    if (from === undefined) throw new EngineError('invalid', `No such container: ${container}`);
    for (const mount of from.spec.mounts) {
      if (mount.isUnlisted) continue;
      const inherited = { ...mount, readonly: mount.readonly || readonly };
      // What is in the volume is the other container's: nothing of this image goes there.
      if (inherited.volume !== undefined) inherited.volume = { ...inherited.volume, copiesUp: false };
      byTarget.set(mount.target, inherited);
    }
  }
  return [...byTarget.values()];
}
