// The seccomp filter as a process in the container meets it: a static probe tries system calls and prints the errno of each.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HostConfig } from '../../../daemon/docker-types/host-config.ts';
import { KernelContainer } from './kernel-container.ts';

const { EPERM, ENOSYS, EBADF, EINVAL, ESRCH } = constants.errno;
const source = new URL('./syscall-probe.c', import.meta.url).pathname;
let scratch = '';

beforeAll(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'tsd-probe-'));
  execFileSync('cc', ['-O1', '-static', '-o', path.join(scratch, 'probe'), source]);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function container(hostConfig: HostConfig): KernelContainer {
  return new KernelContainer(['/bin/probe'], {
    hostConfig,
    prepare: (root) => copyFileSync(path.join(scratch, 'probe'), `${root}/bin/probe`),
  });
}

function parse(output: string): Map<string, number> {
  return new Map(
    output
      .trim()
      .split('\n')
      .map((line) => {
        const [name = '', errno] = line.split('=');
        return [name, Number(errno)];
      }),
  );
}

async function probe(hostConfig: HostConfig): Promise<Map<string, number>> {
  await using started = container(hostConfig);
  const { output } = await started.run();
  return parse(output);
}

describe('the default profile', () => {
  test('lets ordinary calls through and answers EPERM to dangerous ones', async () => {
    const results = await probe({});
    for (const name of ['getpid', 'socket_inet', 'socket_unix', 'personality_linux32', 'personality_linux']) {
      expect([name, results.get(name)]).toEqual([name, 0]);
    }
    expect(results.get('ptrace')).toBe(ESRCH);
    for (const name of [
      ...[
        'socket_alg',
        'socket_vsock',
        'socket_vsock_wide',
        'unshare_user',
        'clone_newuser',
        'mount',
        'keyctl',
        'add_key',
        'io_uring_setup',
      ],
      ...['userfaultfd', 'bpf', 'perf_event_open', 'pivot_root', 'reboot', 'init_module', 'kexec_load'],
      ...['open_by_handle_at', 'personality_randomize'],
    ]) {
      expect([name, results.get(name)]).toEqual([name, EPERM]);
    }
  });

  test('answers ENOSYS to clone3 and to every number that it does not know', async () => {
    const results = await probe({});
    for (const name of ['clone3', 'unknown_1000', 'unknown_gap_400', 'statmount', 'file_getattr']) {
      expect([name, results.get(name)]).toEqual([name, ENOSYS]);
    }
  });

  test('lets calls through that are younger than libseccomp', async () => {
    expect((await probe({})).get('mseal')).not.toBe(EPERM);
    expect((await probe({})).get('mseal')).not.toBe(ENOSYS);
  });

  test.runIf(process.arch === 'x64')('covers the other tables of this processor', async () => {
    const results = await probe({});
    expect(results.get('x32_unknown')).toBe(ENOSYS);
    // Kernels without 32-bit emulation print nothing here; seccomp-compile.test.ts runs the filter for that table itself.
    if (!results.has('i386_getpid')) return;
    expect(results.get('i386_getpid')).toBe(0);
    expect(results.get('i386_mount')).toBe(EPERM);
    expect(results.get('i386_unknown')).toBe(ENOSYS);
  });

  test('follows the capabilities', async () => {
    const results = await probe({ CapAdd: ['SYS_ADMIN', 'DAC_READ_SEARCH'] });
    expect(results.get('clone3')).toBe(EINVAL);
    expect(results.get('open_by_handle_at')).not.toBe(EPERM);
    expect(results.get('pivot_root')).toBe(EPERM);
  });
});

describe('other profiles', () => {
  test('unconfined has no filter', async () => {
    const results = await probe({ SecurityOpt: ['seccomp=unconfined'] });
    expect(results.get('keyctl')).toBe(0);
    expect(results.get('socket_alg')).not.toBe(EPERM);
  });

  test('one of the user’s own: allow all but what is named', async () => {
    const profile = JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'],
      syscalls: [{ names: ['getpid'], action: 'SCMP_ACT_ERRNO', errnoRet: EBADF }],
    });
    const results = await probe({ SecurityOpt: [`seccomp=${profile}`] });
    expect(results.get('getpid')).toBe(EBADF);
    expect(results.get('keyctl')).toBe(0);
  });

  test('a process of exec has the same filter', async () => {
    await using running = new KernelContainer('sleep 60', {
      prepare: (root) => copyFileSync(path.join(scratch, 'probe'), `${root}/bin/probe`),
    });
    await running.start();
    const exec = parse((await running.exec(['/bin/probe'])).output);
    expect(exec).toEqual(await probe({}));
  });
});

test('each container has a session keyring of its own, and leaves none behind', async () => {
  const keysBefore = keyCount();
  for (let round = 0; round < 5; round++) await probe({});
  // The kernel collects keyrings in the background.
  await expect.poll(keyCount, { timeout: 5000 }).toBeLessThanOrEqual(keysBefore + 1);
});

function keyCount(): number {
  return Number(/^\s*0:\s+(\d+)/m.exec(readFileSync('/proc/key-users', 'latin1'))?.[1] ?? 0);
}
