import { describe, expect, it } from 'vitest';
import { parseKeyed } from '../../../daemon/cgroups/number-file.ts';
import { parseNumberList } from '../../../daemon/cgroups/number-list.ts';
import { parseBlkioTable, parseHostStats, parsePids } from '../../../daemon/cgroups/read-stats.ts';

describe('the host’s part of the stats', () => {
  it('adds up seven columns of processor time and counts processors', () => {
    const stat = 'cpu  1 2 3 4 5 6 7 100 100 100\ncpu0 1 1 1\ncpu1 1 1 1\nintr 5\n';
    const meminfo = 'MemTotal:       1024 kB\nMemFree: 1 kB\n';
    expect(parseHostStats(stat, meminfo)).toEqual({ systemCpuNs: 280_000_000, onlineCpus: 2, memoryBytes: 1_048_576 });
  });
});

describe('files of numbers', () => {
  it('reads tables of block devices without their totals', () => {
    expect(parseBlkioTable('8:0 Read 4096\n8:0 Total 4096\n259:1 7\nTotal 4096\n')).toEqual([
      { major: 8, minor: 0, op: 'Read', value: 4096 },
      { major: 8, minor: 0, op: 'Total', value: 4096 },
      { major: 259, minor: 1, op: '', value: 7 },
    ]);
  });

  it('leaves out values that a signed 64-bit reader refuses', () => {
    const values = parseKeyed('limit 9223372036854771712\nmore 18446744073709551615\nx\n\nkey notanumber\n');
    expect([...values]).toEqual([['limit', 2 ** 63 - 4096]]);
  });

  it('reads pids, without those of other namespaces', () => {
    expect(parsePids('12\n0\n13\n')).toEqual([12, 13]);
    expect(parsePids(undefined)).toEqual([]);
  });
});

describe('lists of numbers', () => {
  it.each([
    ['', []],
    ['0', [0]],
    ['0-2,5', [0, 1, 2, 5]],
    ['3,1-1', [3, 1]],
    ['0-1\n', [0, 1]],
  ])('reads %j', (text, numbers) => {
    expect([...(parseNumberList(text) ?? ['none'])]).toEqual(numbers);
  });

  it.each(['a', '1-', '-1', '2-1', ',', '1,,2', '0-99999', '9999', '1 2'])('refuses %j', (text) => {
    expect(parseNumberList(text)).toBeUndefined();
  });
});
