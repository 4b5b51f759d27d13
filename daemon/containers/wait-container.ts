// POST /containers/{id}/wait. A container that waits for its restart counts as running: who comes then waits for the end of its next run.
import { EngineError } from '../errors/engine-error.ts';
import type { WaitCondition, Waiter } from './container-service.ts';
import { healthResult } from './health/health.ts';
import type { Needs } from './needs.ts';

/** See needs.ts. */
export type WaitContainerNeeds = Needs<'store.get'>;

export function waitContainer({ store }: WaitContainerNeeds, ref: string, condition: WaitCondition): Waiter {
  const container = store.get(ref);
  const { status } = container.state;
  if (!['not-running', 'next-exit', 'removed', 'healthy'].includes(condition)) {
    throw new EngineError('invalid', `invalid condition: "${condition}"`);
  }
  if (condition === 'not-running' && !container.isRunning && status !== 'restarting') {
    return { result: Promise.resolve(container.exitResult()), cancel: () => undefined };
  }
  if (condition === 'healthy') {
    if (container.spec.healthCheck === undefined) {
      throw new EngineError('invalid', `wait for the health of container ${ref}: it has no health check`);
    }
    // A container that is to be started, or started again, is waited for; one that has ended is not.
    const known = status === 'restarting' ? undefined : healthResult(container);
    if (known !== undefined) return { result: Promise.resolve(known), cancel: () => undefined };
  }
  return container.wait(condition);
}
