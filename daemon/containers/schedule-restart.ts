// A restart by policy: after the back-off, unless someone stops or removes the container meanwhile.
import type { Container } from './container.ts';
import type { Services } from './services.ts';
import { startLocked } from './start-container.ts';

export function scheduleRestart(
  services: Services,
  container: Container,
  plan: { delayMs: number; restartCount: number },
): void {
  const timer = setTimeout(() => {
    container.cancelRestart = undefined;
    container.lock
      .run(async () => {
        if (container.state.status !== 'restarting' || container.isRemoving) return;
        container.state = { ...container.state, restartCount: plan.restartCount, restartDelayMs: plan.delayMs };
        await startLocked(services, container);
      })
      .catch((error) => services.log.warn({ err: error, container: container.id }, 'restart by policy'));
  }, plan.delayMs);
  // The daemon may end while a container waits: the next one goes on from the stored state.
  timer.unref();
  container.cancelRestart = () => {
    clearTimeout(timer);
    container.cancelRestart = undefined;
  };
}

/** Takes a restart that is due back, when there is one. */
export function forgoRestart(services: Services, container: Container): Promise<void> {
  return container.lock.run(() => {
    if (container.state.status === 'restarting') abandonRestart(services, container);
  });
}

/** A stop of a container that waits for its restart. The caller holds the lock. */
export function abandonRestart(services: Services, container: Container): void {
  container.cancelRestart?.();
  container.state = { ...container.state, status: 'exited', stoppedByUser: true };
  services.store.saveState(container);
  container.wake('not-running');
}
