// A container's place in the cgroup hierarchies.
import { join } from 'node:path';
import type { Container } from './container.ts';
import type { Services } from './services.ts';

/** Absolute, below the engine's parent group or below HostConfig.CgroupParent, which was checked for "..". */
export function cgroupPathOf(services: Services, container: Container): string {
  const parent = container.record.hostConfig.CgroupParent || services.cgroupParent;
  return join('/', parent, container.id);
}
