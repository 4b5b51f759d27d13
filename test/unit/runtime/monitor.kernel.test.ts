import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parentOf } from '../../../daemon/runtime/container-process.ts';
import { readExitRecord, readStartedRecord } from '../../../daemon/runtime/exit-record.ts';
import { MonitorClient } from '../../../daemon/runtime/monitor-client.ts';
import { encodeProgram } from '../../../daemon/runtime/program/program.ts';
import { AT, CLONE } from '../../../native-bindings/constants.ts';
import { memfdCreate } from '../../../native-bindings/files.ts';
import { pidfdGetfd, pidfdOpen } from '../../../native-bindings/process.ts';
import { MSG, sendBytes } from '../../../native-bindings/sockets.ts';
import { reapChild, socketPair, spawnWithFds } from '../../../native-bindings/spawn.ts';
import { eventually, LaunchFixture, NAMESPACES } from './launch-fixture.ts';

let fixture: LaunchFixture;

beforeEach(() => {
  fixture = new LaunchFixture();
});

afterEach(() => {
  fixture[Symbol.dispose]();
});

function isChildOf(name: string, parent: number): boolean {
  try {
    return /^\d+$/.test(name) && readFileSync(`/proc/${name}/status`, 'utf8').includes(`\nPPid:\t${parent}\n`);
  } catch {
    return false;
  }
}

