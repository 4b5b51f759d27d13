import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readExitRecord, readStartedRecord } from '../../../daemon/runtime/exit-record.ts';
import { LaunchError } from '../../../daemon/runtime/launch-error.ts';
import { CLONE } from '../../../native-bindings/constants.ts';
import { LaunchFixture } from './launch-fixture.ts';

let fixture: LaunchFixture;

beforeEach(() => {
  fixture = new LaunchFixture();
});

afterEach(() => {
  fixture[Symbol.dispose]();
});

function isOfAnotherTest(mountinfo: string): boolean {
  const mountPoint = mountinfo.split(' ')[4] ?? '';
  return mountPoint.startsWith(`${tmpdir()}/`) && !mountPoint.startsWith(fixture.dir);
}

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
    // Test files that run at the same time mount full disks in directories of their own.
    const mounts = () =>
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => !isOfAnotherTest(line));
    const before = mounts();
    await fixture.run();
    expect(mounts()).toEqual(before);
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
    const filter = refusal(process.arch === 'x64' ? 170 : 161);
    const { stderr, exit } = await fixture.run({
      script: 'hostname other',
      lastOps: [{ op: 'seccomp', args: [filter, 0] }],
    });
    expect(exit?.code).not.toBe(0);
    expect(stderr).toMatch(/denied|root/i);
  });

  test('starts under an init although its filter refuses close_range', async () => {
    const filter = refusal(436);
    const { stdout } = await fixture.run({
      script: 'echo started',
      lastOps: [{ op: 'seccomp', args: [filter, 0] }],
      init: true,
    });
    expect(stdout).toMatch(/started\n$/);
    const client = await fixture.launch({
      argv: ['sleep', '30'],
      lastOps: [{ op: 'seccomp', args: [filter, 0] }],
      init: true,
    });
    expect(readdirSync(`/proc/${client.pid}/fd`)).toEqual(['0', '1', '2']);
    client.signal(9);
    await client.ended;
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

/** A filter that answers EACCES to one system call: ld [nr]; jeq number, errno 13, allow. */
function refusal(number: number): Buffer {
  const filter = Buffer.alloc(32);
  const put = (index: number, code: number, jt: number, jf: number, k: number) => {
    filter.writeUInt16LE(code, index * 8);
    filter.writeUInt8(jt, index * 8 + 2);
    filter.writeUInt8(jf, index * 8 + 3);
    filter.writeUInt32LE(k, index * 8 + 4);
  };
  put(0, 0x20, 0, 0, 0);
  put(1, 0x15, 0, 1, number);
  put(2, 0x06, 0, 0, 0x0005000d);
  put(3, 0x06, 0, 0, 0x7fff0000);
  return filter;
}
