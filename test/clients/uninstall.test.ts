// `tsdocker system uninstall`: what it ends, what it removes, what it leaves and says; judged from the file system and the kernel.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cli } from '../harness/clis.ts';
import { runDetached } from '../harness/containers.ts';
import { isAlive } from '../harness/ledger.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

let daemon: TestDaemon;
beforeEach(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.dispose());

function uninstall(...args: string[]) {
  const place = ['--exec-root', daemon.execRoot, '--pidfile', `${daemon.dir}/d.pid`];
  return cli(daemon, 'tsdocker', ['system', 'uninstall', ...place, ...args], { input: '' });
}

test('is refused while a container runs, which is named, and nothing is touched', async () => {
  const id = await runDetached(daemon, ['sleep', '1000'], {}, 'busy');
  const result = await uninstall('--purge', '--force');
  expect(result).toMatchObject({ code: 1, stdout: '' });
  expect(result.stderr).toBe('uninstall: a container runs (busy): stop them first, or let --stop do it\n');
  expect(await daemon.api.get(`/containers/${id}/json`)).toMatchObject({ State: { Running: true } });
});

test('without an answer nothing happens', async () => {
  const { code, stdout } = await uninstall('--purge');
  expect(code).toBe(0);
  expect(stdout).toBe(
    `WARNING! This will end the daemon and remove everything in ${daemon.dataRoot}.\nAre you sure you want to continue? [y/N] `,
  );
  expect((await daemon.api.send('GET', '/_ping')).status).toBe(200);
});

test('without --purge the data stays: the next daemon has the images and containers', async () => {
  const id = await runDetached(daemon, 'echo kept > /kept; exec sleep 1000', { StopTimeout: 1 });
  const pid = daemon.pid;
  const result = await uninstall('--stop', '-f');
  expect(result, result.stderr).toMatchObject({ code: 0, stderr: '' });
  expect(result.stdout.split('\n')).toEqual([
    `removed ${daemon.execRoot}`,
    `${daemon.dataRoot} stays, with images, containers and volumes: --purge removes it`,
    expect.stringMatching(/^the package stays: /),
    '',
  ]);
  expect(isAlive(pid)).toBe(false);
  expect(existsSync(daemon.execRoot)).toBe(false);
  await daemon.ended();

  await daemon.start();
  expect(await daemon.api.get(`/containers/${id}/json`)).toMatchObject({ State: { Status: 'exited' } });
  expect((await cli(daemon, 'tsdocker', ['cp', `${id}:/kept`, '-'])).stdout).toContain('kept\n');
});

test('--purge leaves no container, bridge, rule or directory', async () => {
  await daemon.api.post('/networks/create', { Name: 'mine', Driver: 'bridge' });
  await runDetached(daemon, ['sleep', '1000'], {
    StopTimeout: 1,
    HostConfig: { NetworkMode: 'mine', Binds: ['data:/data'] },
  });
  await runDetached(daemon, ['sleep', '1000'], { StopTimeout: 1, HostConfig: { NetworkMode: 'bridge' } });
  const result = await uninstall('--purge', '--stop', '-f');
  expect(result, result.stderr).toMatchObject({ code: 0, stderr: '' });
  expect(result.stdout).toContain(`removed ${daemon.execRoot}\nremoved ${daemon.dataRoot}\n`);
  await daemon.ended();
  expect(existsSync(daemon.dataRoot)).toBe(false);
  const links = await daemon.network.run('ip', ['-o', 'link']);
  expect(links.stdout.split('\n').filter((line) => line !== '' && !/: lo:/.test(line))).toEqual([]);
  expect((await daemon.network.run('nft', ['list', 'tables'])).stdout).toBe('');
});

test('a pidfile of another process, and a directory that is not the daemon’s, are left alone', async () => {
  const other = mkdtempSync('/tmp/tsdt-host-');
  try {
    writeFileSync(`${other}/pid`, `${process.pid}\n`);
    const wrong = await uninstall('-f', '--pidfile', `${other}/pid`);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/does not name a daemon that runs/) });
    const directory = await uninstall('-f', '--exec-root', other);
    expect(directory.stderr).toBe(`uninstall: ${other} is no directory of tsdockerd: it has no lock\n`);
    expect(existsSync(`${other}/pid`)).toBe(true);
    expect((await daemon.api.send('GET', '/_ping')).status).toBe(200);
  } finally {
    rmSync(other, { recursive: true });
  }
});
