// The host goes down, and the containers with it: each is asked to end as `stop` does, so that its exit is recorded. It is not marked as
// stopped: what its restart policy says is done by the next daemon, after the boot.
import type { Container } from './container.ts';
import { type Concluding, type EndRunNeeds, endRun } from './lifecycle/end-run.ts';
import type { Needs } from './needs.ts';

/** See needs.ts. */
export type EndWithHostNeeds = Needs<'log.warn' | 'store.all'> & EndRunNeeds;

/** Resolves when none runs any more, or could not be ended. Never rejects. */
export async function endWithHost(services: EndWithHostNeeds, lifecycle: Concluding): Promise<void> {
  const all = [...services.store.all()];
  // The stored state says that they are due.
  for (const container of all) container.cancelRestart?.();
  await Promise.all(
    all.filter(({ isRunning }) => isRunning).map((container) => endOne(services, lifecycle, container)),
  );
}

async function endOne(services: EndWithHostNeeds, lifecycle: Concluding, container: Container): Promise<void> {
  try {
    await endRun(services, lifecycle, container, {});
  } catch (error) {
    services.log.warn(
      { err: error, container: container.id, name: container.record.name },
      'cannot end a container before the host goes down: it ends with the host',
    );
  }
  // The end has just scheduled it.
  container.cancelRestart?.();
}
