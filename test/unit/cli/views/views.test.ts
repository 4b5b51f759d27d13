import { describe, expect, it } from 'vitest';
import { containerHeaders, containerTable, containerView } from '../../../../cli/views/container-view.ts';
import { imageRows } from '../../../../cli/views/image-view.ts';
import { parseListFormat, renderList } from '../../../../cli/views/list.ts';
import { statsEntry, statsView } from '../../../../cli/views/stats-view.ts';
import type { ContainerSummary, Port } from '../../../../daemon/docker-types/container.ts';
import type { ImageSummary } from '../../../../daemon/docker-types/image.ts';
import type { ContainerStatsResponse } from '../../../../daemon/docker-types/stats.ts';

const container = (more: Partial<ContainerSummary> = {}): ContainerSummary => ({
  Id: 'b78be6f15321'.padEnd(64, '0'),
  Names: ['/other/link', '/web'],
  Image: 'busybox',
  ImageID: `sha256:${'a'.repeat(64)}`,
  Command: 'sh -c "echo a very long command"',
  Created: Math.floor(Date.now() / 1000) - 120,
  Ports: [],
  Labels: { b: '2', a: '1' },
  State: 'running',
  Status: 'Up 2 minutes',
  HostConfig: { NetworkMode: 'none' },
  NetworkSettings: { Networks: {} },
  Mounts: [],
  ...more,
});
const ports = (list: Port[]) => containerView(container({ Ports: list }), true).fields.Ports?.();

describe('a container in a list', () => {
  it("fills docker's table", () => {
    const text = renderList(parseListFormat('table', containerTable), containerHeaders, [
      containerView(container(), true),
    ]);
    expect(text).toBe(
      'CONTAINER ID   IMAGE     COMMAND                   CREATED         STATUS         PORTS     NAMES\n' +
        'b78be6f15321   busybox   "sh -c \\"echo a very …"   2 minutes ago   Up 2 minutes             web\n',
    );
  });

  it('shows everything when it is not shortened', () => {
    const view = containerView(container({ Image: `x@sha256:${'c'.repeat(64)}` }), false);
    expect(view.fields.Names?.()).toBe('other/link,web');
    expect(view.fields.Labels?.()).toBe('a=1,b=2');
    expect(view.methods.Label?.('a')).toBe('1');
    expect(view.methods.Label?.('constructor')).toBe('');
    expect(containerView(container({ Image: `x@sha256:${'c'.repeat(64)}` }), true).fields.Image?.()).toBe('x');
  });

  it('joins neighbouring ports', () => {
    expect(
      ports([
        { IP: '0.0.0.0', PrivatePort: 81, PublicPort: 81, Type: 'tcp' },
        { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 80, Type: 'tcp' },
        { IP: '::', PrivatePort: 53, PublicPort: 5353, Type: 'udp' },
        { PrivatePort: 9000, Type: 'tcp' },
      ]),
    ).toBe('0.0.0.0:80-81->80-81/tcp, 9000/tcp, [::]:5353->53/udp');
  });

  it('writes the header even without rows, and one line per row otherwise', () => {
    expect(renderList(parseListFormat('table {{.ID}}\\t{{.Names}}', ''), containerHeaders, [])).toBe(
      'CONTAINER ID   NAMES\n',
    );
    expect(renderList(parseListFormat('{{.Names}}', ''), containerHeaders, [containerView(container(), true)])).toBe(
      'web\n',
    );
    expect(renderList(parseListFormat('{{upper .Names}}', ''), containerHeaders, [])).toBe('');
  });
});

describe('an image in a list', () => {
  const image = (tags: string[], digests: string[]) => ({ RepoTags: tags, RepoDigests: digests }) as ImageSummary;
  const digest = `sha256:${'d'.repeat(64)}`;

  it('has a row per tag, and one when it has no name', () => {
    expect(imageRows(image(['a:1', 'reg.io/b:2'], [`a@${digest}`]), false)).toEqual([
      { repository: 'a', tag: '1', digest: '<none>' },
      { repository: 'reg.io/b', tag: '2', digest: '<none>' },
    ]);
    expect(imageRows(image(['a:1'], [`a@${digest}`]), true)[0]?.digest).toBe(digest);
    expect(imageRows(image([], [`a@${digest}`]), false)).toEqual([{ repository: 'a', tag: '<none>', digest: '' }]);
    expect(imageRows(image(['<none>:<none>'], []), false)[0]?.repository).toBe('<none>');
  });
});

describe('statistics', () => {
  const sample = (more: Partial<ContainerStatsResponse>) =>
    ({
      id: 'i'.repeat(64),
      name: '/web',
      pids_stats: { current: 3 },
      cpu_stats: { cpu_usage: { total_usage: 3e8 }, system_cpu_usage: 2e9, online_cpus: 2 },
      precpu_stats: { cpu_usage: { total_usage: 1e8 }, system_cpu_usage: 1e9 },
      memory_stats: { usage: 1 << 20, limit: 4 << 20, stats: { inactive_file: 1 << 19 } },
      blkio_stats: {
        io_service_bytes_recursive: [
          { major: 1, minor: 1, op: 'Read', value: 1000 },
          { major: 1, minor: 1, op: 'write', value: 2000 },
        ],
      },
      networks: { eth0: { rx_bytes: 10, tx_bytes: 20 } },
      ...more,
    }) as unknown as ContainerStatsResponse;

  it("does docker's arithmetic", () => {
    const view = statsView('web', statsEntry(sample({})), { isStale: false, truncate: true });
    const shown = Object.fromEntries(Object.entries(view.fields).map(([name, get]) => [name, get()]));
    expect(shown).toMatchObject({
      ID: 'i'.repeat(12),
      Name: 'web',
      CPUPerc: '40.00%',
      MemUsage: '512KiB / 4MiB',
      MemPerc: '12.50%',
      NetIO: '10B / 20B',
      BlockIO: '1kB / 2kB',
      PIDs: '3',
    });
  });

  it('prefers the field of cgroup v1, survives missing parts and shows dashes without samples', () => {
    const v1 = sample({ memory_stats: { usage: 100, stats: { total_inactive_file: 40, inactive_file: 1 } } });
    expect(statsEntry(v1).memoryBytes).toBe(60);
    expect(statsEntry({ id: 'x', name: '/x' } as ContainerStatsResponse)).toMatchObject({ cpuPercent: 0, pids: 0 });
    expect(statsView('x', undefined, { isStale: false, truncate: true }).fields.MemUsage?.()).toBe('-- / --');
  });
});
