import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readExitRecord, readStartedRecord } from '../../../daemon/runtime/exit-record.ts';
import { LaunchError } from '../../../daemon/runtime/launch-error.ts';
import { MonitorClient } from '../../../daemon/runtime/monitor-client.ts';
import { encodeProgram } from '../../../daemon/runtime/program.ts';
import { CLONE } from '../../../native-bindings/constants.ts';
import { memfdCreate } from '../../../native-bindings/files.ts';
import { reapChild, socketPair, spawnWithFds } from '../../../native-bindings/spawn.ts';
import { eventually, LaunchFixture, NAMESPACES } from './launch-fixture.ts';

let fixture: LaunchFixture;

function isChildOf(name: string, parent: number): boolean {
  try {
    return /^\d+$/.test(name) && readFileSync(`/proc/${name}/status`, 'utf8').includes(`\nPPid:\t${parent}\n`);
  } catch {
    return false;
  }
}

beforeEach(() => {
  fixture = new LaunchFixture();
});

afterEach(() => {
  fixture[Symbol.dispose]();
});

describe('a program', () => {
  test('runs in its own root, with its exit status and both streams recorded', async () => {
    const { stdout, stderr, exit } = await fixture.run({
      script: 'ls /; echo $$; hostname; echo oops >&2; exit 3',
      ops: [{ op: 'sethostname', args: ['box'] }],
    });
    expect(stdout).toBe('bin\ndev\nproc\ntmp\n1\nbox\n');
    expect(stderr).toBe('oops\n');
    expect(exit).toMatchObject({ code: 3, signal: 0, oomKilled: false });
    expect(Number((exit?.finishedNs ?? 0n) - (exit?.startedNs ?? 0n))).toBeGreaterThan(0);
  });

  test('inherits no file, no signal disposition and no blocked signal from the engine', async () => {
    const { stdout } = await fixture.run({
      script: 'ls /proc/self/fd; grep -E "^Sig(Blk|Ign|Cgt)" /proc/self/status; readlink /proc/self/fd/0',
    });
    expect(stdout).toBe(
      '0\n1\n2\n3\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n/dev/null\n',
    );
  });

  test('gets the umask that is usual when it names none', async () => {
    expect((await fixture.run({ script: 'umask' })).stdout).toBe('0022\n');
  });

  test('sees neither the host mounts nor a working directory outside', async () => {
    const { stdout } = await fixture.run({ script: 'pwd; readlink /proc/self/cwd; cat /proc/self/mountinfo' });
    expect(stdout).toMatch(/^\/\n\/\n/);
    expect(stdout.trim().split('\n').slice(2)).toHaveLength(4);
  });

  test('leaves nothing mounted on the host', async () => {
    const before = readFileSync('/proc/self/mountinfo', 'utf8');
    await fixture.run();
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(before);
  });

  test('runs as another user, without capabilities, and may open its pipes again', async () => {
    const { stdout, exit } = await fixture.run({
      script: 'id; grep -E "^Cap(Inh|Prm|Eff|Bnd|Amb)|^Groups|^NoNew" /proc/self/status; echo again > /proc/self/fd/1',
      lastOps: [
        { op: 'capbset', args: [0x400] },
        { op: 'setgroups', args: [Buffer.from([7, 0, 0, 0, 9, 0, 0, 0])] },
        { op: 'setresgid', args: [1000] },
        { op: 'setresuid', args: [1000] },
        { op: 'capset', args: [0, 0, 0, 0] },
        { op: 'prctl', args: [38, 1, 0, 0, 0] },
      ],
      owner: 1000,
    });
    expect(exit?.code).toBe(0);
    expect(stdout).toMatch(/again\n$/);
    expect(stdout).toContain('uid=1000 gid=1000 groups=7,9');
    expect(stdout).toMatch(/CapPrm:\t0{16}\nCapEff:\t0{16}\nCapBnd:\t0{13}400\nCapAmb:\t0{16}/);
    expect(stdout).toContain('NoNewPrivs:\t1');
  });

  test('is filtered from its seccomp operation on', async () => {
    // ld [nr]; jeq sethostname, errno 13, allow
    const filter = Buffer.alloc(32);
    const put = (index: number, code: number, jt: number, jf: number, k: number) => {
      filter.writeUInt16LE(code, index * 8);
      filter.writeUInt8(jt, index * 8 + 2);
      filter.writeUInt8(jf, index * 8 + 3);
      filter.writeUInt32LE(k, index * 8 + 4);
    };
    put(0, 0x20, 0, 0, 0);
    put(1, 0x15, 0, 1, process.arch === 'x64' ? 170 : 161);
    put(2, 0x06, 0, 0, 0x0005000d);
    put(3, 0x06, 0, 0, 0x7fff0000);
    const { stderr, exit } = await fixture.run({
      script: 'hostname other',
      lastOps: [{ op: 'seccomp', args: [filter, 0] }],
    });
    expect(exit?.code).not.toBe(0);
    expect(stderr).toMatch(/denied|root/i);
  });

  test('starts twenty at a time', async () => {
    const fixtures = Array.from({ length: 20 }, () => new LaunchFixture());
    try {
      const results = await Promise.all(fixtures.map((each, index) => each.run({ script: `exit ${index}` })));
      expect(results.map(({ exit }) => exit?.code)).toEqual(fixtures.map((_, index) => index));
    } finally {
      for (const each of fixtures) each[Symbol.dispose]();
    }
  });
});

