// Joining a container must not show it anything of the host: a watcher inside, with CAP_SYS_PTRACE, looks at every process that comes
// (CVE-2016-9962). A test in which the watcher saw no process at all is void.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KernelContainer } from './kernel-container.ts';

const source = new URL('./proc-watch.c', import.meta.url).pathname;
const ROUNDS = 15;
let scratch = '';

beforeAll(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'tsd-watch-'));
  execFileSync('cc', ['-O1', '-static', '-o', path.join(scratch, 'watch'), source]);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function watcher(): KernelContainer {
  return new KernelContainer(['/bin/watch'], {
    hostConfig: { CapAdd: ['SYS_PTRACE'], SecurityOpt: ['seccomp=unconfined'] },
    prepare: (root) => copyFileSync(path.join(scratch, 'watch'), `${root}/bin/watch`),
  });
}

async function verdict(container: KernelContainer): Promise<string[]> {
  writeFileSync(`/proc/${container.pid}/root/stop`, '');
  await container.ended();
  return [...new Set(container.output().trim().split('\n'))];
}

test('exec', async () => {
  await using container = watcher();
  await container.start();
  for (let round = 0; round < ROUNDS; round++) await container.exec('sleep 0.01');
  expect(await verdict(container)).toEqual(['looked at processes']);
});

test('a container in the same pid namespace', async () => {
  await using container = watcher();
  await container.start();
  for (let round = 0; round < ROUNDS; round++) {
    const joined = { pid: container.pid };
    await using other = new KernelContainer('sleep 0.01', {
      namespaces: { pid: joined, ipc: joined, network: joined },
    });
    await other.run();
  }
  const lines = await verdict(container);
  // The other container's root is another file system of the engine's making; what counts is that none is the host's.
  expect(lines.filter((line) => line.startsWith('looked'))).toEqual(['looked at processes']);
  expect(lines.filter((line) => line.includes(hostDevice()) || line.includes('['))).toEqual([]);
});

/** Of the host's root, as the watcher prints it. */
function hostDevice(): string {
  return `device ${Number(execFileSync('stat', ['-c', '%d', '/'], { encoding: 'utf8' })).toString(16)}`;
}
