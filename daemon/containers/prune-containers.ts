// POST /containers/prune: removes what does not run, one after the other; only one prune at a time.
import type { ContainerPruneResponse } from '../docker-types/container-actions.ts';
import { EngineError } from '../errors/engine-error.ts';
import { checkFilterKeys, type Filters, matchLabels } from '../state/filters.ts';
import { parseTimeFilter } from '../state/time-filter.ts';
import type { Concluding } from './lifecycle/end-run.ts';
import type { Needs } from './needs.ts';
import { type RemoveContainerNeeds, removeContainer } from './remove-container.ts';

/** See needs.ts. */
export type PruneContainersNeeds = Needs<'events.publish' | 'layers.usage' | 'log.debug'> & RemoveContainerNeeds;

const known: ReadonlySet<string> = new Set(['until', 'label', 'label!']);

export class ContainerPruner {
  #isRunning = false;

  async prune(
    services: PruneContainersNeeds,
    lifecycle: Concluding,
    filters: Filters,
  ): Promise<ContainerPruneResponse> {
    checkFilterKeys(filters, known);
    const untilNs = parseTimeFilter(filters);
    if (this.#isRunning) throw new EngineError('conflict', 'a prune operation is already running');
    this.#isRunning = true;
    try {
      return await pruneAll(services, lifecycle, filters, untilNs);
    } finally {
      this.#isRunning = false;
    }
  }
}

async function pruneAll(
  services: PruneContainersNeeds,
  lifecycle: Concluding,
  filters: Filters,
  untilNs: bigint | undefined,
): Promise<ContainerPruneResponse> {
  const deleted: string[] = [];
  let reclaimed = 0;
  for (const container of [...services.store.all()]) {
    const { status } = container.state;
    if (container.isRunning || status === 'restarting' || container.isRemoving) continue;
    if (!matchLabels(filters, container.spec.labels)) continue;
    if (untilNs !== undefined && BigInt(container.record.createdNs) > untilNs) continue;
    try {
      const bytes = await services.layers.usage(container.id, 'size');
      await removeContainer(services, lifecycle, container.id, { force: false, volumes: false, link: false });
      deleted.push(container.id);
      reclaimed += bytes;
    } catch (error) {
      // Someone started or removed it meanwhile: that is what they wanted.
      services.log.debug({ err: error, container: container.id }, 'prune passes over a container');
    }
  }
  services.events.publish('container', 'prune', '', { reclaimed: String(reclaimed) });
  return { ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
}
