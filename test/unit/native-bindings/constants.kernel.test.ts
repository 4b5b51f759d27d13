// The numbers in native-bindings compared with those of this machine's header files, by a C program made from the tables.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CAPABILITIES, RLIMIT, SIGNALS } from '../../../native-bindings/capabilities.ts';
import * as constants from '../../../native-bindings/constants.ts';
import { ERRNO } from '../../../native-bindings/errno.ts';
import { SYSCALL_NAMES, syscallNumber } from '../../../native-bindings/syscall-numbers.ts';

const hasCompiler = spawnSync('cc', ['--version']).status === 0;

/** C name to expected value. */
function expectations(): Map<string, number> {
  const expected = new Map<string, number>();
  const family = (prefix: string, table: Readonly<Record<string, number>>) => {
    for (const [name, value] of Object.entries(table)) expected.set(`${prefix}${name}`, value);
  };
  const prefixes: [keyof typeof constants, string][] = [
    ['AT', 'AT_'],
    ['O', 'O_'],
    ['RESOLVE', 'RESOLVE_'],
    ['CLONE', 'CLONE_'],
    ['MS', 'MS_'],
    ['MNT', 'MNT_'],
    ['MOUNT_ATTR', 'MOUNT_ATTR_'],
    ['OPEN_TREE', 'OPEN_TREE_'],
    ['MOVE_MOUNT', 'MOVE_MOUNT_'],
    ['FSOPEN', 'FSOPEN_'],
    ['FSMOUNT', 'FSMOUNT_'],
    ['FSCONFIG', 'FSCONFIG_'],
    ['MFD', 'MFD_'],
    ['F', 'F_'],
    ['F_SEAL', 'F_SEAL_'],
    ['LOCK', 'LOCK_'],
    ['RENAME', 'RENAME_'],
    ['XATTR', 'XATTR_'],
    ['SEEK', 'SEEK_'],
    ['S_IF', 'S_IF'],
    ['PR', 'PR_'],
    ['PR_CAP_AMBIENT', 'PR_CAP_AMBIENT_'],
    ['TIOC', 'TIOC'],
    ['NS_GET', 'NS_GET_'],
  ];
  const tables = new Map(Object.entries(constants));
  for (const [name, prefix] of prefixes) family(prefix, tables.get(name) as Readonly<Record<string, number>>);
  family('', SIGNALS);
  family('', ERRNO);
  for (const [name, value] of Object.entries(RLIMIT)) expected.set(`RLIMIT_${name.toUpperCase()}`, value);
  CAPABILITIES.forEach((name, number) => {
    expected.set(name, number);
  });
  // O_LARGEFILE is 0 only because it is implied; SIGRTMIN is the C library's choice. Both are right as they are.
  for (const name of ['O_LARGEFILE', 'SIGRTMIN', 'SIGRTMAX', 'MNT_NOFOLLOW']) expected.delete(name);
  expected.set('UMOUNT_NOFOLLOW', constants.MNT.NOFOLLOW);
  const magic = {
    PROC: 'PROC_SUPER',
    SYSFS: 'SYSFS',
    TMPFS: 'TMPFS',
    CGROUP: 'CGROUP_SUPER',
    CGROUP2: 'CGROUP2_SUPER',
  };
  for (const [name, word] of Object.entries(magic)) {
    expected.set(`${word}_MAGIC`, constants.FS_MAGIC[name as keyof typeof magic]);
  }
  for (const name of SYSCALL_NAMES) expected.set(`SYS_${name}`, syscallNumber(name));
  return expected;
}

const HEADERS = [
  'sched.h',
  'fcntl.h',
  'signal.h',
  'errno.h',
  'stdio.h',
  'unistd.h',
  'sys/mount.h',
  'sys/file.h',
  'sys/mman.h',
  'sys/prctl.h',
  'sys/resource.h',
  'sys/stat.h',
  'sys/xattr.h',
  'sys/ioctl.h',
  'sys/syscall.h',
  'linux/openat2.h',
  'linux/capability.h',
  'linux/magic.h',
  'linux/nsfs.h',
];

/** What header files of glibc 2.36 do not have, or have under another name. */
const NEWER = [
  'CLONE_CLEAR_SIGHAND',
  'CLONE_INTO_CGROUP',
  'FSCONFIG_CMD_CREATE_EXCL',
  'F_SEAL_EXEC',
  'MFD_EXEC',
  'MFD_NOEXEC_SEAL',
  'MOUNT_ATTR_ATIME',
  'MOVE_MOUNT_BENEATH',
  ...Object.keys(constants.FSCONFIG).map((name) => `FSCONFIG_${name}`),
];

describe.skipIf(!hasCompiler)('constants', () => {
  it('are those of the header files', () => {
    const expected = expectations();
    const lines = [...expected.keys()].map((name) => `#ifdef ${name}\nP(${name})\n#endif`);
    const enums = Object.keys(constants.FSCONFIG).filter((name) => name !== 'CMD_CREATE_EXCL');
    const directory = mkdtempSync(join(tmpdir(), 'tsdocker-constants-'));
    try {
      const source = [
        '#define _GNU_SOURCE',
        ...HEADERS.map((header) => `#include <${header}>`),
        '#define P(x) printf("%s %lld\\n", #x, (long long)(x));',
        'int main(void) {',
        ...lines,
        ...enums.map((name) => `P(FSCONFIG_${name})`),
        'return 0; }',
      ].join('\n');
      writeFileSync(join(directory, 'c.c'), source);
      execFileSync('cc', ['-o', join(directory, 'c'), join(directory, 'c.c')]);
      const output = execFileSync(join(directory, 'c'), { encoding: 'utf8' });
      const found = new Map(
        output
          .trim()
          .split('\n')
          .map((line) => line.split(' ') as [string, string]),
      );
      const wrong = [...found].filter(
        ([name, value]) => BigInt.asIntN(64, BigInt(expected.get(name) ?? 0)) !== BigInt(value),
      );
      expect(wrong).toEqual([]);
      expect(found.size).toBeGreaterThan(300);
      const unknown = [...expected.keys()].filter((name) => !found.has(name));
      expect(unknown.filter((name) => !NEWER.includes(name))).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('include the numbers of system calls on arm64, which are those of the generic table', () => {
    const text = readFileSync('/usr/include/asm-generic/unistd.h', 'utf8');
    const generic = new Map<string, number>();
    for (const [, name = '', number] of text.matchAll(/#define __NR(?:3264)?_(\w+) (\d+)/g))
      generic.set(name, Number(number));
    const wrong = SYSCALL_NAMES.filter((name) => generic.get(name) !== syscallNumber(name, 'arm64'));
    expect(wrong).toEqual([]);
  });
});
