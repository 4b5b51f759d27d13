// What scripts/test installs for which kinds of tests, on a machine that has nothing: only a stand-in of apt-get is on its PATH, which notes
// what it was asked for.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findCommand, projectRoot } from '../../harness/paths.ts';
import { runCommand } from '../../harness/run-command.ts';

let dir: string;
let root: string;
beforeAll(() => {
  dir = mkdtempSync('/tmp/tsdt-path-');
  for (const name of ['sh', 'dirname', 'ls', 'grep', 'mkdir', 'rm', 'uname', 'cat', 'env'])
    symlinkSync(findCommand(name) ?? '', `${dir}/${name}`);
  // Whoever runs this test: the script asks for root, and gets as far as its set-up here.
  writeFileSync(`${dir}/id`, '#!/bin/sh\necho 0\n', { mode: 0o755 });
  writeFileSync(`${dir}/apt-get`, `#!/bin/sh\necho "$@" >>${dir}/asked\nexit 1\n`, { mode: 0o755 });
  // A project where nothing can follow the set-up.
  root = `${dir}/project`;
  mkdirSync(`${root}/scripts`, { recursive: true });
  copyFileSync(`${projectRoot}scripts/test`, `${root}/scripts/test`);
  writeFileSync(`${root}/scripts/modules`, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  writeFileSync(`${dir}/npm`, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function installedFor(kinds: readonly string[], env: Record<string, string> = {}): Promise<string[]> {
  writeFileSync(`${dir}/asked`, '');
  const variables = Object.entries({ PATH: dir, ...env }).map(([name, value]) => `${name}=${value}`);
  await runCommand('env', ['-i', ...variables, `${dir}/sh`, `${root}/scripts/test`, ...kinds], { timeoutMs: 60_000 });
  return [...readFileSync(`${dir}/asked`, 'utf8').matchAll(/^install .* (\S+)$/gm)].map((match) => match[1] ?? '');
}

const onlyForOthers = [
  'vagrant',
  'docker-registry',
  'skopeo',
  'docker-compose',
  'debootstrap',
  'qemu-system-x86',
  'clang',
  'strace',
];

test('unit tests need a compiler and a few tools of the system', async () => {
  const installed = await installedFor(['unit']);
  expect(installed).toEqual(expect.arrayContaining(['make', 'gcc', 'g++', 'procps', 'iproute2']));
  expect(installed.filter((name) => onlyForOthers.includes(name))).toEqual([]);
});

test('each other kind needs its own', async () => {
  expect(await installedFor(['clients'])).toEqual(expect.arrayContaining(['vagrant', 'skopeo', 'docker-compose']));
  expect(await installedFor(['fresh'])).toEqual(
    expect.arrayContaining(['debootstrap', 'g++-aarch64-linux-gnu', 'qemu-user-static']),
  );
  expect(await installedFor(['vm'])).toEqual(expect.arrayContaining(['debootstrap', 'qemu-system-x86']));
});

test('the whole has fresh systems and the virtual machine where CI is set', async () => {
  expect(await installedFor([])).not.toEqual(expect.arrayContaining(['qemu-system-x86']));
  const inCi = await installedFor([], { CI: 'true' });
  expect(inCi).toEqual(expect.arrayContaining(['qemu-system-x86', 'g++-aarch64-linux-gnu', 'vagrant', 'strace']));
});
