// A container's place in the cgroup hierarchies.
import type { ContainerSpec } from '../../spec/container-spec.ts';
import type { Container } from '../container.ts';
import type { Needs } from '../needs.ts';

/** See needs.ts. */
export type CgroupPathNeeds = Needs<'cgroupParent' | 'cgroups.groupOf'>;

/** Where the run has its group: where it was started, though the daemon may have another driver now. */
export function cgroupPathOf(services: CgroupPathNeeds, container: Container): string {
  return container.state.cgroupPath || plannedCgroupPath(services, container.id, container.spec);
}

/** Where the next run will have it: below the parent that it names or the engine's own. */
export function plannedCgroupPath(
  services: CgroupPathNeeds,
  id: string,
  spec: Pick<ContainerSpec, 'cgroupParent'>,
): string {
  return services.cgroups.groupOf(spec.cgroupParent || services.cgroupParent, id);
}
