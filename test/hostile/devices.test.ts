// Device nodes of a container: opening one on the host can do something (a watchdog starts, a tape rewinds), so nobody may.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { create, exec, inspect, runDetached } from '../harness/containers.ts';
import { tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

test('while a file of a running container is read, no device of it could be opened', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, 'dd if=/dev/zero of=/big bs=1M count=32 2>/dev/null; sleep 1000');
  const { Pid } = (await inspect(daemon, id)).State;
  await exec(daemon, id, ['sh', '-c', 'while [ "$(stat -c %s /big)" != 33554432 ]; do sleep 0.1; done']);
  const own = readlinkSync(`/proc/${Pid}/ns/mnt`);
  const reading = request({ socketPath: daemon.socketPath, path: `/containers/${id}/archive?path=/big` });
  const response = await new Promise<NodeJS.ReadableStream>((resolve) => {
    reading
      .on('response', resolve)
      .on('error', () => undefined)
      .end();
  });
  response.pause();
  const tasks = readdirSync(`/proc/${daemon.pid}/task`).map((task) => `/proc/${daemon.pid}/task/${task}`);
  // Files that are bound into the container have its id in their path.
  const inside = tasks.filter((task) => readFileSync(`${task}/mountinfo`, 'utf8').includes(id));
  expect(inside).toHaveLength(1);
  const [task = ''] = inside;
  expect(readlinkSync(`${task}/ns/mnt`)).not.toBe(own);
  const mounts = readFileSync(`${task}/mountinfo`, 'utf8').trim().split('\n');
  expect(mounts.filter((line) => !(line.split(' ')[5] ?? '').split(',').includes('nodev'))).toEqual([]);
  reading.destroy();
  expect((await exec(daemon, id, ['sh', '-c', 'echo x >/dev/null && echo ok'])).stdout).toBe('ok\n');
});

test('an image whose /etc/passwd is a device does not have it opened', async () => {
  const { daemon } = fixture;
  // No driver has this number: opening it would say ENXIO.
  const image = await daemon.importTar(tarOf([{ name: 'etc/passwd', type: 'char', major: 240, minor: 99 }]), 'evil');
  const id = await create(daemon, ['true'], { Image: image, User: 'someone' });
  const answer = await daemon.api.send('POST', `/containers/${id}/start`);
  expect(answer.status).toBe(400);
  expect(answer.text).toContain('/etc/passwd of the image is not a regular file');
});
