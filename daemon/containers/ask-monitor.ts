// Whether a monitor is there. INVARIANT: only the kernel's word that nobody listens makes a run one that has ended: whatever else went wrong
// (no file left, a monitor that is stopped, a message that is not understood), the container behind it may be well.
import { isEngineError } from '../errors/engine-error.ts';
import { LaunchError } from '../runtime/launch-error.ts';
import { MonitorClient } from '../runtime/monitor-client.ts';
import type { Services } from './services.ts';

/** 'silent' when something is there that does not speak, or may be; undefined when nothing listens. */
export type MonitorAnswer = MonitorClient | 'silent' | undefined;

export async function askMonitor(services: Services, runDir: string): Promise<MonitorAnswer> {
  try {
    return await MonitorClient.connect(runDir);
  } catch (error) {
    const isGone = isEngineError(error, 'not-found') || error instanceof LaunchError;
    const why = error instanceof Error ? error.message : error;
    if (isGone) services.log.debug({ runDir, why }, 'no monitor answers');
    else services.log.warn({ runDir, why }, 'a monitor does not answer');
    return isGone ? undefined : 'silent';
  }
}

/** The same, waiting no longer than that. */
export async function within<T>(work: Promise<T>, limitMs: number): Promise<T | 'silent'> {
  const { promise, resolve } = Promise.withResolvers<'silent'>();
  const timer = setTimeout(() => resolve('silent'), limitMs);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}
