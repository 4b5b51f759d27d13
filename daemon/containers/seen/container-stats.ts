// What a container uses: the counters of its control group and of its interfaces, once or every second.
import { EngineError } from '../../errors/engine-error.ts';
import type { NetworkMode } from '../../spec/network-mode.ts';
import { wallClockNs } from '../../state/event-log.ts';
import type { Container } from '../container.ts';
import type { Needs } from '../needs.ts';
import { type CgroupPathNeeds, cgroupPathOf } from '../start/cgroup-path.ts';
import { readNetDev } from './net-dev.ts';
import type { Reading, StatsSample } from './stats-sample.ts';

/** See needs.ts. */
export type ContainerStatsNeeds = Needs<'cgroups.stats' | 'store.find' | 'store.get'> & CgroupPathNeeds;

const intervalMs = 1000;

/** With `stream` every second until the container is removed, else one sample. Throws 'not-found', 'invalid' for both options at once. */
export function containerStats(
  services: ContainerStatsNeeds,
  ref: string,
  options: { stream: boolean; oneShot: boolean },
): AsyncIterable<StatsSample> {
  if (options.stream && options.oneShot) {
    throw new EngineError('invalid', 'cannot have stream=true and one-shot=true');
  }
  const container = services.store.get(ref);
  return sample(services, container, options);
}

async function* sample(
  services: ContainerStatsNeeds,
  container: Container,
  options: { stream: boolean; oneShot: boolean },
): AsyncGenerator<StatsSample> {
  let previous: Reading | undefined;
  // A single answer compares two readings, unless the client takes the first as it is.
  let isFirst = !options.oneShot;
  for (;;) {
    if (container.isRemoved) return;
    const { id, name } = container.record;
    const reading = read(services, container);
    if (!isFirst || reading === undefined || options.stream) yield { id, name, reading, previous };
    if (!options.stream && (!isFirst || reading === undefined)) return;
    isFirst = false;
    previous = reading;
    await pause(container, intervalMs);
  }
}

function read(services: ContainerStatsNeeds, container: Container): Reading | undefined {
  if (!container.isRunning) return undefined;
  const cgroup = services.cgroups.stats(cgroupPathOf(services, container));
  if (cgroup === undefined) return undefined;
  return { cgroup, interfaces: readInterfaces(services, container), timeNs: wallClockNs() };
}

/** Of whosever namespace it is in. */
function readInterfaces({ store }: ContainerStatsNeeds, container: Container): Reading['interfaces'] {
  const owners = new Set<Container>();
  for (let owner: Container | undefined = container; owner !== undefined && !owners.has(owner); ) {
    owners.add(owner);
    const mode: NetworkMode = owner.spec.network;
    if (mode.kind === 'host' || mode.kind === 'none') return undefined;
    owner = mode.kind === 'container' ? store.find(mode.ref) : undefined;
  }
  return readNetDev(container.state.pid);
}

/** Ends early when the container goes, so that the client hears of it. */
async function pause(container: Container, ms: number): Promise<void> {
  const removed = container.wait('removed');
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, removed.result]);
  clearTimeout(timer);
  removed.cancel();
}
