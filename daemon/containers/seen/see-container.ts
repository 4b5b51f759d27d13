// Looks at a container: what is there of it at this moment.
import type { Container } from '../container.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { Needs } from '../needs.ts';
import type { SeenContainer } from './seen-container.ts';

/** See needs.ts. */
export type SeeContainerNeeds = Needs<'networks.sandboxes.of' | 'volumes.mountpoint'>;

/** Throws nothing: it is asked of containers whose records are damaged, too. */
export function seeContainer(services: SeeContainerNeeds, container: Container): SeenContainer {
  const { record, state, isRunning, hasStarted, isRemoving } = container;
  const sandbox = services.networks.sandboxes.of(container.id);
  return {
    record: { ...record },
    state,
    isRunning,
    hasStarted,
    isRemoving,
    sandbox: sandbox && {
      sandboxId: sandbox.sandboxId,
      connections: sandbox.connections.map(({ entry, endpoint }) => ({ network: entry.record, endpoint })),
      ports: sandbox.ports,
    },
    volumePaths: volumePathsOf(services, record),
  };
}

function volumePathsOf({ volumes }: SeeContainerNeeds, { spec }: ContainerRecord): ReadonlyMap<string, string> {
  try {
    const names = spec.mounts.flatMap(({ volume }) => (volume === undefined ? [] : [volume.name]));
    return new Map(names.map((name) => [name, volumes.mountpoint(name)]));
  } catch {
    // The mounts of a damaged record: who shows them finds that out.
    return new Map();
  }
}

/** In bytes; 0 for an image that is not there, or cannot be read. */
export function imageBytes({ images }: Needs<'images.byId'>, id: string): number {
  try {
    return images.byId(id)?.sizeBytes ?? 0;
  } catch {
    return 0;
  }
}
