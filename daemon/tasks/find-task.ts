// Finds a task that another daemon started. INVARIANT: only the kernel's word that nobody listens makes a task one that has ended: whatever else
// went wrong (no file left, a monitor that is stopped, a message that is not understood), what is behind it may be well.
import { isEngineError } from '../errors/engine-error.ts';
import { LaunchError } from '../runtime/launch-error.ts';
import { MonitorClient } from '../runtime/monitor-client.ts';
import { Task, type TaskPlace } from './task.ts';

/** 'silent' when something is there that does not speak, or may be; undefined when nothing listens. */
export type TaskAnswer = Task | 'silent' | undefined;

interface Told {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export async function findTask(place: TaskPlace, log: Told): Promise<TaskAnswer> {
  const { runDir } = place;
  try {
    return new Task(await MonitorClient.connect(runDir), place);
  } catch (error) {
    const isGone = isEngineError(error, 'not-found') || error instanceof LaunchError;
    const why = error instanceof Error ? error.message : error;
    if (isGone) log.debug({ runDir, why }, 'no monitor answers');
    else log.warn({ runDir, why }, 'a monitor does not answer');
    return isGone ? undefined : 'silent';
  }
}

/** The same, waiting no longer than that. */
export async function within<T>(work: Promise<T>, limitMs: number): Promise<T | 'silent'> {
  const { promise, resolve } = Promise.withResolvers<'silent'>();
  const timer = setTimeout(() => resolve('silent'), limitMs);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}
