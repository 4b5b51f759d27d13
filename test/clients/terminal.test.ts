// Both command lines on a real pseudo-terminal: what a person at a keyboard sees, and the state the terminal is left in.
import { describe, expect, test } from 'vitest';
import { type CliName, cli, cliEnv, cliNames, cliPath } from '../harness/clis.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { Pty } from '../harness/pty.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

describe.each(cliNames)('%s on a terminal', (name: CliName) => {
  const open = (args: string[], size: { rows?: number; cols?: number } = {}) =>
    new Pty([cliPath(name), ...args], { ...size, env: cliEnv(fixture.daemon) });
  const call = (...args: string[]) => cli(fixture.daemon, name, args);
  const clean = { canon: true, echo: true, isig: true };

  test('run -it: prompt, size, resize, ^C, exit status, the terminal restored', async () => {
    const pty = open(['run', '-it', '--rm', 'busybox', 'sh'], { rows: 33, cols: 101 });
    await pty.shows('/ # ');
    pty.type('stty size\r');
    await pty.shows('33 101');
    pty.resize(44, 123);
    await eventually('the new size arrives', async () => {
      pty.type('stty size\r');
      await pty.shows('44 123', 300);
      return true;
    });
    pty.type('sleep 100\r');
    await pty.shows('sleep 100');
    await sleep(300);
    pty.type('\x03');
    // The terminal drops what was typed before the interrupt is handled.
    await pty.shows('^C');
    await sleep(200);
    pty.type('echo after-$?\r');
    await pty.shows('after-130');
    pty.type('exit 17\r');
    expect(await pty.ended()).toEqual({ code: 17, ...clean });
    expect((await call('ps', '-aq')).stdout).toBe('');
  });

  test('detach keys leave it running; attach takes it up again', async () => {
    const pty = open(['run', '-it', '--name', 'kept', 'busybox', 'sh']);
    await pty.shows('/ # ');
    pty.type('\x10\x11');
    expect(await pty.ended()).toMatchObject(clean);
    expect((await call('inspect', '-f', '{{.State.Running}}', 'kept')).stdout).toBe('true\n');
    const again = open(['attach', '--detach-keys', 'ctrl-x,x', 'kept']);
    again.type('echo it-is-$((40+2))\r');
    await again.shows('it-is-42');
    again.type('\x18x');
    expect(await again.ended()).toMatchObject(clean);
    const last = open(['attach', 'kept']);
    last.type('\rexit 3\r');
    expect((await last.ended()).code).toBe(3);
    await call('rm', '-f', 'kept');
  });

  test('exec -it', async () => {
    await call('run', '-d', '--name', 'e', 'busybox', 'sleep', '1000');
    const pty = open(['exec', '-it', 'e', 'sh'], { rows: 20, cols: 70 });
    await pty.shows('/ # ');
    pty.type('stty size; tty; exit 9\r');
    await pty.shows('20 70');
    expect(await pty.ended()).toEqual({ code: 9, ...clean });
    await call('rm', '-f', 'e');
  });

  test('the terminal is restored when the container cannot start, is killed, or the daemon dies', async () => {
    const failed = open(['run', '-it', '--rm', 'busybox', '/nosuch']);
    expect(await failed.ended()).toEqual({ code: 127, ...clean });
    const killed = open(['run', '-it', '--rm', '--name', 'victim', 'busybox', 'sh']);
    await killed.shows('/ # ');
    await call('kill', 'victim');
    expect(await killed.ended()).toEqual({ code: 137, ...clean });
    const orphan = open(['run', '-it', '--name', 'orphan', 'busybox', 'sh']);
    await orphan.shows('/ # ');
    await fixture.daemon.crash();
    expect(await orphan.ended()).toMatchObject(clean);
    await fixture.daemon.start();
    expect((await call('inspect', '-f', '{{.State.Running}}', 'orphan')).stdout).toBe('true\n');
    await call('rm', '-f', 'orphan');
  });

  test('-t without a terminal on stdin is refused in words', async () => {
    const result = await cli(fixture.daemon, name, ['run', '--rm', '-it', 'busybox', 'true'], { input: '' });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('the input device is not a TTY');
  });
});
