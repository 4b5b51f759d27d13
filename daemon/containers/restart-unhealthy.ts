// --restart-unhealthy, which docker does not have: what turns unhealthy is stopped as `stop` does it, and started again by the restart policy's
// back-off, whatever the policy says about ends of its own.
import type { Container } from './container.ts';
import type { Services } from './services.ts';
import { endRun } from './stop-container.ts';

/** Never rejects. */
export async function restartUnhealthy(services: Services, container: Container): Promise<void> {
  try {
    const isAsked = await container.lock.run(() => {
      if (container.state.status !== 'running' || container.state.stoppedByUser || container.isRemoving) return false;
      // Stored: a daemon that comes when it has ended is to know why it did.
      container.state = { ...container.state, restartAsked: true };
      services.store.saveState(container);
      return true;
    });
    if (!isAsked) return;
    services.log.info({ container: container.id }, 'restart an unhealthy container');
    await endRun(services, container, {});
  } catch (error) {
    services.log.warn({ err: error, container: container.id }, 'restart an unhealthy container');
  }
}
