// An older kernel, or a filter around the daemon: system calls that it would use are refused. Either it works without them, or it says at
// its start, in one sentence, which ones are missing.
import { expect, test } from 'vitest';
import { exec, run, runDetached } from '../harness/containers.ts';
import { fixtureProgram } from '../harness/fixtures.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const needed = [
  ['openat2'],
  ['clone3'],
  ['close_range'],
  ['memfd_create'],
  ['pidfd_open'],
  ['fsopen', 'fsconfig', 'fsmount'],
  ['open_tree', 'move_mount'],
  ['mount_setattr'],
  ['openat2', 'clone3', 'fsopen', 'fsconfig', 'fsmount', 'open_tree', 'move_mount', 'mount_setattr'],
];
const notNeeded = ['pidfd_send_signal', 'pidfd_getfd', 'faccessat2', 'statx', 'io_uring_setup', 'copy_file_range'];

test.each(needed.map((names) => [names.join(' '), names] as const))(
  'without %s the daemon says so, and touches nothing',
  async (_, calls) => {
    const names = [...calls];
    const daemon = new TestDaemon({ wrapper: [fixtureProgram('refuse'), names.join(',')] });
    try {
      daemon.spawn();
      expect(await daemon.ended()).toBe(1);
      const said = daemon
        .log()
        .split('\n')
        .filter((line) => line.startsWith('tsdockerd: '));
      expect(said).toHaveLength(1);
      const listed = /^tsdockerd: system calls are missing: (.*): use Linux 5\.15 or later/.exec(said[0] ?? '')?.[1];
      expect(listed?.split(', ').sort()).toEqual(names.sort());
    } finally {
      await daemon.dispose();
    }
  },
);

test('without pidfds, statx and other late calls containers work as usual', async () => {
  const daemon = await TestDaemon.start({ wrapper: [fixtureProgram('refuse'), notNeeded.join(',')] });
  try {
    expect(await run(daemon, 'echo works; exit 3')).toMatchObject({ code: 3, stdout: 'works\n' });
    const id = await runDetached(daemon, ['sleep', '1000']);
    expect(await exec(daemon, id, 'cat /etc/hostname')).toMatchObject({ code: 0 });
  } finally {
    await daemon.dispose();
  }
});
