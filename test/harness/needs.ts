// What a test needs of the host. A missing one skips the test and says which; with STRICT=1 it fails instead.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'vitest';
import { findCommand } from './paths.ts';

const checks = {
  docker: () => findCommand('docker') !== undefined,
  strace: () => findCommand('strace') !== undefined,
  'python3 docker module': () => spawnSync('python3', ['-c', 'import docker']).status === 0,
  'mkfs.ext4': () => findCommand('mkfs.ext4') !== undefined,
  'loop devices': () => existsSync('/dev/loop-control'),
  'cgroup v1 memory': () => existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes'),
  'cgroup v2': () => existsSync('/sys/fs/cgroup/cgroup.controllers'),
  'systemd on cgroup v2': () => existsSync('/sys/fs/cgroup/cgroup.controllers') && existsSync('/run/systemd/private'),
  // The unit's daemon is stopped, killed and looked at: only where nobody else uses it.
  'a machine of the tests’ own': () => process.env.TSD_MACHINE === 'own',
  'two processors': () => existsSync('/sys/devices/system/cpu/cpu1'),
} satisfies Record<string, () => boolean>;

export type Need = keyof typeof checks;

/** `test`, or a skip whose name tells what the host lacks. */
export function testNeeding(...needs: Need[]): (name: string, body: () => Promise<void>, timeoutMs?: number) => void {
  const missing = needs.filter((need) => !checks[need]());
  return (name, body, timeoutMs) => {
    if (missing.length === 0) test(name, body, timeoutMs);
    else if (process.env.STRICT === '1')
      test(name, () => Promise.reject(new Error(`the host lacks ${missing.join(', ')}`)));
    else test.skip(`${name} [needs ${missing.join(', ')}]`, () => {});
  };
}
