import { expect, test } from 'vitest';
import { OPCODES, type OpName } from '../../../daemon/runtime/program/opcodes.ts';
import type { Op, OpArgument } from '../../../daemon/runtime/program/program.ts';
import { disassemble } from './disassemble.ts';

test('a program reads as its system calls, with names for flags, descriptors and numbers', () => {
  const ops: Op[] = [
    { op: 'log', args: [3, 1, 10_485_760, 3], why: 'where the output goes' },
    { op: 'clone3', args: [0x20020000, -1] },
    { op: 'fsmount', args: [6, 'proc', 14, ['hidepid=2']] },
    { op: 'move_mount', args: [6, '/proc', 5] },
    { op: 'openat2', args: [7, -100, '/dev/pts', 0o200000, 4] },
    { op: 'pty', args: [7, 8] },
    { op: 'dup_stdio', args: [8, 1000] },
    { op: 'mknodat', args: [-100, '/dev/null', 0o20666, 0x103] },
    { op: 'write', args: [-100, '/proc/sys/x', 8, Buffer.from('1\n')], ignoreMissing: true },
    { op: 'setrlimit', args: [7, 1024, -1] },
    { op: 'setgroups', args: [Buffer.of(1, 0, 0, 0, 10, 0, 0, 0)] },
    { op: 'capset', args: [0x401, 0n, 0, 0] },
    { op: 'prctl', args: [1, 9, 0, 0, 0], why: 'no process without its monitor' },
    { op: 'seccomp', args: [Buffer.alloc(80), 0] },
    { op: 'execve', args: [['/bin/sh'], ['sh', '-c', 'echo "hi"'], ['PATH=/bin']] },
  ];
  expect(disassemble({ ops })).toEqual([
    'log(fd 3, 1, 10485760, 3)  # where the output goes',
    'clone3(CLONE_NEWNS|CLONE_NEWPID, -1)',
    'fd 6 = fsmount("proc", MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV|MOUNT_ATTR_NOEXEC, ["hidepid=2"])',
    'move_mount(fd 6 (new proc), "/proc", make directory|no symlinks)',
    'fd 7 = openat2(AT_FDCWD, "/dev/pts", O_DIRECTORY, RESOLVE_NO_SYMLINKS)',
    'fd 8 = pty(fd 7 (/dev/pts))',
    'dup_stdio(fd 8 (terminal), 1000)',
    'mknodat(AT_FDCWD, "/dev/null", S_IFCHR|0666, 1:3)',
    'write(AT_FDCWD, "/proc/sys/x", RESOLVE_BENEATH, "1\\n")  # if it exists',
    'setrlimit(RLIMIT_NOFILE, 1024, unlimited)',
    'setgroups([1, 10])',
    'capset(CAP_CHOWN|CAP_NET_BIND_SERVICE, none, none, none)',
    'prctl(PR_SET_PDEATHSIG, 9)  # no process without its monitor',
    'seccomp(10 instructions, 0)',
    'execve(["/bin/sh"], ["sh", "-c", "echo \\"hi\\""], ["PATH=/bin"])',
  ]);
});

test('every operation can be shown', () => {
  const example: Record<string, OpArgument> = { i: 1, f: -100, d: 5, s: 'x', b: Buffer.alloc(8), l: ['x'] };
  for (const [name, { signature }] of Object.entries(OPCODES)) {
    const op: Op = { op: name as OpName, args: [...signature].map((letter) => example[letter] as OpArgument) };
    expect(disassemble({ ops: [op] })[0]).toContain(`${name}(`);
  }
});

test('long texts and lists are cut', () => {
  const [line = ''] = disassemble({
    ops: [{ op: 'execve', args: [['/a'], ['x'.repeat(10_000)], Array.from({ length: 500 }, (_, i) => `V${i}=`)] }],
  });
  expect(line.length).toBeLessThan(600);
  expect(line).toContain('… 476 more');
});
