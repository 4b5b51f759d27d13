// The machine has been rebooted with containers running: restart policies decide what is there. See reboot-containers.ts.
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect } from 'vitest';
import { exec, inspect, remove } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { testNeeding } from '../harness/needs.ts';
import { machine, machineAnswers } from './machine-daemon.ts';
import { type BeforeReboot, rebootFile } from './reboot-containers.ts';

const on = testNeeding('a machine that was rebooted');

describe('after a reboot of the host', () => {
  let before: BeforeReboot;
  if (!on.isSkipped) {
    beforeAll(async () => {
      before = JSON.parse(readFileSync(rebootFile, 'utf8')) as BeforeReboot;
      await machineAnswers();
    });
  }
  const state = async (name: string) => (await inspect(machine, before.ids[name] as string)).State;

  on('always, unless-stopped and on-failure run again, in their own files', async () => {
    for (const name of ['always', 'unless-stopped', 'stubborn', 'on-failure']) {
      await eventually(`${name} runs`, async () => (await state(name)).Running);
      expect(Date.parse((await state(name)).StartedAt), name).toBeGreaterThan(before.atMs);
      expect((await exec(machine, name, ['cat', '/starts'])).stdout, name).toBe('up\nup\n');
    }
  });

  on('what had no policy has ended, and tells how; what was stopped, done or never started is as it was', async () => {
    const no = await state('no');
    expect(no).toMatchObject({ Status: 'exited', OOMKilled: false });
    // The daemon has asked it to end, as `stop` does, and has seen its end.
    expect(no.ExitCode).toBe(3);
    expect(await state('stopped')).toMatchObject({ Status: 'exited', ExitCode: 3 });
    expect(await state('done')).toMatchObject({ Status: 'exited', ExitCode: 4 });
    expect(await state('created')).toMatchObject({ Status: 'created' });
  });

  on('going down took no longer than a stop does, though a container did not want to end', () => {
    const bootMs = Date.now() - Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
    // Ten seconds for the stubborn one, and the rest of the system.
    expect(bootMs - before.atMs).toBeLessThan(60_000);
    return Promise.resolve();
  });

  on('nothing of the time before is left over', async () => {
    for (const id of Object.values(before.ids)) await remove(machine, id);
    await eventually('no directory of a run is left', () => readdirSync('/run/tsdocker/containers').length === 0);
    await eventually('no scope is left', () =>
      readdirSync('/sys/fs/cgroup/system.slice').every(
        (name) => !name.startsWith('tsdocker-') || name.endsWith('.service'),
      ),
    );
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain('/var/lib/tsdocker');
  });
});
