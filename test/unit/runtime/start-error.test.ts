// The words of a failed start: docker's CLI makes its exit status out of them.
import { describe, expect, test } from 'vitest';
import type { OciProcess } from '../../../daemon/runtime/oci-spec.ts';
import type { Op } from '../../../daemon/runtime/program/program.ts';
import { describeStartFailure } from '../../../daemon/runtime/start-error.ts';

const process = { args: ['cmd'], cwd: '/w' } as OciProcess;
function describeFailure(op: Op, errno: number, errnoName: string, detail = '', args = ['cmd']) {
  const started = { process: { ...process, args }, program: { ops: [op] } };
  return describeStartFailure({ opIndex: 0, errno, errnoName, detail }, started, 'create');
}
const execve: Op = { op: 'execve', args: [] };

describe('a command that cannot be run', () => {
  test.each([
    [['sh'], 2, 'ENOENT', 127, 'exec: "sh": executable file not found in $PATH'],
    [['/no/sh'], 2, 'ENOENT', 127, 'exec: "/no/sh": stat /no/sh: no such file or directory'],
    [['/etc'], 13, 'EACCES', 126, 'exec: "/etc": permission denied'],
    [['/x'], 8, 'ENOEXEC', 126, 'exec /x: exec format error'],
    [['/x'], 7, 'E2BIG', 126, 'argument list too long'],
  ])('%j: %s', (args, errno, name, exitCode, words) => {
    const failure = describeFailure(execve, errno, name, args[0], args);
    expect(failure.exitCode).toBe(exitCode);
    expect(failure.error.code).toBe('invalid');
    expect(failure.error.message).toContain(`unable to start container process: `);
    expect(failure.error.message).toContain(words);
    expect(failure.error.message.endsWith(': unknown')).toBe(true);
  });
});

test.each([
  [40, 'ELOOP', 'too many levels of symbolic links', 126],
  [2, 'ENOENT', 'no such file or directory', 127],
  [20, 'ENOTDIR', 'not a directory', 127],
])('a working directory says which: %d %s', (errno, name, words, status) => {
  const { error, exitCode } = describeFailure({ op: 'chdir', args: ['/w', 0] }, errno, name);
  expect(error.message).toContain(`chdir to cwd ("/w") set in config.json failed: ${words}`);
  expect(exitCode).toBe(status);
});

test.each([
  ['/s\n/no/interp', 'exec /s: no such file or directory: its interpreter "/no/interp" is not in the container'],
  ['/s\n', 'exec /s: no such file or directory: its interpreter or dynamic loader is not in the container'],
])('a program whose interpreter is missing says which: %j', (detail, words) => {
  const { error, exitCode } = describeFailure(execve, 79, 'ELIBACC', detail, ['/s']);
  expect(error.message).toContain(words);
  expect(exitCode).toBe(127);
});

test('a file on a directory says where it comes from', () => {
  const op: Op = { op: 'move_mount', args: [7, '/tmp', 2], from: '/a/file' };
  const { error, exitCode } = describeFailure(op, 22, 'EINVAL', '/tmp');
  expect(error.message).toContain(
    'error mounting "/a/file" to rootfs at "/tmp": not a directory: Are you trying to mount',
  );
  expect(error.code).toBe('invalid');
  expect(exitCode).toBe(127);
});

test('a program of another kind of machine says of which', () => {
  const started = { process, program: { ops: [execve] } };
  const failure = { opIndex: 0, errno: 8, errnoName: 'ENOEXEC', detail: '/x' };
  const { error } = describeStartFailure(failure, started, 'create', 'the image is for linux/arm64');
  expect(error.message).toContain('exec /x: exec format error: the image is for linux/arm64: unknown');
});

test('a link at /proc is explained', () => {
  const { error, exitCode } = describeFailure({ op: 'move_mount', args: [3, '/proc', 5] }, 40, 'ELOOP', '/proc');
  expect(error.message).toContain('move_mount "/proc": ELOOP');
  expect(error.message).toContain('must not be symbolic links');
  expect(error.code).toBe('system');
  expect(exitCode).toBe(128);
});

test('what is no operation keeps its own words', () => {
  const failure = { opIndex: -1, errno: 0, errnoName: 'EPROTO', detail: 'the launcher ended without a report' };
  const { error } = describeStartFailure(failure, { process, program: { ops: [] } }, 'exec');
  expect(error.message).toContain(
    'OCI runtime exec failed: exec failed: unable to start container process: the launcher ended',
  );
});
