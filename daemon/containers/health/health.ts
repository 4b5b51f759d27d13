// The health checks of one running container: a timer, one check at a time, and what follows from its result. A container without a check has
// no monitor. INVARIANT: results are taken in under the container's lock, and only while its run lasts and it is not paused.

import { performance } from 'node:perf_hooks';
import type { HealthCheck } from '../../spec/container-spec.ts';
import { wallClockNs } from '../../state/event-log.ts';
import type { Container, HealthChecks, LockedContainer } from '../container.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from '../container-events.ts';
import type { Needs } from '../needs.ts';
import { writeHealthFile } from './health-file.ts';
import { afterResult, type HealthResult, nextDelayMs } from './health-rules.ts';
import { type RunProbeNeeds, runProbe } from './run-probe.ts';

/** See needs.ts. */
export type HealthNeeds = Needs<'log.warn' | 'paths.run'> & ContainerEventsNeeds & RunProbeNeeds;

export class HealthMonitor implements HealthChecks {
  readonly #services: HealthNeeds;
  readonly #container: Container;
  readonly #probe: HealthCheck;
  readonly #onUnhealthy: () => void;
  /** Of the start, on the clock that nobody sets. */
  readonly #startMs: number;
  #timer: NodeJS.Timeout | undefined;
  #current: AbortController | undefined;
  #isOver = false;

  constructor(services: HealthNeeds, container: Container, probe: HealthCheck, onUnhealthy: () => void) {
    this.#services = services;
    this.#container = container;
    this.#probe = probe;
    this.#onUnhealthy = onUnhealthy;
    const ranMs = Number(wallClockNs() - BigInt(container.state.startedNs)) / 1e6;
    this.#startMs = performance.now() - Math.max(0, ranMs);
  }

  /** Begins, or goes on after a pause. */
  resume(): void {
    const { health } = this.#container.state;
    if (this.#isOver || health === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#check(), nextDelayMs(health, this.#probe, this.#sinceStartMs()));
    // The daemon may end while a check is due: the next one goes on.
    this.#timer.unref();
  }

  /** What runs is killed, and says nothing about the container. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#current?.abort();
    this.#current = undefined;
  }

  stop(): void {
    this.#isOver = true;
    this.pause();
  }

  #sinceStartMs(): number {
    return performance.now() - this.#startMs;
  }

  async #check(): Promise<void> {
    const current = new AbortController();
    this.#current = current;
    const begunMs = this.#sinceStartMs();
    const result = await runProbe(this.#services, this.#container, this.#probe, current.signal);
    try {
      await this.#container.locked((held) => {
        if (this.#isOver || this.#current !== current) return;
        this.#current = undefined;
        this.#take(held, result, begunMs);
        this.resume();
      });
    } catch (error) {
      this.#services.log.warn(
        { err: error, container: this.#container.id, name: this.#container.record.name },
        'cannot note the result of a health check: the next daemon does not know it',
      );
      if (this.#current === undefined) this.resume();
    }
  }

  #take(held: LockedContainer, result: HealthResult, begunMs: number): void {
    const services = this.#services;
    const container = this.#container;
    const before = container.state.health;
    if (before === undefined) return;
    const health = afterResult(before, result, this.#probe, begunMs);
    if (held.apply({ kind: 'checked', health }) === undefined) return;
    writeHealthFile(services.paths.run(container.id), health);
    if (health.status === before.status) return;
    publishContainerEvent(services, container, `health_status: ${health.status}`);
    container.tellHealth(healthResult(container));
    if (health.status === 'unhealthy' && container.spec.restartsUnhealthy) this.#onUnhealthy();
  }
}

/**
 * At a start and when a running container is taken over; nothing for one without a check. The state has its health already. `onUnhealthy` is
 * called, with the lock held, when it turns unhealthy and is to be started again then.
 */
export function beginHealth(services: HealthNeeds, container: Container, onUnhealthy: () => void): void {
  container.health?.stop();
  container.health = undefined;
  const probe = container.spec.healthCheck;
  if (probe === undefined) return;
  container.health = new HealthMonitor(services, container, probe, onUnhealthy);
  if (container.state.status === 'running') container.health.resume();
}

/** What a wait for health is told now; undefined while it is not decided. */
export function healthResult({ record, state, id }: Container) {
  const no = (why: string) => ({ StatusCode: 1, Error: { Message: `container ${record.name || id} ${why}` } });
  if (state.status === 'exited' || state.status === 'dead' || state.status === 'restarting') {
    return no(`ended with exit code ${state.exitCode} before it was healthy`);
  }
  if (state.health?.status === 'healthy') return { StatusCode: 0 };
  return state.health?.status === 'unhealthy' ? no('is unhealthy') : undefined;
}
