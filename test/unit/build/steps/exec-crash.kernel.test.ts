// kill -9 of the daemon while it makes steps: the next one ends what still runs, and nothing is left of it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../../harness/eventually.ts';
import { ExecRig, newPlace } from './exec-rig.ts';

const script = new URL('./crash-child.ts', import.meta.url).pathname;
const place = newPlace();
/** Not where the engine's other groups are. */
const elsewhere = `${place.cgroupParent}/elsewhere`;
let rig: ExecRig;
beforeAll(async () => {
  rig = await ExecRig.open(place);
});
afterAll(async () => {
  await rig.cgroups.remove(elsewhere);
  expect(await rig.close()).toEqual([]);
});

/** The rig is closed but for its directory: only one at a time is a daemon there. */
async function startChild(parent: string, command: string): Promise<{ child: ChildProcess; lines: string[] }> {
  const child = spawn(process.execPath, [script, place.path, place.cgroupParent, parent, command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  child.stdout?.on('data', (bytes: Buffer) => lines.push(...bytes.toString().split('\n').filter(Boolean)));
  while (lines.length < 2) {
    if (child.exitCode !== null) throw new Error('the child has ended');
    await sleep(10);
  }
  return { child, lines };
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** Processes whose root is one of the rig's. */
function stepProcesses(marker: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isMarked(pid, marker));
}

function isMarked(pid: number, marker: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(`sleep\0${marker}`);
  } catch {
    return false;
  }
}

function left(): string[] {
  return [
    ...readdirSync(rig.runs).map((name) => `run ${name}`),
    ...readdirSync(join(place.path, 'data/containers')).map((name) => `snapshot ${name}`),
    ...rig.cgroups.children(place.cgroupParent).filter((name) => name !== 'elsewhere'),
    ...rig.cgroups.children(elsewhere),
  ];
}

it.each([
  ["below the engine's groups", ''],
  ['below other groups', elsewhere],
])('what runs %s is ended by the next daemon, with all that it had', async (_, parent) => {
  const marker = String(100_000 + Math.floor(Math.random() * 800_000));
  const { child } = await startChild(parent, `sleep ${marker} & echo begun; sleep ${marker}`);
  await eventually('both run', () => stepProcesses(marker).length === 2);
  await kill(child);
  expect(stepProcesses(marker)).toHaveLength(2);
  await rig.openStep();
  expect(stepProcesses(marker)).toEqual([]);
  expect(left()).toEqual([]);
});

it('at any moment', async () => {
  for (let n = 0; n < 5; n++) {
    const { child } = await startChild('', 'echo one > /file; echo begun');
    await sleep(Math.random() * 200);
    await kill(child);
    // A launcher that was on its way finds its group gone, or is ended in it.
    await rig.openStep();
    await sleep(100);
    expect(left()).toEqual([]);
    expect(rig.warnings).toEqual([]);
  }
}, 120_000);
