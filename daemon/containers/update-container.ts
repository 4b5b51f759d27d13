// POST /containers/{id}/update: limits and restart policy, live when it runs. Only what the request names changes.

import { type CgroupResources, resolveResources } from '../cgroups/resources.ts';
import type { ContainerUpdateRequest, ContainerUpdateResponse } from '../docker-types/container-actions.ts';
import { EngineError } from '../errors/engine-error.ts';
import { checkOnHost } from '../runtime/check-on-host.ts';
import { withLimits } from '../spec/docker/to-docker.ts';
import { updated, updateWarnings } from '../spec/docker/update-request.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from './container-events.ts';
import { lifting } from './create/granted-limits.ts';
import type { Needs } from './needs.ts';
import { type CgroupPathNeeds, cgroupPathOf } from './start/cgroup-path.ts';

/** See needs.ts. */
export type UpdateContainerNeeds = Needs<'cgroups' | 'host.facts' | 'log.warn' | 'store.change' | 'store.get'> &
  CgroupPathNeeds &
  ContainerEventsNeeds;

export async function updateContainer(
  services: UpdateContainerNeeds,
  ref: string,
  asked: ContainerUpdateRequest,
): Promise<ContainerUpdateResponse> {
  const { store, cgroups } = services;
  const container = store.get(ref);
  return container.locked(async () => {
    const { body, spec } = container.record;
    if (container.isRemoving) {
      throw new EngineError(
        'conflict',
        `Cannot update container ${container.id}: Container is marked for removal and cannot be "update".`,
      );
    }
    const next = updated(container.id, { body, spec }, asked);
    checkOnHost(next.spec, services.host.facts);
    const { resources, granted, warnings } = resolveResources(next.spec, cgroups);
    // The record first: the next start of a daemon that is killed in between gives the kernel what the record says.
    store.change(container, withLimits(next, granted));
    try {
      if (container.isRunning) {
        const { resources: before } = resolveResources(spec, cgroups);
        applyLimits(services, cgroupPathOf(services, container), before, resources);
      }
    } catch (error) {
      store.change(container, { body, spec });
      throw error;
    }
    publishContainerEvent(services, container, 'update');
    const all = [...warnings, ...updateWarnings(asked)];
    return { Warnings: all.length === 0 ? null : all };
  });
}

/** All of them or none: the kernel refuses some limits (a memory limit below what is used) when others are set already. */
function applyLimits(
  services: UpdateContainerNeeds,
  group: string,
  before: CgroupResources,
  next: CgroupResources,
): void {
  try {
    services.cgroups.update(group, lifting(before, next));
  } catch (error) {
    try {
      services.cgroups.update(group, lifting(next, before));
    } catch (undoError) {
      services.log.warn(
        { err: undoError, group },
        'cannot take back the limits of an update that failed: the group keeps some of them',
      );
    }
    throw error;
  }
}
