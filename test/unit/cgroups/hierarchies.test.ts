import { describe, expect, it } from 'vitest';
import { findHierarchies } from '../../../daemon/cgroups/hierarchies.ts';

const line = (dir: string, type: string, options: string) =>
  `30 25 0:26 / ${dir} rw,nosuid shared:9 - ${type} ${type} ${options}`;
const find = (lines: string[], controllers = '') => findHierarchies(lines.join('\n'), () => controllers);

describe('finding cgroups in mountinfo', () => {
  it('finds v1 hierarchies, those of several controllers and the named one of systemd', () => {
    const found = find([
      '22 1 8:1 / / rw - ext4 /dev/sda1 rw',
      line('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'),
      line('/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
      line('/sys/fs/cgroup/systemd', 'cgroup', 'rw,xattr,name=systemd'),
      line('/sys/fs/cgroup/odd', 'cgroup', 'rw,name=odd'),
    ]);
    expect(found.v2).toBeUndefined();
    expect(found.v1).toEqual([
      { dir: '/sys/fs/cgroup/cpu,cpuacct', name: 'cpu,cpuacct', controllers: ['cpu', 'cpuacct'] },
      { dir: '/sys/fs/cgroup/memory', name: 'memory', controllers: ['memory'] },
      { dir: '/sys/fs/cgroup/systemd', name: 'systemd', controllers: ['name=systemd'] },
    ]);
  });

  it('takes the usual place when a hierarchy is mounted twice', () => {
    const found = find([
      line('/var/jail/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
      line('/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
    ]);
    expect(found.v1.map(({ dir }) => dir)).toEqual(['/sys/fs/cgroup/memory']);
  });

  it('takes v2 alone', () => {
    const found = find([line('/sys/fs/cgroup', 'cgroup2', 'rw')], 'cpuset cpu io memory pids\n');
    expect(found.v1).toEqual([]);
    expect(found.v2).toEqual({
      dir: '/sys/fs/cgroup',
      controllers: new Set(['cpuset', 'cpu', 'io', 'memory', 'pids']),
    });
  });

  it('leaves an empty v2 beside v1 alone, and uses one that has controllers', () => {
    const lines = [
      line('/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
      line('/sys/fs/cgroup/unified', 'cgroup2', 'rw'),
    ];
    expect(find(lines, '').v2).toBeUndefined();
    expect(find(lines, 'hugetlb').v2).toBeUndefined();
    expect(find(lines, 'pids').v2?.dir).toBe('/sys/fs/cgroup/unified');
  });

  it('reads escaped mount points and survives anything else', () => {
    const found = find([line('/odd\\040place/memory', 'cgroup', 'rw,memory'), '', 'x', '- cgroup', ' - ']);
    expect(found.v1.map(({ dir }) => dir)).toEqual(['/odd place/memory']);
  });
});
