import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CLONE, MS, PR } from '../../../native-bindings/constants.ts';
import { describeErrno, ERRNO, isErrno, SystemError } from '../../../native-bindings/errno.ts';
import { decodeFlags, decodeValue } from '../../../native-bindings/flags.ts';

describe('SystemError', () => {
  it('says what failed, on what, and why', () => {
    const error = new SystemError('mount', 22, { source: 'overlay', target: '/x' }, 'overlay on "/x"');
    expect(error.message).toBe('mount overlay on "/x": EINVAL (invalid argument)');
    expect(error).toMatchObject({ syscall: 'mount', errno: 22, errnoName: 'EINVAL', code: 'EINVAL' });
    expect(error.args).toEqual({ source: 'overlay', target: '/x' });
  });

  it('names its text arguments when nothing better is given, with control characters escaped', () => {
    expect(new SystemError('chroot', 2, { path: '/a\n' }).message).toBe(
      'chroot "/a\\n": ENOENT (no such file or directory)',
    );
    expect(new SystemError('sync', 5).message).toBe('sync: EIO (input/output error)');
  });

  it('keeps numbers that have no name', () => {
    expect(new SystemError('x', 4095).errnoName).toBe('E4095');
    expect(describeErrno(4095)).toBeUndefined();
  });

  it('is matched like an error of node:fs', () => {
    let fromNode: unknown;
    try {
      readFileSync('/none');
    } catch (error) {
      fromNode = error;
    }
    expect(isErrno(fromNode, 'ENOENT')).toBe(true);
    expect(isErrno(new SystemError('open', ERRNO.ENOENT), 'EPERM', 'ENOENT')).toBe(true);
    expect(isErrno(new SystemError('open', ERRNO.ENOENT), 'EPERM')).toBe(false);
    expect(isErrno(new Error('ENOENT'), 'ENOENT')).toBe(false);
    expect(isErrno('ENOENT', 'ENOENT')).toBe(false);
  });
});

describe('decoding flags', () => {
  it('gives names in the order of their bits, and leftovers in hexadecimal', () => {
    expect(decodeFlags('MS', MS, MS.BIND | MS.REC)).toBe('MS_BIND|MS_REC');
    expect(decodeFlags('MS', MS, 0)).toBe('0');
    expect(decodeFlags('MS', MS, 2 ** 40 + 1)).toBe('MS_RDONLY|0x10000000000');
    expect(decodeFlags('CLONE', CLONE, CLONE.INTO_CGROUP + CLONE.NEWNS)).toBe('CLONE_NEWNS|CLONE_INTO_CGROUP');
  });

  it('names values that are no bits', () => {
    expect(decodeValue('PR', PR, 38)).toBe('PR_SET_NO_NEW_PRIVS');
    expect(decodeValue('PR', PR, 9999)).toBe('9999');
  });
});
