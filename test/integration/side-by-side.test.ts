// Two engines on one machine that share no directory.
import { expect, test } from 'vitest';
import { inspect, runDetached } from '../harness/containers.ts';
import { isAlive } from '../harness/ledger.ts';
import { TestDaemon } from '../harness/test-daemon.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

test('an engine that starts with the cgroup parent of another leaves its containers alone', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, ['sleep', '1000']);
  const { Pid } = (await inspect(daemon, id)).State;
  const other = await TestDaemon.start({ image: false, args: ['--cgroup-parent', daemon.cgroupParent] });
  try {
    expect(isAlive(Pid)).toBe(true);
    expect((await inspect(daemon, id)).State).toMatchObject({ Running: true, Pid });
  } finally {
    await other.dispose();
  }
  expect((await daemon.api.send('DELETE', `/containers/${id}?force=1`)).status).toBe(204);
});
