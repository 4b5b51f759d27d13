// What runs when the machine reboots, and what is to be there afterwards. As a program it makes them: see test/vm/machine/test-job.
import { writeFileSync } from 'node:fs';
import { create, inspect, runDetached, wait } from '../harness/containers.ts';
import { machine, needBusybox } from './machine-daemon.ts';

const forever = 'echo up >>/starts; trap "exit 3" TERM; while :; do usleep 100000; done';
/** Ends neither by itself nor by SIGTERM: it must not keep the machine from going down. */
const stubborn = 'echo up >>/starts; trap "" TERM; while :; do usleep 100000; done';

export const rebootFile = '/var/lib/tsdocker-before-reboot.json';

export interface BeforeReboot {
  atMs: number;
  ids: Record<string, string>;
}

const policy = (Name: string) => ({ HostConfig: { RestartPolicy: { Name } } });

async function main(): Promise<void> {
  await needBusybox();
  const ids: Record<string, string> = {};
  const run = async (name: string, command: string, policyName: string) => {
    ids[name] = await runDetached(machine, command, policy(policyName), name);
  };
  await run('always', forever, 'always');
  await run('unless-stopped', forever, 'unless-stopped');
  await run('stubborn', stubborn, 'unless-stopped');
  await run('on-failure', forever, 'on-failure');
  await run('no', forever, 'no');
  await run('stopped', forever, 'unless-stopped');
  await machine.api.post(`/containers/${ids.stopped}/stop?t=20`);
  await run('done', 'exit 4', 'no');
  await wait(machine, ids.done as string);
  ids.created = await create(machine, forever, policy('always'), 'created');
  for (const id of Object.values(ids)) await inspect(machine, id);
  writeFileSync(rebootFile, JSON.stringify({ atMs: Date.now(), ids } satisfies BeforeReboot));
}

if (import.meta.filename === process.argv[1]) await main();
