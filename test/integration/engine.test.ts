import { spawn } from 'node:child_process';
// The daemon as a program: options, configuration file, several of them, its end.
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ApiClient } from '../harness/api-client.ts';
import { inspect, run, runDetached } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { isAlive } from '../harness/ledger.ts';
import { projectRoot } from '../harness/paths.ts';
import { runCommand } from '../harness/run-command.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const daemons: TestDaemon[] = [];
async function daemonWith(options: Parameters<typeof TestDaemon.start>[0] = {}): Promise<TestDaemon> {
  const daemon = await TestDaemon.start({ image: false, ...options });
  daemons.push(daemon);
  return daemon;
}
afterEach(async () => {
  for (const daemon of daemons.splice(0)) await daemon.dispose();
});

describe('tsdockerd', () => {
  test('two run side by side and know nothing of each other', async () => {
    const [a, b] = await Promise.all([daemonWith({ image: true }), daemonWith({ image: true })]);
    await runDetached(a, ['sleep', '1000'], {}, 'same');
    await runDetached(b, ['sleep', '1000'], {}, 'same');
    expect((await inspect(a, 'same')).Id).not.toBe((await inspect(b, 'same')).Id);
    await a.api.delete('/containers/same?force=1');
    expect((await inspect(b, 'same')).State.Running).toBe(true);
  });

  test('a second daemon on the same data is refused, the first is unharmed', async () => {
    const first = await daemonWith();
    const second = await runCommand(
      `${projectRoot}bin/tsdockerd`,
      [
        '-H',
        `unix://${first.dir}/other.sock`,
        '--data-root',
        first.dataRoot,
        '--exec-root',
        `${first.dir}/run2`,
        '--pidfile',
        `${first.dir}/other.pid`,
      ],
      { timeoutMs: 10_000 },
    );
    expect(second.code).not.toBe(0);
    expect(second.stderr + second.stdout).toContain(first.dataRoot);
    expect((await first.api.send('GET', '/_ping')).status).toBe(200);
    rmSync(`${first.dir}/run2`, { recursive: true, force: true });
  });

  test('its socket is 0660 from the first moment, its directories are closed to others', async () => {
    const daemon = await daemonWith();
    expect(statSync(daemon.socketPath).mode & 0o777).toBe(0o660);
    for (const path of [daemon.dataRoot, `${daemon.execRoot}/containers`])
      expect(statSync(path).mode & 0o007, path).toBe(0);
    const outsider = await runCommand('setpriv', [
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      'ls',
      daemon.dataRoot,
    ]);
    expect(outsider.code).not.toBe(0);
    // An old directory that was left open is closed again.
    await daemon.stop();
    chmodSync(daemon.dataRoot, 0o755);
    await daemon.start();
    expect(statSync(daemon.dataRoot).mode & 0o007).toBe(0);
  });

  test('-H several times; a stale socket is replaced, a live one is not, a symlink is refused', async () => {
    const dir = mkdtempSync('/tmp/tsdt-host-');
    try {
      const daemon = await daemonWith({ args: ['-H', `unix://${dir}/two.sock`] });
      expect((await new ApiClient(`${dir}/two.sock`).send('GET', '/_ping')).status).toBe(200);
      await daemon.crash();
      expect(existsSync(daemon.socketPath)).toBe(true);
      await daemon.start();
      const other = new TestDaemon({ args: ['-H', `unix://${dir}/two.sock`] });
      other.spawn();
      expect(await other.ended()).not.toBe(0);
      await other.dispose();
      expect((await new ApiClient(`${dir}/two.sock`).send('GET', '/_ping')).status).toBe(200);
      symlinkSync(`${dir}/elsewhere`, `${dir}/link.sock`);
      const linked = new TestDaemon({ args: ['-H', `unix://${dir}/link.sock`] });
      linked.spawn();
      expect(await linked.ended()).not.toBe(0);
      await linked.dispose();
      expect(existsSync(`${dir}/elsewhere`)).toBe(false);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('a live socket of another program is not taken away', async () => {
    const dir = mkdtempSync('/tmp/tsdt-host-');
    const server = createServer().listen(`${dir}/theirs.sock`);
    try {
      const daemon = new TestDaemon({ args: ['-H', `unix://${dir}/theirs.sock`] });
      daemon.spawn();
      expect(await daemon.ended()).not.toBe(0);
      await daemon.dispose();
      expect(server.listening).toBe(true);
      expect(existsSync(`${dir}/theirs.sock`)).toBe(true);
    } finally {
      server.close();
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('tcp without mutual TLS is refused', async () => {
    const daemon = new TestDaemon({ network: 'machine', args: ['-H', 'tcp://127.0.0.1:0'] });
    daemon.spawn();
    expect(await daemon.ended()).not.toBe(0);
    expect(daemon.log()).toMatch(/tls/i);
    await daemon.dispose();
  });

  test('a configuration file gives the same keys; a wrong one, and a conflict with the command line, are refused by name', async () => {
    const dir = mkdtempSync('/tmp/tsdt-host-');
    const file = `${dir}/daemon.json`;
    const start = async (text: string, args: string[] = []) => {
      writeFileSync(file, text);
      const daemon = new TestDaemon({ args: ['--config-file', file, ...args] });
      daemon.spawn();
      return daemon;
    };
    try {
      const good = await start(
        JSON.stringify({ hosts: [], labels: [] }).replace('"hosts":[],"labels":[]', '"debug":true'),
      );
      await good.ready();
      await good.dispose();
      for (const [text, named] of [
        ['{', /JSON|daemon\.json/],
        ['{"nosuchkey": 1}', /nosuchkey/],
        ['{"debug": "yes"}', /debug/],
        [`{"data-root": "${dir}/x"}`, /data-root/],
      ] as const) {
        const bad = await start(text);
        expect(await bad.ended(), text).not.toBe(0);
        expect(bad.log()).toMatch(named);
        await bad.dispose();
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('unknown options and --help', async () => {
    const unknown = await runCommand(`${projectRoot}bin/tsdockerd`, ['--nosuch']);
    expect(unknown.code).not.toBe(0);
    expect(unknown.stderr).toMatch(/unknown flag: --nosuch/);
    const help = await runCommand(`${projectRoot}bin/tsdockerd`, ['--help']);
    expect(help.code).toBe(0);
    for (const word of ['--data-root', '--exec-root', '--pidfile', '--config-file', '--log-level', '--host'])
      expect(help.stdout).toContain(word);
  });

  test('SIGTERM ends it at once with 0 and leaves containers running', async () => {
    const daemon = await daemonWith({ image: true });
    const id = await runDetached(daemon, ['sleep', '1000']);
    const { Pid } = (await inspect(daemon, id)).State;
    const before = Date.now();
    expect(await daemon.stop()).toBe(0);
    expect(Date.now() - before).toBeLessThan(3000);
    expect(existsSync(daemon.socketPath)).toBe(false);
    expect(existsSync(`${daemon.dir}/d.pid`)).toBe(false);
    expect(isAlive(Pid)).toBe(true);
    await daemon.start();
    expect((await inspect(daemon, id)).State).toMatchObject({ Running: true, Pid });
  });

  test('SIGTERM while threads begin their work ends it with 0 too', async () => {
    const daemon = await daemonWith({ image: true });
    for (let round = 0; round < 20; round++) {
      const counting = daemon.api.send('GET', '/system/df').catch(() => undefined);
      await sleep(round * 4);
      expect(await daemon.stop()).toBe(0);
      await counting;
      await daemon.start();
    }
  });

  test('logs are JSON lines without secrets', async () => {
    const daemon = await daemonWith({ image: true });
    await run(daemon, 'true', { Env: ['PASSWORD=hunter2-secret'] });
    const lines = daemon.log().trim().split('\n');
    for (const line of lines) expect(() => JSON.parse(line), line).not.toThrow();
    expect(daemon.log()).not.toContain('hunter2-secret');
  });

  test('a stale pid file, even one that names a living stranger, harms nobody', async () => {
    const daemon = await daemonWith();
    await daemon.stop();
    writeFileSync(`${daemon.dir}/d.pid`, `${process.pid}\n`);
    daemon.spawn();
    await eventually('it starts', async () => (await daemon.api.send('GET', '/_ping')).status === 200).catch(() => {});
    expect(isAlive(process.pid)).toBe(true);
    if (!daemon.isRunning) rmSync(`${daemon.dir}/d.pid`);
  });
});

describe('on a host that is not as it should be', () => {
  test('a mount namespace that others made while a container ran does not keep it from going', async () => {
    const daemon = await daemonWith({ image: true });
    const id = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { Tmpfs: { '/t': '' } } });
    const other = spawn('unshare', ['-m', 'sleep', '1000'], { stdio: 'ignore' });
    try {
      await eventually('it has its own', () => readFileSync(`/proc/${other.pid}/comm`, 'utf8') === 'sleep\n');
      expect((await daemon.api.send('DELETE', `/containers/${id}?force=1`)).status).toBe(204);
      expect(await daemon.leftovers()).toEqual([]);
    } finally {
      other.kill('SIGKILL');
    }
  });

  test('the daemon’s own oom score is not the containers’', async () => {
    const wrapper = ['sh', '-c', 'echo 200 > /proc/self/oom_score_adj; exec "$@"', 'sh'];
    const daemon = await daemonWith({ image: true, wrapper });
    expect(readFileSync(`/proc/${daemon.pid}/oom_score_adj`, 'utf8')).toBe('200\n');
    const { stdout } = await run(daemon, ['probe', 'status']);
    expect(stdout).toContain('oom_score_adj=0\n');
  });

  test('another Node on the PATH does not matter; without the pinned one the commands say what is wrong', async () => {
    const dir = mkdtempSync('/tmp/tsdt-host-');
    try {
      await runCommand('sh', [
        '-c',
        `mkdir -p ${dir}/p/bin ${dir}/p/dist/cli ${dir}/path && cp ${projectRoot}bin/* ${dir}/p/bin/ && touch ${dir}/p/dist/tsdockerd.mjs ${dir}/p/dist/cli/main.cjs`,
      ]);
      writeFileSync(`${dir}/path/node`, '#!/bin/sh\necho 20\n', { mode: 0o755 });
      const env = { PATH: `${dir}/path:/usr/bin:/bin` };
      for (const name of ['tsdocker', 'tsdockerd']) {
        const result = await runCommand(`${dir}/p/bin/${name}`, ['version'], { env });
        expect(result.code).not.toBe(0);
        expect(result.stderr).toMatch(/needs Node 24 or later/);
        expect(result.stderr).toMatch(/version 20/);
      }
      const real = await runCommand(`${projectRoot}bin/tsdocker`, ['--help'], { env });
      expect(real.code).toBe(0);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('the sandbox of the data root: others cannot read what containers hold', async () => {
    const daemon = await daemonWith({ image: true });
    await runDetached(daemon, 'echo secret > /secret; chmod 666 /secret; sleep 1000');
    const found = await runCommand('setpriv', [
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      'find',
      daemon.dataRoot,
      '-name',
      'secret',
    ]);
    expect(found.stdout).toBe('');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(daemon.dir);
  });
});
