// Docker's form of a sample: two readings, or none.
import { expect, test } from 'vitest';
import type { CgroupStats } from '../../../../daemon/cgroups/stats.ts';
import { parseNetDev } from '../../../../daemon/containers/seen/net-dev.ts';
import type { Reading } from '../../../../daemon/containers/seen/stats-sample.ts';
import { statsView } from '../../../../daemon/docker-api/views/container-stats.ts';

const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       9       9    9    9    0     0          0         0        9       9    9    9    0     0       0          0
  eth0:       1       2    3    4    0     0          0         0        5       6    7    8    0     0       0          0
`;

const counts = { usage_in_kernelmode: 0, usage_in_usermode: 0 };
const throttling_data = { periods: 0, throttled_periods: 0, throttled_time: 0 };
const noBlocks = { io_service_bytes_recursive: null, io_serviced_recursive: null, io_queue_recursive: null };
const cgroup = (cpuNs: number): CgroupStats => ({
  cpu_stats: { cpu_usage: { total_usage: cpuNs, ...counts }, system_cpu_usage: 9, online_cpus: 2, throttling_data },
  memory_stats: { usage: 4096 },
  blkio_stats: {
    ...{ ...noBlocks, io_service_time_recursive: null, io_wait_time_recursive: null, io_merged_recursive: null },
    ...{ io_time_recursive: null, sectors_recursive: null },
  },
  pids_stats: { current: 1 },
});
const reading = (seconds: number, interfaces?: Reading['interfaces']): Reading => ({
  ...{ timeNs: BigInt(seconds) * 1_000_000_000n, cgroup: cgroup(seconds), interfaces },
});

test('a sample with one before it', () => {
  const sample = { id: 'c', name: 'web', reading: reading(2, parseNetDev(netDev)), previous: reading(1) };
  const shown = statsView(sample);
  expect(shown).toMatchObject({
    ...{ id: 'c', name: '/web', read: '1970-01-01T00:00:02Z', preread: '1970-01-01T00:00:01Z' },
    ...{ cpu_stats: { cpu_usage: { total_usage: 2 } }, precpu_stats: { cpu_usage: { total_usage: 1 } } },
    ...{ memory_stats: { usage: 4096 }, pids_stats: { current: 1 }, num_procs: 0 },
  });
  expect(shown.networks).toEqual({
    eth0: {
      ...{ rx_bytes: 1, rx_packets: 2, rx_errors: 3, rx_dropped: 4 },
      ...{ tx_bytes: 5, tx_packets: 6, tx_errors: 7, tx_dropped: 8 },
    },
  });
});

test('the first sample compares with nothing, and without interfaces none are shown', () => {
  const shown = statsView({ id: 'c', name: 'web', reading: reading(2), previous: undefined });
  expect(shown).toMatchObject({ preread: '0001-01-01T00:00:00Z', precpu_stats: { cpu_usage: { total_usage: 0 } } });
  expect(shown).not.toHaveProperty('networks');
});

test('one that does not run has a sample of nothing', () => {
  const shown = statsView({ id: 'c', name: 'web', reading: undefined, previous: reading(1) });
  expect(shown).toMatchObject({
    ...{ read: '0001-01-01T00:00:00Z', preread: '0001-01-01T00:00:00Z' },
    ...{ memory_stats: {}, pids_stats: {}, precpu_stats: { cpu_usage: { total_usage: 0 } } },
  });
});

test('only loopback is no interface', () => {
  expect(parseNetDev(netDev.split('\n').slice(0, 3).join('\n'))).toBeUndefined();
});
