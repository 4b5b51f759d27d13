import { execFileSync } from 'node:child_process';
import { closeSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readExitRecord, readStartedRecord } from '../../../daemon/runtime/exit-record.ts';
import type { MonitorClient } from '../../../daemon/runtime/monitor-client.ts';
import type { Op } from '../../../daemon/runtime/program.ts';
import { O } from '../../../native-bindings/constants.ts';
import { pidfdOpen } from '../../../native-bindings/process.ts';
import { eventually, LaunchFixture, NAMESPACES } from './launch-fixture.ts';

let container: LaunchFixture;
let second: LaunchFixture;
let running: MonitorClient;
let pidfd: number;

beforeEach(async () => {
  container = new LaunchFixture();
  second = new LaunchFixture();
  running = await container.launch({ script: 'echo up; sleep 30', ops: [{ op: 'sethostname', args: ['inside'] }] });
  pidfd = pidfdOpen(running.pid);
});

afterEach(() => {
  closeSync(pidfd);
  container[Symbol.dispose]();
  second[Symbol.dispose]();
});

function execOps(script: string, options: { before?: readonly Op[]; tty?: boolean } = {}): Op[] {
  return [
    { op: 'log', args: [3, 1, 0, 3] },
    { op: 'rundir', args: [4] },
    { op: 'stdio', args: [options.tty ? 1 : 0] },
    { op: 'clone3', args: [0, -1] },
    { op: 'setns', args: [5, NAMESPACES] },
    { op: 'fork', args: [] },
    ...(options.before ?? []),
    { op: 'setsid', args: [] },
    ...(options.tty
      ? ([
          { op: 'openat2', args: [6, -100, '/dev/pts', O.DIRECTORY, 4] },
          { op: 'pty', args: [6, 7] },
        ] satisfies Op[])
      : []),
    { op: 'dup_stdio', args: [options.tty ? 7 : -1, 0] },
    { op: 'chdir', args: ['/', 0] },
    { op: 'prctl', args: [1, 9, 0, 0, 0] },
    { op: 'execve', args: [['/bin/sh'], ['sh', '-c', script], ['PATH=/bin']] },
  ];
}

function launch(ops: readonly Op[]): Promise<MonitorClient> {
  return second.launchOps(ops, undefined, [pidfd]);
}

describe('joining a running container', () => {
  test('sees its processes, its names and its files; its exit status is known', async () => {
    const client = await launch(execOps('hostname; ls /; ps | grep -q "[s]leep 30" && echo yes; echo $PPID; exit 6'));
    expect(client.pid).toBe(readStartedRecord(second.runDir)?.pid);
    await client.ended;
    expect((await second.output()).stdout).toBe('inside\nbin\ndev\nproc\ntmp\nyes\n0\n');
    expect(readExitRecord(second.runDir)).toMatchObject({ code: 6 });
    expect(running.hasEnded).toBe(false);
  });

  test('gives it a terminal of the container’s devpts', async () => {
    const client = await launch(execOps('tty; test -t 1 && echo yes', { tty: true }));
    await client.ended;
    expect((await second.output()).stdout).toBe('/dev/pts/0\r\nyes\r\n');
  });

  test('dies with its monitor, and with the container', async () => {
    const first = await launch(execOps('sleep 30'));
    process.kill(readStartedRecord(second.runDir)?.monitor ?? 0, 'SIGKILL');
    await first.ended;
    await eventually('the process is gone', () => !/^State:\s+[^Z]/m.test(statusOf(first.pid)));
    const other = await launch(execOps('sleep 30'));
    running.signal(9);
    await other.ended;
    expect(readExitRecord(second.runDir)).toMatchObject({ code: 137, signal: 9 });
  });

  test('ten at a time, each with the status of its own process', async () => {
    const fixtures = Array.from({ length: 10 }, () => new LaunchFixture());
    try {
      const codes = await Promise.all(
        fixtures.map(async (fixture, index) => {
          const client = await fixture.launchOps(execOps(`exit ${index + 20}`), undefined, [pidfd]);
          await client.ended;
          return readExitRecord(fixture.runDir)?.code;
        }),
      );
      expect(codes).toEqual(fixtures.map((_, index) => index + 20));
    } finally {
      for (const fixture of fixtures) fixture[Symbol.dispose]();
    }
  });

  test('shows nothing of the host to the container, at no time', async () => {
    execFileSync('mkfifo', [join(container.rootDir, 'tmp/gate')]);
    const launching = launch(
      execOps('true', { before: [{ op: 'openat2', args: [20, -100, '/tmp/gate', O.WRONLY, 0] }] }),
    );
    // In the container's pid namespace, before any of its own operations: it hangs in the open of the FIFO.
    const pid = await eventually('the process is in the container', () =>
      readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .find((name) => isWaitingIn(name)),
    );
    const rootOf = (of: string | number) => readFileSync(`/proc/${of}/mountinfo`, 'utf8');
    expect(rootOf(pid)).toBe(rootOf(running.pid));
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(targets.filter((target) => !/^(pipe|socket|anon_inode):/.test(target))).toEqual([
      '/dev/null',
      '/dev/null',
      '/dev/null',
    ]);
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toContain('Name:\ttsdocker-mon\n');
    writeFileSync(join(container.rootDir, 'tmp/gate'), '', { flag: 'r+' });
    const { openSync } = await import('node:fs');
    closeSync(openSync(join(container.rootDir, 'tmp/gate'), 'r'));
    await (await launching).ended;
  });

  function isWaitingIn(name: string): boolean {
    try {
      const ns = readlinkSync(`/proc/${name}/ns/pid`);
      return (
        ns === readlinkSync(`/proc/${running.pid}/ns/pid`) &&
        readlinkSync(`/proc/${name}/exe`).startsWith('/memfd:tsdocker') &&
        Number(name) !== running.pid
      );
    } catch {
      return false;
    }
  }
});

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

test('a container that has ended is an error of setns', async () => {
  running.signal(9);
  await running.ended;
  await expect(launch(execOps('true'))).rejects.toMatchObject({ op: 'setns', errnoName: 'ESRCH' });
});
