// A daemon that is killed while it has frozen a container (commit, pause): the container must not stay so.
import { expect, test } from 'vitest';
import { exec, inspect, runDetached } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

test('kill -9 in the middle of a commit: the container goes on with the next daemon', async () => {
  const { daemon } = fixture;
  const fill = 'dd if=/dev/zero of=/big bs=1M count=400 2>/dev/null; echo ready; sleep 1000';
  const id = await runDetached(daemon, fill);
  await eventually('the file is there', async () =>
    (await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`)).text.includes('ready'),
  );
  const commit = daemon.api.send('POST', `/commit?container=${id}`).catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 80));
  await daemon.crash();
  await commit;
  await daemon.start();
  expect((await inspect(daemon, id)).State.Status).toBe('running');
  expect((await exec(daemon, id, ['echo', 'alive'])).stdout).toBe('alive\n');
}, 60_000);
