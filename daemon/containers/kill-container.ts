// POST /containers/{id}/kill.
import { constants } from 'node:os';
import { EngineError } from '../errors/engine-error.ts';
import { parseSignal, parseSignalFor } from '../spec/signals.ts';
import type { Container } from './container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from './container-events.ts';
import {
  type Concluding,
  type EndRunNeeds,
  forgoRestart,
  killAndWait,
  markStopped,
  sendSignal,
} from './lifecycle/end-run.ts';
import type { Needs } from './needs.ts';

/** See needs.ts. */
export type KillContainerNeeds = Needs<'store.get'> & ContainerEventsNeeds & EndRunNeeds;

const { SIGKILL, SIGTERM } = constants.signals;

export async function killContainer(
  services: KillContainerNeeds,
  lifecycle: Concluding,
  ref: string,
  options: { signal?: string },
): Promise<void> {
  const container = services.store.get(ref);
  const signo = options.signal ? parseSignalFor('kill', ref, options.signal) : SIGKILL;
  if (container.state.status === 'restarting' && ends(container, signo)) {
    await forgoRestart(services, container);
    // The restart may have been under way: then it runs by now.
    if (!container.isRunning) return;
  }
  if (!container.isRunning) {
    throw new EngineError('conflict', `cannot kill container: ${ref}: container ${container.id} is not running`);
  }
  if (ends(container, signo)) {
    await markStopped(services, container);
    if (!container.isRunning) return;
  }
  publishContainerEvent(services, container, 'kill', { signal: String(signo) });
  if (signo === SIGKILL) {
    await killAndWait(services, lifecycle, container);
    await forgoRestart(services, container);
  } else await sendSignal(services, container, signo);
}

/** A signal that is meant to end it: restart policies then leave it alone. */
function ends(container: Container, signo: number): boolean {
  const { signal } = container.spec.stop;
  return signo === SIGKILL || signo === SIGTERM || (signal !== undefined && parseSignal(signal) === signo);
}
