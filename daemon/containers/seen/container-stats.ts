// GET /containers/{id}/stats: the counters of the cgroup, in Docker's form, once or every second.

import { readFileSync } from 'node:fs';
import type { ContainerStatsResponse, CpuStats, NetworkStats } from '../../docker-types/stats.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { formatTime } from '../../protocols/units/rfc3339.ts';
import type { NetworkMode } from '../../spec/network-mode.ts';
import { wallClockNs } from '../../state/event-log.ts';
import type { Container } from '../container.ts';
import type { Needs } from '../needs.ts';
import { type CgroupPathNeeds, cgroupPathOf } from '../start/cgroup-path.ts';

/** See needs.ts. */
export type ContainerStatsNeeds = Needs<'cgroups.stats' | 'store.find' | 'store.get'> & CgroupPathNeeds;

const intervalMs = 1000;
const never = '0001-01-01T00:00:00Z';
const noCpu: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

export function containerStats(
  services: ContainerStatsNeeds,
  ref: string,
  options: { stream: boolean; oneShot: boolean },
): AsyncIterable<ContainerStatsResponse> {
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
): AsyncGenerator<ContainerStatsResponse> {
  let previous: ContainerStatsResponse | undefined;
  // A single answer compares two samples, unless the client takes the first as it is.
  let isFirst = !options.oneShot;
  for (;;) {
    if (container.isRemoved) return;
    const current = takeSample(services, container, previous);
    const isEmpty = current.read === never;
    if (!isFirst || isEmpty || options.stream) yield current;
    if (!options.stream && (!isFirst || isEmpty)) return;
    isFirst = false;
    previous = isEmpty ? undefined : current;
    await pause(container, intervalMs);
  }
}

function takeSample(
  services: ContainerStatsNeeds,
  container: Container,
  previous: ContainerStatsResponse | undefined,
): ContainerStatsResponse {
  const head = { name: `/${container.record.name}`, id: container.id };
  if (!container.isRunning) return emptySample(head);
  const stats = services.cgroups.stats(cgroupPathOf(services, container));
  if (stats === undefined) return emptySample(head);
  const networks = readNetworks(services, container);
  return {
    ...head,
    read: formatTime(wallClockNs()),
    preread: previous?.read ?? never,
    num_procs: 0,
    storage_stats: {},
    ...stats,
    precpu_stats: previous?.cpu_stats ?? noCpu,
    ...(networks === undefined ? {} : { networks }),
  };
}

function emptySample(head: { name: string; id: string }): ContainerStatsResponse {
  return {
    ...head,
    read: never,
    preread: never,
    pids_stats: {},
    blkio_stats: {
      io_service_bytes_recursive: null,
      io_serviced_recursive: null,
      io_queue_recursive: null,
      io_service_time_recursive: null,
      io_wait_time_recursive: null,
      io_merged_recursive: null,
      io_time_recursive: null,
      sectors_recursive: null,
    },
    num_procs: 0,
    storage_stats: {},
    cpu_stats: noCpu,
    precpu_stats: noCpu,
    memory_stats: {},
  };
}

/** Interfaces but loopback, of whosever namespace it is in; none with the host's network or without one, as in Docker. */
function readNetworks({ store }: ContainerStatsNeeds, container: Container): Record<string, NetworkStats> | undefined {
  const owners = new Set<Container>();
  for (let owner: Container | undefined = container; owner !== undefined && !owners.has(owner); ) {
    owners.add(owner);
    const mode: NetworkMode = owner.spec.network;
    if (mode.kind === 'host' || mode.kind === 'none') return undefined;
    owner = mode.kind === 'container' ? store.find(mode.ref) : undefined;
  }
  try {
    return parseNetDev(readFileSync(`/proc/${container.state.pid}/net/dev`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** Exported for tests: /proc/net/dev (proc(5)). */
export function parseNetDev(text: string): Record<string, NetworkStats> | undefined {
  const found: [string, NetworkStats][] = [];
  for (const line of text.split('\n').slice(2)) {
    const at = line.indexOf(':');
    const name = line.slice(0, at).trim();
    if (at < 0 || name === 'lo') continue;
    const n = line
      .slice(at + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const field = (index: number) => n[index] ?? 0;
    found.push([
      name,
      {
        rx_bytes: field(0),
        rx_packets: field(1),
        rx_errors: field(2),
        rx_dropped: field(3),
        tx_bytes: field(8),
        tx_packets: field(9),
        tx_errors: field(10),
        tx_dropped: field(11),
      },
    ]);
  }
  return found.length === 0 ? undefined : Object.fromEntries(found);
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
