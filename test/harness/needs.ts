// What a test needs of the host. A missing one skips the test and says which; with STRICT=1 it fails instead.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'vitest';
import { hasCommit } from './older-engine.ts';
import { findCommand, projectRoot } from './paths.ts';

const checks = {
  docker: () => findCommand('docker') !== undefined,
  'docker-compose': () => findCommand('docker-compose') !== undefined,
  'docker with buildx': () => spawnSync('docker', ['buildx', 'version']).status === 0,
  skopeo: () => findCommand('skopeo') !== undefined,
  dockerd: () => findCommand('dockerd') !== undefined && findCommand('iptables') !== undefined,
  bzip2: () => findCommand('bzip2') !== undefined,
  xz: () => findCommand('xz') !== undefined,
  git: () => findCommand('git') !== undefined,
  strace: () => findCommand('strace') !== undefined,
  'python3 docker module': () => spawnSync('python3', ['-c', 'import docker']).status === 0,
  vagrant: () => findCommand('vagrant') !== undefined,
  'vagrant-libvirt': () =>
    existsSync('/usr/share/vagrant-plugins/plugins.d') &&
    readdirSync('/usr/share/vagrant-plugins/plugins.d').some((name) => name.includes('libvirt')),
  'mkfs.ext4': () => findCommand('mkfs.ext4') !== undefined,
  'immutable files': () => {
    const path = `${tmpdir()}/tsdt-immutable-${process.pid}`;
    writeFileSync(path, '');
    const isGood = spawnSync('chattr', ['+i', path]).status === 0;
    spawnSync('chattr', ['-i', path]);
    rmSync(path, { force: true });
    return isGood;
  },
  'loop devices': () => existsSync('/dev/loop-control'),
  'cgroup v1 memory': () => existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes'),
  'cgroup v2': () => existsSync('/sys/fs/cgroup/cgroup.controllers'),
  'systemd on cgroup v2': () => existsSync('/sys/fs/cgroup/cgroup.controllers') && existsSync('/run/systemd/private'),
  // The unit's daemon is stopped, killed and looked at: only where nobody else uses it.
  'a machine of the tests’ own': () => process.env.TSD_MACHINE === 'own',
  'a machine that was rebooted': () =>
    existsSync('/results/rebooted') && existsSync('/var/lib/tsdocker-before-reboot.json'),
  'docker-registry': () => findCommand('docker-registry') !== undefined,
  htpasswd: () => findCommand('htpasswd') !== undefined,
  openssl: () => findCommand('openssl') !== undefined,
  debootstrap: () => findCommand('debootstrap') !== undefined,
  'a Debian mirror': () => spawnSync(`${projectRoot}scripts/debian-mirror`, ['check']).status === 0,
  'the history of the repository': () => ['f4cae9a', 'dd459a2', 'ff1020f', '8da8e1f'].every(hasCommit),
  'npm’s registry': () => spawnSync('npm', ['ping'], { timeout: 20_000 }).status === 0,
  'overlay mounts': () => readFileSync('/proc/filesystems', 'utf8').includes('\toverlay\n'),
  clang: () => findCommand('clang') !== undefined,
  'an x86-64 machine': () => process.arch === 'x64',
  'cross compilers': () =>
    findCommand('x86_64-linux-gnu-g++') !== undefined && findCommand('aarch64-linux-gnu-g++') !== undefined,
  'qemu-aarch64-static': () => findCommand('qemu-aarch64-static') !== undefined,
  'two processors': () => existsSync('/sys/devices/system/cpu/cpu1'),
} satisfies Record<string, () => boolean>;

export type Need = keyof typeof checks;

export interface NeedingTest {
  (name: string, body: () => Promise<void>, timeoutMs?: number): void;
  /** For files that would do much before their tests are skipped. */
  readonly isSkipped: boolean;
}

/** `test`, or a skip whose name tells what the host lacks. */
export function testNeeding(...needs: Need[]): NeedingTest {
  const missing = needs.filter((need) => !checks[need]());
  const define = (name: string, body: () => Promise<void>, timeoutMs?: number) => {
    if (missing.length === 0) test(name, body, timeoutMs);
    else if (process.env.STRICT === '1')
      test(name, () => Promise.reject(new Error(`the host lacks ${missing.join(', ')}`)));
    else test.skip(`${name} [needs ${missing.join(', ')}]`, () => {});
  };
  return Object.assign(define, { isSkipped: missing.length > 0 });
}