describe('the monitor', () => {
  test('needs less than 1 MB and holds only its own files', async () => {
    const client = await fixture.launch({ argv: ['sleep', '30'] });
    const { monitor = 0 } = readStartedRecord(fixture.runDir) ?? {};
    const pssKb = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${monitor}/smaps_rollup`, 'utf8'))?.[1]);
    if (!process.env.TSDOCKER_LAUNCHER) expect(pssKb).toBeLessThan(1024);
    const targets = readdirSync(`/proc/${monitor}/fd`).map((fd) => readlinkSync(`/proc/${monitor}/fd/${fd}`));
    expect(targets.filter((target) => target === '/dev/null')).toHaveLength(3);
    expect(targets.filter((target) => target.startsWith('pipe:'))).toHaveLength(2);
    expect(targets).toHaveLength(11);
    expect(readlinkSync(`/proc/${monitor}/exe`)).toMatch(/^\/memfd:tsdocker/);
    client.signal(9);
    await client.ended;
  });

  test.skipIf(!existsSync('/usr/bin/strace'))(
    'knows the end of a process that it hears of late',
    async () => {
      // Makes every process of the launcher slow at telling who it is, and the monitor slow at reaping.
      const slow = ['sendmsg:delay_enter=100000', 'wait4:delay_enter=200000'].flatMap((delay) => [
        '-e',
        `inject=${delay}`,
      ]);
      const script = new URL('./slow-fork.ts', import.meta.url).pathname;
      const run = spawnSync(
        'strace',
        ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=sendmsg,wait4', ...slow, process.execPath, script],
        {
          encoding: 'utf8',
          timeout: 20_000,
          killSignal: 'SIGKILL',
        },
      );
      expect(run.stdout).toBe('ended with 0\n');
    },
    30_000,
  );

  test('takes the container with it when it is killed', async () => {
    const client = await fixture.launch({ argv: ['sleep', '30'] });
    const { monitor = 0, pid = 0 } = readStartedRecord(fixture.runDir) ?? {};
    process.kill(monitor, 'SIGKILL');
    await client.ended;
    await eventually(
      'the container is gone',
      () => !existsSync(`/proc/${pid}/status`) || /State:\s+Z/.test(readFileSync(`/proc/${pid}/status`, 'utf8')),
    );
    expect(readExitRecord(fixture.runDir)).toBeUndefined();
    await expect(MonitorClient.connect(fixture.runDir)).rejects.toMatchObject({ code: 'not-found' });
  });

  test('is not impressed by signals that are for others', async () => {
    const client = await fixture.launch({ argv: ['sleep', '30'] });
    const { monitor = 0 } = readStartedRecord(fixture.runDir) ?? {};
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGPIPE', 'SIGTSTP'] as const) process.kill(monitor, signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(client.hasEnded).toBe(false);
  });

  test('goes on without the daemon, and tells the next one everything', async () => {
    const first = await fixture.launch({ script: 'echo one; sleep 0.3; echo two; exit 7' });
    first.close();
    const second = await MonitorClient.connect(fixture.runDir);
    expect(second.pid).toBe(readStartedRecord(fixture.runDir)?.pid);
    await second.ended;
    expect(readExitRecord(fixture.runDir)?.code).toBe(7);
    expect((await fixture.output()).stdout).toBe('one\ntwo\n');
  });

  test('signals the process, and records by which signal it ended', async () => {
    const client = await fixture.launch({ argv: ['sleep', '30'], flags: NAMESPACES & ~CLONE.NEWPID, ops: [] });
    client.signal(15);
    await client.ended;
    expect(readExitRecord(fixture.runDir)).toMatchObject({ code: 143, signal: 15 });
  });

  test('ends with the first process, even while another keeps the pipes open', async () => {
    const lastsMs = async (script: string) => {
      const client = await fixture.launch({ flags: NAMESPACES & ~CLONE.NEWPID, script });
      const started = Date.now();
      await client.ended;
      expect(readExitRecord(fixture.runDir)?.code).toBe(4);
      return Date.now() - started;
    };
    const aloneMs = await lastsMs('echo before; sleep 0.1; exit 4');
    const besideMs = await lastsMs('echo before; (while :; do echo more; done) & sleep 0.1; exit 4');
    expect(besideMs / aloneMs).toBeLessThan(15);
  });

  test('tells an OOM kill by the counter, not by the exit status', async () => {
    const file = join(fixture.dir, 'memory.events');
    writeFileSync(file, 'low 0\noom_kill 2\noom_kill_x 5\n');
    const killed = await fixture.launch({ oom: { file, key: 'oom_kill' }, script: 'sleep 0.2' });
    writeFileSync(file, 'low 0\noom_kill 3\noom_kill_x 5\n');
    await killed.ended;
    expect(readExitRecord(fixture.runDir)).toMatchObject({ code: 0, oomKilled: true });
    await (await fixture.launch({ oom: { file, key: 'oom_kill' }, script: 'kill -9 $$; sleep 1' })).ended;
    expect(readExitRecord(fixture.runDir)?.oomKilled).toBe(false);
  });
});

describe('when things go wrong around it', () => {
  test('it believes its own child only, whoever else has got hold of the socket between them', async () => {
    const gate = join(fixture.rootDir, 'tmp/gate');
    execFileSync('mkfifo', [gate]);
    const waits = { op: 'openat2', args: [10, AT.FDCWD, '/tmp/gate', 0, 0] } as const;
    const launching = fixture.launch({ script: 'exit 5', lastOps: [waits] });
    const child = await eventually('monitor and child are there', () => {
      const own = fixtureProcesses();
      return own.find((pid) => own.includes(parentOf(pid) ?? 0));
    });
    // openat2(2)
    await eventually('it waits', () => readFileSync(`/proc/${child}/syscall`, 'latin1').startsWith('437 '));
    const taken = stolenSockets(child);
    expect(taken.length).toBeGreaterThan(0);
    try {
      for (const fd of taken) {
        for (const kind of ['P', 'M', 'X', 'F', 'P']) {
          const packet = Buffer.alloc(12 + 8);
          packet.writeInt32LE(kind.charCodeAt(0), 0);
          packet.writeInt32LE(5, 8);
          sendBytes(fd, packet, MSG.NOSIGNAL);
        }
      }
      closeSync(openSync(gate, 'w'));
      // The socket stays open here, and its end is not waited for.
      const client = await launching;
      expect(client.pid).toBe(child);
      await client.ended;
    } finally {
      for (const fd of taken) closeSync(fd);
    }
    expect(readExitRecord(fixture.runDir)).toMatchObject({ code: 5 });
  });

  test('it has one capability, a filter, and as many files as it may', async () => {
    const client = await fixture.launch({ argv: ['sleep', '30'] });
    const status = readFileSync(`/proc/${readStartedRecord(fixture.runDir)?.monitor}/status`, 'utf8');
    for (const set of ['CapPrm', 'CapEff']) expect(status).toMatch(new RegExp(`^${set}:\\s+0000000000000020$`, 'm'));
    expect(status).toMatch(/^CapInh:\s+0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    // The sanitizers’ build has none.
    if (!fixture.binary.includes('sanitized')) expect(status).toMatch(/^Seccomp:\s+2$/m);
    client.signal(9);
    await client.ended;
  });

  test('it does its work with few open files allowed', async () => {
    const client = await fixture.launch({ script: 'ulimit -n; sleep 30' });
    const monitor = readStartedRecord(fixture.runDir)?.monitor ?? 0;
    execFileSync('prlimit', [`--pid=${monitor}`, '--nofile=24:24']);
    const before = readFileSync(`/proc/${monitor}/stat`, 'latin1').split(' ').slice(13, 15).map(Number);
    const second = await MonitorClient.connect(fixture.runDir);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const after = readFileSync(`/proc/${monitor}/stat`, 'latin1').split(' ').slice(13, 15).map(Number);
    expect(Number(after[0]) + Number(after[1]) - Number(before[0]) - Number(before[1])).toBeLessThan(10);
    second.signal(9);
    await client.ended;
    expect(readExitRecord(fixture.runDir)).toMatchObject({ code: 137 });
    second.close();
  });

  test('a launcher whose daemon dies before the start leaves nothing', async () => {
    const program = memfdCreate('program');
    writeSync(program, encodeProgram({ ops: fixture.ops({ argv: ['sleep', '30'] }) }));
    const directories = [fixture.logDir, fixture.runDir].map((path) => openSync(path, 'r'));
    const devNull = openSync('/dev/null', 'r+');
    const [ours, theirs] = socketPair();
    closeSync(ours);
    const pid = spawnWithFds(fixture.binary, ['tsdocker-monitor', 'x'], [program, theirs, devNull, ...directories]);
    for (const fd of [program, theirs, devNull, ...directories]) closeSync(fd);
    await eventually('the launcher ends', () => reapChild(pid));
    expect(readStartedRecord(fixture.runDir)).toBeUndefined();
    expect(readdirSync('/proc').filter((name) => isChildOf(name, pid))).toEqual([]);
  });

  test('the end is recorded although the disk of the run directory is full', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', fixture.runDir]);
    try {
      const client = await fixture.launch({ stdin: true, script: 'read line; exit 9' });
      expect(() => writeFileSync(join(fixture.runDir, 'filler'), Buffer.alloc(200_000))).toThrow('ENOSPC');
      const stdin = await client.openStdin();
      await stdin.write(Buffer.from('go\n'));
      await client.ended;
      expect(readExitRecord(fixture.runDir)).toMatchObject({ code: 9 });
    } finally {
      execFileSync('umount', ['-l', fixture.runDir]);
    }
  });

  test('a monitor that has ended is not found, whatever it left', async () => {
    await fixture.run();
    await expect(MonitorClient.connect(fixture.runDir)).rejects.toMatchObject({ code: 'not-found' });
    await expect(MonitorClient.connect(`${fixture.dir}/${'x'.repeat(200)}`)).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  test('run directories may have long names', async () => {
    using long = new LaunchFixture({ runDir: `run-${'x'.repeat(150)}` });
    const client = await long.launch({ argv: ['sleep', '30'] });
    const second = await MonitorClient.connect(long.runDir);
    expect(second.pid).toBe(client.pid);
    second.close();
  });
});

describe('init', () => {
  test('reaps orphans, passes signals on and ends as its child did', async () => {
    const client = await fixture.launch({
      init: true,
      script:
        'trap "echo got; exit 9" TERM; (sleep 0.05 &) ; sleep 0.2; ps | grep -c "\\[sleep\\]"; cat /proc/1/comm; ls /proc/1/fd | head -c 100; echo ready; while :; do sleep 0.05; done',
    });
    await eventually('it is ready', () => fixture.logText().includes('ready'));
    client.signal(15);
    await client.ended;
    const { stdout } = await fixture.output();
    expect(stdout).toBe('0\ntsdocker-init\n0\n1\n2\nready\ngot\n');
    expect(readExitRecord(fixture.runDir)).toMatchObject({ code: 9, signal: 0 });
  });

  test('says 128 and the signal when its child was killed', async () => {
    expect((await fixture.run({ init: true, script: 'kill -9 $$' })).exit).toMatchObject({ code: 137, signal: 0 });
  });

  test('reports a command that is not there', async () => {
    await expect(fixture.launch({ init: true, argv: ['nope'] })).rejects.toMatchObject({
      op: 'execve',
      errnoName: 'ENOENT',
    });
  });
});

function fixtureProcesses(): number[] {
  const isFixtures = (name: string) => {
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1') === `tsdocker-monitor\0${fixture.id}\0`;
    } catch {
      return false;
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isFixtures(name))
    .map(Number);
}

/** As a process with CAP_SYS_PTRACE in the container would. */
function stolenSockets(pid: number): number[] {
  const process = pidfdOpen(pid);
  try {
    return readdirSync(`/proc/${pid}/fd`)
      .filter((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:'))
      .map((fd) => pidfdGetfd(process, Number(fd)));
  } finally {
    closeSync(process);
  }
}
