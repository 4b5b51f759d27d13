// POST /containers/{id}/wait. A container that waits for its restart counts as running.
import { EngineError } from '../errors/engine-error.ts';
import type { WaitCondition, Waiter } from './container-service.ts';
import type { Services } from './services.ts';

export function waitContainer({ store }: Services, ref: string, condition: WaitCondition): Waiter {
  const container = store.get(ref);
  const { status } = container.state;
  if (!['not-running', 'next-exit', 'removed'].includes(condition)) {
    throw new EngineError('invalid', `invalid condition: "${condition}"`);
  }
  if (condition === 'not-running' && !container.isRunning && status !== 'restarting') {
    return { result: Promise.resolve(container.exitResult()), cancel: () => undefined };
  }
  return container.wait(condition);
}