describe('a failing operation', () => {
  const rejection = async (attempt: Promise<unknown>): Promise<LaunchError> => {
    try {
      await attempt;
    } catch (error) {
      expect(error).toBeInstanceOf(LaunchError);
      return error as LaunchError;
    }
    throw new Error('it started');
  };

  test('is reported with its index, errno and operand, and leaves no record', async () => {
    const ops = fixture.ops({ ops: [{ op: 'mkdirat', args: [-100, '/missing/dir', 0o755] }] });
    const error = await rejection(fixture.launchOps(ops));
    expect(error).toMatchObject({
      op: 'mkdirat',
      opIndex: ops.findIndex((op) => op.op === 'mkdirat' && op.args[1] === '/missing/dir'),
      errnoName: 'ENOENT',
      detail: '/missing/dir',
    });
    expect(readStartedRecord(fixture.runDir)).toBeUndefined();
    expect(readExitRecord(fixture.runDir)).toBeUndefined();
  });

  test('may be told to ignore what is missing', async () => {
    const { exit } = await fixture.run({
      ops: [{ op: 'mkdirat', args: [-100, '/missing/dir', 0o755], ignoreMissing: true }],
    });
    expect(exit?.code).toBe(0);
  });

  test('of the monitor’s part is reported too', async () => {
    const error = await rejection(fixture.launch({ oom: { file: '/nonexistent/memory.events', key: 'oom_kill' } }));
    expect(error).toMatchObject({ op: 'oom', errnoName: 'ENOENT', detail: '/nonexistent/memory.events' });
  });

  test('execve passes over what is missing and remembers what may not be run', async () => {
    writeFileSync(join(fixture.rootDir, 'bin/data'), 'x', { mode: 0o644 });
    const ran = await fixture.run({ candidates: ['/no/sh', '/bin/data', '/bin/sh'], script: 'echo ok' });
    expect(ran.stdout).toBe('ok\n');
    const denied = await rejection(fixture.launch({ candidates: ['/no/sh', '/bin/data', '/usr/bin/sh'] }));
    expect(denied).toMatchObject({ op: 'execve', errnoName: 'EACCES', detail: '/bin/data' });
    const missing = await rejection(fixture.launch({ candidates: ['/no/sh', '/bin/nope'] }));
    expect(missing).toMatchObject({ op: 'execve', errnoName: 'ENOENT', detail: '/bin/nope' });
  });

  test.each([
    ['before clone3', (ops: { op: string }[]) => ops.filter(({ op }) => op !== 'clone3')],
    ['without dup_stdio', (ops: { op: string }[]) => ops.filter(({ op }) => op !== 'dup_stdio')],
    ['without execve', (ops: { op: string }[]) => ops.filter(({ op }) => op !== 'execve')],
    ['with execve twice', (ops: { op: string }[]) => [...ops, ops.at(-1) as { op: string }]],
  ])('a program %s is refused as a whole', async (_, change) => {
    const ops = fixture.ops({ script: 'true' });
    const error = await rejection(fixture.launchOps(change(ops) as typeof ops));
    expect(error.errnoName).toBe('EINVAL');
    expect(existsSync(join(fixture.runDir, 'monitor.sock'))).toBe(false);
  });

  test('flags of clone3 other than namespaces are refused', async () => {
    const error = await rejection(fixture.launch({ flags: CLONE.NEWNS | 0x100 }));
    expect(error).toMatchObject({ op: 'clone3', errnoName: 'EINVAL' });
  });

  test('is a process that is killed while it is set up, too', async () => {
    // PR_SET_SECCOMP, strict: the next system call but read, write and exit kills.
    const error = await rejection(fixture.launch({ lastOps: [{ op: 'prctl', args: [22, 1, 0, 0, 0] }] }));
    expect(error).toMatchObject({ opIndex: -1, errnoName: 'ECHILD', detail: 'the process ended before execve' });
  });
});

