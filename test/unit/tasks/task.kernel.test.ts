// Tasks by themselves: a process tree, its streams, signals and one end, without a container's record, a database or events.
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { findTask } from '../../../daemon/tasks/find-task.ts';
import { FailedLaunch } from '../../../daemon/tasks/launch-program.ts';
import type { Task } from '../../../daemon/tasks/task.ts';
import { readTaskEnd } from '../../../daemon/tasks/task-end.ts';
import { KernelContainer } from '../runtime/kernel-container.ts';

const { SIGKILL, SIGTERM } = constants.signals;
const both = { stdout: true, stderr: true };
const told = { debug: () => undefined, warn: () => undefined };

async function read(task: Task, streams = both): Promise<string> {
  const abort = new AbortController();
  const parts: Buffer[] = [];
  for await (const batch of task.output({ streams, from: 'start', signal: abort.signal, hold: task.initialHold })) {
    for (const { data } of batch) parts.push(Buffer.from(data));
  }
  return Buffer.concat(parts).toString();
}

describe('a task', () => {
  test('ends once, with its exit code and times', async () => {
    await using container = new KernelContainer('exit 3');
    await container.start();
    const { task } = container;
    const [first, second] = await Promise.all([task.ended, task.ended]);
    expect(first.exit).toMatchObject({ code: 3, signal: 0, oomKilled: false });
    expect(first.exit?.finishedNs).toBeGreaterThanOrEqual(first.exit?.startedNs ?? 0n);
    expect(second).toBe(first);
    expect(task.hasEnded).toBe(true);
    expect(readTaskEnd(task.place.runDir)).toEqual(first);
    // Nothing hears it any more.
    task.signal(SIGKILL);
    task.resize(1, 1);
  });

  test('gets signals, and tells which one ended it', async () => {
    await using container = new KernelContainer('trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done');
    await container.start();
    await until(() => container.output().includes('ready'));
    container.task.signal(SIGTERM);
    expect((await container.task.ended).exit).toMatchObject({ code: 5, signal: 0 });

    await using other = new KernelContainer('sleep 1000');
    await other.start();
    other.task.signal(SIGKILL);
    expect((await other.task.ended).exit).toMatchObject({ code: 128 + SIGKILL, signal: SIGKILL });
  });

  test('reads what is written to it, and is read on both streams', async () => {
    await using container = new KernelContainer('cat; echo done >&2', { config: { OpenStdin: true } });
    await container.start();
    const { task } = container;
    const all = read(task);
    const errors = read(task, { stdout: false, stderr: true });
    const input = task.stdin({ endsInput: true });
    await input.write(Buffer.from('one '));
    await input.write(Buffer.from('two\n'));
    await input.end();
    expect((await task.ended).exit?.code).toBe(0);
    expect(await all).toBe('one two\ndone\n');
    expect(await errors).toBe('done\n');
  });

  test('a writer that leaves does not end the input of the others', async () => {
    await using container = new KernelContainer('cat', { config: { OpenStdin: true } });
    await container.start();
    const { task } = container;
    const leaving = task.stdin({ endsInput: false });
    await leaving.write(Buffer.from('a'));
    await leaving.end();
    const staying = task.stdin({ endsInput: true });
    await staying.write(Buffer.from('b'));
    await staying.end();
    await task.ended;
    expect(await read(task)).toBe('ab');
  });

  test('a reader that goes away leaves it alone', async () => {
    await using container = new KernelContainer('echo begun; read line; exit 4', { config: { OpenStdin: true } });
    await container.start();
    const { task } = container;
    const abort = new AbortController();
    for await (const [chunk] of task.output({ streams: both, from: 'start', signal: abort.signal })) {
      expect(String(chunk?.data)).toBe('begun\n');
      abort.abort();
    }
    const input = task.stdin({ endsInput: true });
    await input.write(Buffer.from('\n'));
    expect((await task.ended).exit?.code).toBe(4);
  });

  test('joins one that runs, and ends without it', async () => {
    await using container = new KernelContainer('sleep 1000');
    await container.start();
    expect(await container.exec('hostname; exit 7')).toEqual({ output: 'kernel-test\n', code: 7 });
    expect(container.task.hasEnded).toBe(false);
  });

  test('is found again by its place, and lives on when a finder lets go', async () => {
    await using container = new KernelContainer('read line; exit 6', { config: { OpenStdin: true } });
    await container.start();
    const { task } = container;
    const found = await findTask(task.place, told);
    const other = await findTask(task.place, told);
    if (!isTask(found) || !isTask(other)) throw new Error('it was not found');
    expect(found.pid).toBe(task.pid);
    other.letGo();
    const input = found.stdin({ endsInput: true });
    await input.write(Buffer.from('\n'));
    expect(await found.ended).toEqual(await task.ended);
    expect((await found.ended).exit?.code).toBe(6);
    expect(await findTask(task.place, told)).toBeUndefined();
  });

  test('has an end that nobody saw when its monitor is killed', async () => {
    await using container = new KernelContainer('sleep 1000');
    await container.start();
    process.kill(container.monitorPid, 'SIGKILL');
    expect(await container.task.ended).toEqual({});
  });
});

describe('a task that does not start', () => {
  test('tells the words and the exit code', async () => {
    await using container = new KernelContainer(['/bin/nothing']);
    const error = await container.startTask().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(FailedLaunch);
    expect(error).toMatchObject({ exitCode: 127, errnoName: 'ENOENT', error: { code: 'invalid' } });
  });
});

function isTask(found: Task | 'silent' | undefined): found is Task {
  return typeof found === 'object';
}

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 10));
}
