// The fields of a container's body that are control groups': each does something in the kernel, is refused, or is told in a warning.
import { existsSync, rmdirSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { timeFactor } from '../harness/eventually.ts';
import { CGROUP_PARENT, groupRows } from '../harness/group-fields.ts';
import { judgeRows } from '../harness/judge-rows.ts';
import { cgroupHierarchies } from '../harness/ledger.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

// A parent that a container asks for stays when the container goes, as with docker.
afterAll(() => {
  for (const hierarchy of cgroupHierarchies()) {
    if (existsSync(hierarchy + CGROUP_PARENT)) rmdirSync(hierarchy + CGROUP_PARENT);
  }
});

test(
  'every field of control groups does what it says, or is refused',
  async () => {
    expect(await judgeRows(fixture.daemon, groupRows)).toEqual([]);
  },
  120_000 * timeFactor,
);