describe('paths', () => {
  test.each(['/proc/self/fd/5', '/proc/self/fd/3/..', '/proc/1/fd/4', '/proc/self/cwd', '/proc/self/root'])(
    'a working directory %s does not lead outside',
    async (path) => {
      await expect(fixture.launch({ lastOps: [{ op: 'chdir', args: [path, 0] }] })).rejects.toMatchObject({
        op: 'chdir',
        errnoName: expect.stringMatching(/^(ELOOP|ENOENT)$/),
      });
    },
  );

  test('a symlink in the image to a magic link is no way out for a mount target', async () => {
    symlinkSync('/proc/self/fd/3', join(fixture.rootDir, 'escape'));
    const before = readdirSync(fixture.logDir);
    await expect(
      fixture.launch({ ops: [{ op: 'mkdirat', args: [-100, '/escape/made', 0o755] }] }),
    ).rejects.toMatchObject({ errnoName: 'ELOOP' });
    expect(readdirSync(fixture.logDir)).toEqual(before);
  });

  test('a mount target that must not be a symlink is refused when it is one', async () => {
    symlinkSync('tmp', join(fixture.rootDir, 'link'));
    const mount = (flags: number) => [
      { op: 'fsmount' as const, args: [10, 'tmpfs', 0, []] },
      { op: 'move_mount' as const, args: [10, '/link', flags] },
    ];
    await expect(fixture.launch({ ops: mount(4) })).rejects.toMatchObject({ op: 'move_mount', errnoName: 'ELOOP' });
    expect((await fixture.run({ ops: mount(0), script: 'grep -c " /tmp " /proc/mounts' })).stdout).toBe('1\n');
  });

  test('missing mount points are made inside the root, whatever symlinks say', async () => {
    symlinkSync('/../../../tmp', join(fixture.rootDir, 'up'));
    const { stdout } = await fixture.run({
      ops: [
        { op: 'fsmount', args: [10, 'tmpfs', 0, []] },
        { op: 'move_mount', args: [10, '/up/a/b', 1] },
        { op: 'chdir', args: ['/up/work/dir', 1] },
      ],
      script: 'ls /tmp; grep " /tmp/a/b " /proc/mounts',
    });
    expect(stdout).toMatch(/^a\nwork\nnone \/tmp\/a\/b tmpfs/);
  });

  test('a null device that is another file is refused', async () => {
    await expect(
      fixture.launch({
        ops: [
          { op: 'mknodat', args: [-100, '/dev/zero', 0o20666, 0x105] },
          { op: 'mount', args: ['none', '/dev', 'tmpfs', 0, ''] },
          { op: 'mknodat', args: [-100, '/dev/null', 0o20666, 0x105] },
        ],
      }),
    ).rejects.toMatchObject({ op: 'dup_stdio', errnoName: 'ENODEV', detail: '/dev/null' });
  });
});

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
    const client = await fixture.launch({
      flags: NAMESPACES & ~CLONE.NEWPID,
      script: 'echo before; (while :; do echo more; done) & sleep 0.1; exit 4',
    });
    const started = Date.now();
    await client.ended;
    expect(Date.now() - started).toBeLessThan(2000);
    expect(readExitRecord(fixture.runDir)?.code).toBe(4);
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
