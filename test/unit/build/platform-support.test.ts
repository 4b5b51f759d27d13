// Which platforms run here, by what binfmt_misc says.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { platformSupport, readRules, supportedPlatforms } from '../../../daemon/build/sources/platform-support.ts';
import { hostPlatform } from '../../../daemon/images/documents/platform.ts';

/** As qemu-user-static registers it. */
const s390x = [
  'enabled',
  'interpreter /usr/bin/qemu-s390x-static',
  'flags: OCF',
  'offset 0',
  'magic 7f454c4602020100000000000000000000020016',
  'mask ffffffffffffff00fffffffffffffffffffeffff',
].join('\n');

test('the host’s own', () => {
  expect(platformSupport(hostPlatform(), [])).toBe('native');
  expect(platformSupport({ os: 'windows', architecture: hostPlatform().architecture }, [])).toBe('none');
});

test('one with an interpreter that is held open', () => {
  const platform = { os: 'linux', architecture: 's390x' };
  expect(platformSupport(platform, [])).toBe('none');
  expect(platformSupport(platform, [s390x])).toBe('emulated');
  expect(platformSupport(platform, [s390x.replace('OCF', 'OC')])).toBe('none');
  expect(platformSupport(platform, [s390x.replace('enabled', 'disabled')])).toBe('none');
  expect(platformSupport({ os: 'linux', architecture: 'riscv64' }, [s390x])).toBe('none');
  expect(platformSupport({ os: 'linux', architecture: 'made-up' }, [s390x])).toBe('none');
  expect(supportedPlatforms([s390x])).toContainEqual(platform);
  expect(supportedPlatforms([])[0]).toEqual(hostPlatform());
});

test('rules that say nothing, or nonsense', () => {
  for (const text of [
    '',
    'enabled',
    'enabled\nflags: F\nmagic zz\noffset 0',
    s390x.replace('offset 0', 'offset 99999'),
    s390x.replace('offset 0', 'offset -1'),
  ])
    expect(platformSupport({ os: 'linux', architecture: 's390x' }, [text])).toBe('none');
});

test('are read where the kernel has them', () => {
  const path = mkdtempSync(join(tmpdir(), 'tsdocker-binfmt-'));
  try {
    expect(readRules(join(path, 'none'))).toEqual([]);
    mkdirSync(join(path, 'b'));
    writeFileSync(join(path, 'b/status'), 'enabled\n');
    writeFileSync(join(path, 'b/register'), '');
    writeFileSync(join(path, 'b/qemu-s390x'), s390x);
    expect(readRules(join(path, 'b'))).toEqual([s390x]);
    writeFileSync(join(path, 'b/status'), 'disabled\n');
    expect(readRules(join(path, 'b'))).toEqual([]);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
});
