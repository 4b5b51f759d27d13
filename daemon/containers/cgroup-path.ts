// A container's place in the cgroup hierarchies.
import type { HostConfig } from '../docker-types/host-config.ts';
import type { Container } from './container.ts';
import type { Services } from './services.ts';

/** Where the run has its group: where it was started, though the daemon may have another driver now. */
export function cgroupPathOf(services: Services, container: Container): string {
  return container.state.cgroupPath || plannedCgroupPath(services, container.id, container.record.hostConfig);
}

/** Where the next run will have it: below HostConfig.CgroupParent or the engine's own parent. */
export function plannedCgroupPath(services: Services, id: string, hostConfig: HostConfig): string {
  return services.cgroups.groupOf(hostConfig.CgroupParent || services.cgroupParent, id);
}
