// --restart-unhealthy, which docker does not have: what turns unhealthy is stopped as `stop` does it, and started again by the restart policy's
// back-off, whatever the policy says about ends of its own.
import type { Container } from '../container.ts';
import type { Needs } from '../needs.ts';
import { type Concluding, type EndRunNeeds, endRun } from './end-run.ts';

/** See needs.ts. */
export type RenewUnhealthyNeeds = Needs<'log.info' | 'log.warn' | 'store.saveState'> & EndRunNeeds;

/** Never rejects. */
export async function renewUnhealthy(
  services: RenewUnhealthyNeeds,
  lifecycle: Concluding,
  container: Container,
): Promise<void> {
  try {
    const isAsked = await container.locked((held) => {
      if (container.isRemoving || held.apply({ kind: 'renewal-asked' }) === undefined) return false;
      // Stored: a daemon that comes when it has ended is to know why it did.
      services.store.saveState(held);
      return true;
    });
    if (!isAsked) return;
    services.log.info({ container: container.id, name: container.record.name }, 'restart an unhealthy container');
    await endRun(services, lifecycle, container, {});
  } catch (error) {
    services.log.warn(
      { err: error, container: container.id, name: container.record.name },
      'cannot restart an unhealthy container: it is left as it is',
    );
  }
}
