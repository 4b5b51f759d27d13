// --user against a hostile image: the files are real, below a scratch root.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { resolveUser } from '../../../daemon/runtime/user-database.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'tsd-users-'));
  mkdirSync(`${root}/etc`);
  writeFileSync(
    `${root}/etc/passwd`,
    'root:x:0:0:root:/root:/bin/sh\n# comment\n1000:x:0:0::/:/bin/sh\n-1:x:0:0::/:/bin/sh\nbig:x:99999999999:0::/:\nalice:x:1001:1002::/home/alice:/bin/sh\nnobody:x:65534:65534:::\n',
  );
  writeFileSync(`${root}/etc/group`, 'root:x:0:\n1000:x:0:\nwheel:x:10:alice,bob\nusers:x:100:alice\nnogrp:x:65533:\n');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function resolve(user: string, groups: string[] = []) {
  const fd = openSync(root, 'r');
  try {
    return resolveUser(fd, user, groups);
  } finally {
    closeSync(fd);
  }
}

describe('who a user is', () => {
  test.each([
    ['', 0, 0, [0], '/root'],
    ['root', 0, 0, [0], '/root'],
    ['alice', 1001, 1002, [1002, 10, 100], '/home/alice'],
    ['alice:wheel', 1001, 10, [10], '/home/alice'],
    ['1001', 1001, 1002, [1002, 10, 100], '/home/alice'],
    ['1000', 1000, 0, [0], '/'],
    ['1000:1000', 1000, 1000, [1000], '/'],
    ['nobody:', 65534, 65534, [65534], '/'],
    [':10', 0, 10, [10], '/root'],
    ['4242:nogrp', 4242, 65533, [65533], '/'],
    ['2147483647', 2147483647, 0, [0], '/'],
  ])('%j', (user, uid, gid, additionalGids, home) => {
    expect(resolve(user)).toEqual({ uid, gid, additionalGids, home });
  });

  test('--group-add takes names and numbers', () => {
    expect(resolve('', ['wheel', '77', '1000']).additionalGids).toEqual([0, 10, 77, 1000]);
  });

  test.each([
    ['ghost', 'unable to find user ghost: no matching entries in passwd file'],
    ['big', 'unable to find user big'],
    ['root:ghost', 'unable to find group ghost: no matching entries in group file'],
    ['-1', 'uids and gids must be in range 0-2147483647'],
    ['2147483648', 'uids and gids must be in range'],
    ['4294967296', 'uids and gids must be in range'],
    ['1000:99999999999', 'uids and gids must be in range'],
    ['0x0', 'unable to find user 0x0'],
    ['1e3', 'unable to find user 1e3'],
    ['a:b:c', 'expected user[:group]'],
    ['x'.repeat(300), 'too long'],
  ])('%j is refused', (user, message) => {
    expect(() => resolve(user)).toThrow(
      expect.objectContaining({ code: 'invalid', message: expect.stringContaining(message) }),
    );
  });
});

describe('files of the enemy', () => {
  test('none at all: numbers work, names do not', () => {
    rmSync(`${root}/etc`, { recursive: true });
    expect(resolve('5:6')).toEqual({ uid: 5, gid: 6, additionalGids: [6], home: '/' });
    expect(() => resolve('alice')).toThrow('unable to find user alice');
  });

  test('a link stays inside the root', () => {
    writeFileSync(`${root}/other`, 'bob:x:7:7::/b:\n');
    unlinkSync(`${root}/etc/passwd`);
    symlinkSync('../../../../other', `${root}/etc/passwd`);
    expect(resolve('bob').uid).toBe(7);
    unlinkSync(`${root}/etc/passwd`);
    symlinkSync('/etc/hostname', `${root}/etc/passwd`);
    expect(() => resolve('root')).toThrow('unable to find user root');
  });

  test.each([
    ['a FIFO', () => execFileSync('mkfifo', [`${root}/etc/passwd`]), 'is not a regular file'],
    ['a directory', () => mkdirSync(`${root}/etc/passwd`), 'is not a regular file'],
    [
      'a gigabyte',
      () => {
        writeFileSync(`${root}/etc/passwd`, '');
        truncateSync(`${root}/etc/passwd`, 2 ** 30);
      },
      'is larger than',
    ],
    ['a loop of links', () => symlinkSync('passwd', `${root}/etc/passwd`), 'ELOOP'],
    ['a magic link', () => symlinkSync('/proc/self/fd/0', `${root}/etc/passwd`), 'no matching entries'],
  ])('%s', (_, make, message) => {
    unlinkSync(`${root}/etc/passwd`);
    make();
    expect(() => resolve('alice')).toThrow(message);
  });
});
