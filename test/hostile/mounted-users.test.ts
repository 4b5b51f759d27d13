// What a container puts over /etc/passwd while it runs. The daemon looks for users on its main thread: nothing that it asks may wait.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exec, inspect, runDetached } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { fixtureProgram } from '../harness/fixtures.ts';
import { tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let shared = '';
beforeAll(() => {
  shared = mkdtempSync('/tmp/tsdt-shared-');
});
afterAll(() => rmSync(shared, { recursive: true, force: true }));

/** Asks for an exec as `User` and gives up after two seconds. */
async function createExec(id: string, User: string): Promise<{ status: number; text: string }> {
  const asked = fixture.daemon.api.send('POST', `/containers/${id}/exec`, { body: { Cmd: ['true'], User } });
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('no answer: the daemon waits')), 2000);
  return Promise.race([asked, late]).finally(() => clearTimeout(timer));
}

test.each([
  ['/etc/passwd', '/etc/passwd is a mount of type fuse.mute'],
  ['/etc', 'something is mounted over /etc/passwd'],
])(
  'a file system over %s that never answers',
  async (target, message) => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'sleep 1000', { HostConfig: { Privileged: true } });
    const tar = tarOf([{ name: 'mute-fuse', data: readFileSync(fixtureProgram('mute-fuse')), mode: 0o755 }]);
    await daemon.api.send('PUT', `/containers/${id}/archive?path=/`, { raw: tar });
    const started = exec(daemon, id, ['/mute-fuse', target, '3']);
    const { Pid } = (await inspect(daemon, id)).State;
    await eventually('it is mounted', () => readFileSync(`/proc/${Pid}/mountinfo`, 'utf8').includes('fuse.mute'));
    const named = await createExec(id, 'alice');
    expect(named.status, named.text).toBe(400);
    expect(named.text).toContain(`unable to find user alice: ${message}`);
    // A number needs no file.
    expect((await createExec(id, '1000:1000')).status).toBe(201);
    expect((await createExec(id, '')).status).toBe(201);
    expect((await started).stdout).toBe('mounted\n');
  },
  30_000,
);

test('a file of the kernel’s is no table of users, one of a disk is', async () => {
  const { daemon } = fixture;
  const odd = await runDetached(daemon, 'sleep 1000', { HostConfig: { Binds: ['/proc/version:/etc/passwd:ro'] } });
  expect((await createExec(odd, 'alice')).text).toContain('/etc/passwd is a mount of type proc');
  writeFileSync(`${shared}/passwd`, 'root:x:0:0::/root:/bin/sh\nalice:x:1234:5::/:/bin/sh\n');
  const bound = await runDetached(daemon, 'sleep 1000', { HostConfig: { Binds: [`${shared}/passwd:/etc/passwd:ro`] } });
  expect((await exec(daemon, bound, ['sh', '-c', 'id -u; id -g'], { User: 'alice' })).stdout).toBe('1234\n5\n');
});

test('a first process that has left its root is asked for nothing', async () => {
  const { daemon } = fixture;
  const id = await runDetached(
    daemon,
    'mkdir -p /t/bin; mount -t tmpfs t /t; mkdir /t/bin; cp /bin/busybox /t/bin; exec chroot /t /bin/busybox sleep 1000',
    {
      HostConfig: { Privileged: true },
    },
  );
  await eventually('it has left', async () =>
    (await createExec(id, 'nobody')).text.includes("left the container's root"),
  );
});
