// The daemon that the unit tsdocker.service runs, on a machine that belongs to the tests.
import { readFileSync } from 'node:fs';
import { ApiClient } from '../harness/api-client.ts';
import type { Served } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { busyboxTar } from '../harness/fixtures.ts';
import { mustRun } from '../harness/run-command.ts';

export const machineHost = 'unix:///run/tsdocker/tsdocker.sock';
export const machine: Served = { api: new ApiClient('/run/tsdocker/tsdocker.sock') };

export async function systemctl(...args: string[]): Promise<string> {
  return (await mustRun('systemctl', args)).trim();
}

/** One property of a unit, as systemd has it. */
export function property(unit: string, name: string): Promise<string> {
  return systemctl('show', '--value', '-p', name, unit);
}

export async function mainPid(): Promise<number> {
  return Number(await property('tsdocker.service', 'MainPID'));
}

export function machineAnswers(): Promise<unknown> {
  return eventually(
    'the daemon of the unit answers',
    async () => (await machine.api.send('GET', '/_ping', { timeoutMs: 2000 })).status === 200,
    { timeoutMs: 30_000 },
  );
}

/** The image `busybox`, unless it is there. */
export async function needBusybox(): Promise<void> {
  await machineAnswers();
  if ((await machine.api.send('GET', '/images/busybox/json')).status === 200) return;
  const answer = await machine.api.send('POST', '/images/create?fromSrc=-&repo=busybox&tag=latest', {
    raw: readFileSync(busyboxTar()),
    headers: { 'Content-Type': 'application/x-tar' },
  });
  if (answer.status !== 200) throw new Error(`import: ${answer.status} ${answer.text}`);
}

/** The group of a process, below /sys/fs/cgroup. */
export function groupOfProcess(pid: number): string {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';
}
