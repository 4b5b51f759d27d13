// attach and exec over a hijacked connection; stdin, half-close, terminals.
import { describe, expect, test } from 'vitest';
import { create, exec, inspect, run, runDetached, start, wait } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { hijack } from '../harness/raw-stream.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const interactive = { OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true };

async function attach(ref: string, query: string, options: Parameters<typeof hijack>[2] = {}) {
  return await hijack(fixture.daemon.socketPath, `/containers/${ref}/attach?${query}`, options);
}

const all = 'stream=1&stdin=1&stdout=1&stderr=1';

describe('attach', () => {
  test('before the start, delivers from the first byte; a half-close ends stdin', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'cat; echo end >&2', interactive);
    const { status, head, stream } = await attach(id, all);
    expect(status).toBe(101);
    expect(head).toMatch(/Upgrade: tcp/i);
    expect(head).toMatch(/Content-Type: application\/vnd\.docker\.(raw|multiplexed)-stream/i);
    await start(daemon, id);
    stream.write('one\n');
    await stream.until('the echo', (s) => s.of(1) === 'one\n');
    stream.write('two\n');
    stream.halfClose();
    await stream.ended();
    expect(stream.of(1)).toBe('one\ntwo\n');
    expect(stream.of(2)).toBe('end\n');
    expect(await wait(daemon, id)).toBe(0);
  });

  test('bytes that come with the request belong to stdin, a JSON body of the client does not', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'cat', interactive);
    await start(daemon, id);
    const { stream } = await attach(id, all, { body: { stream: true, stdin: true }, after: 'early\n' });
    stream.halfClose();
    await stream.ended();
    expect(stream.of(1)).toBe('early\n');
  });

  test('without Upgrade headers the answer is 200 and the connection is raw all the same', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'cat', interactive);
    await start(daemon, id);
    const { status, stream } = await attach(id, all, { upgrade: false });
    expect(status).toBe(200);
    stream.write('hello\n');
    stream.halfClose();
    await stream.ended();
    expect(stream.bytes.toString()).toContain('hello\n');
  });

  test('several clients get the same output; one that never reads blocks nobody', async () => {
    const { daemon } = fixture;
    const id = await create(
      daemon,
      'i=0; while [ $i -lt 200 ]; do head -c 20000 /dev/zero | tr "\\0" x; echo; i=$((i+1)); done',
    );
    const stuck = await attach(id, 'stream=1&stdout=1');
    stuck.stream.socket.pause();
    const reading = await attach(id, 'stream=1&stdout=1');
    await start(daemon, id);
    await reading.stream.ended(20_000);
    expect(reading.stream.of(1).length).toBe(200 * 20001);
    expect(await wait(daemon, id)).toBe(0);
    stuck.stream.close();
  });

  test('logs=1 first gives what was written before', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, 'echo before; sleep 0.4; echo after');
    await sleep(200);
    const { stream } = await attach(id, 'logs=1&stream=1&stdout=1&stderr=1');
    await stream.ended();
    expect(stream.of(1)).toBe('before\nafter\n');
  });

  test('one stream only, when asked', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'echo out; echo err >&2');
    const { stream } = await attach(id, 'stream=1&stderr=1');
    await start(daemon, id);
    await stream.ended();
    expect([stream.of(1), stream.of(2)]).toEqual(['', 'err\n']);
  });

  test('megabytes through stdin arrive whole, at the pace of the container', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'sleep 0.2; wc -c', interactive);
    const { stream } = await attach(id, all);
    await start(daemon, id);
    for (let n = 0; n < 32; n++) stream.write(Buffer.alloc(1 << 18, 97));
    stream.halfClose();
    await stream.ended(20_000);
    expect(stream.of(1).trim()).toBe(String(32 << 18));
  });

  test('without OpenStdin stdin is empty, not a hanging pipe', async () => {
    expect((await run(fixture.daemon, 'wc -c; readlink /proc/self/fd/0')).stdout).toMatch(/^0\n/);
  });
});

describe('terminals', () => {
  test('has a controlling terminal, a size, echo and ^C', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'stty size; tty; trap "echo caught" INT; cat; echo bye', {
      ...interactive,
      Tty: true,
      HostConfig: { ConsoleSize: [31, 97] },
    });
    const { head, stream } = await attach(id, all);
    expect(head).toContain('application/vnd.docker.raw-stream');
    await start(daemon, id);
    await stream.until('the size', (s) => s.text.includes('31 97'));
    await stream.until('the name', (s) => s.text.includes('/dev/'));
    stream.write('typed\n');
    await stream.until('echo and output', (s) => s.text.split('typed').length === 3);
    stream.write('\x03');
    await stream.until('the handler', (s) => s.text.includes('caught'));
    stream.write('\x04');
    await stream.ended();
    expect(stream.text).toContain('\r\n');
  });

  test('resize reaches the process as SIGWINCH', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done', {
      ...interactive,
      Tty: true,
    });
    const { stream } = await attach(id, all);
    await start(daemon, id);
    await stream.until('ready', (s) => s.text.includes('ready'));
    expect((await daemon.api.send('POST', `/containers/${id}/resize?h=41&w=143`)).status).toBe(200);
    await stream.until('the new size', (s) => s.text.includes('41 143'));
    expect((await daemon.api.send('POST', `/containers/${id}/resize?h=x&w=1`)).status).toBe(400);
    await daemon.api.post(`/containers/${id}/kill`);
    await stream.ended();
    expect((await daemon.api.send('POST', `/containers/${id}/resize?h=1&w=1`)).status).toBe(409);
  });

  test('detach keys leave the container running, and are not passed on', async () => {
    const { daemon } = fixture;
    const id = await create(daemon, 'cat', { ...interactive, StdinOnce: false, Tty: true });
    const first = await attach(id, all);
    await start(daemon, id);
    first.stream.write('a\n');
    await first.stream.until('the echo', (s) => s.text.split('a').length === 3);
    first.stream.write('\x10\x11');
    await first.stream.ended();
    expect((await inspect(daemon, id)).State.Running).toBe(true);
    const second = await attach(id, `${all}&detachKeys=ctrl-a,x`);
    second.stream.write('\x10b\n');
    await second.stream.until('ctrl-p is passed on now', (s) => s.text.includes('b'));
    second.stream.write('\x01x');
    await second.stream.ended();
    expect((await inspect(daemon, id)).State.Running).toBe(true);
  });

  test('the console is the terminal, a device of the container’s own devpts', async () => {
    const { stdout } = await run(
      fixture.daemon,
      'stat -c %t /dev/console; readlink /proc/self/fd/0; stat -c %u:%g:%a /dev/console',
      { Tty: true },
    );
    expect(stdout).toMatch(/^88\r\n/);
    expect(stdout).toMatch(/\/dev\/(console|pts\/0)/);
  });
});

describe('exec', () => {
  test('output, both streams, status, environment, directory', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000'], { Env: ['A=container'] });
    expect(await exec(daemon, id, 'echo out; echo err >&2; exit 9')).toEqual({
      code: 9,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect((await exec(daemon, id, 'echo $A $B; pwd', { Env: ['B=exec'], WorkingDir: '/tmp' })).stdout).toBe(
      'container exec\n/tmp\n',
    );
    expect((await exec(daemon, id, 'cat /proc/1/comm')).stdout).toBe('sleep\n');
  });

  test('stdin through, half-closed', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000']);
    const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, {
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Cmd: ['sh', '-c', 'cat; exit 3'],
    });
    const { status, stream } = await hijack(daemon.socketPath, `/exec/${Id}/start`, {
      body: { Detach: false, Tty: false },
      after: 'early ',
    });
    expect(status).toBe(101);
    stream.write('late\n');
    stream.halfClose();
    await stream.ended();
    expect(stream.of(1)).toBe('early late\n');
    expect(await daemon.api.get<{ ExitCode: number; Running: boolean }>(`/exec/${Id}/json`)).toMatchObject({
      ExitCode: 3,
      Running: false,
    });
  });

  test('with a terminal, and resized', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000']);
    const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, {
      AttachStdin: true,
      AttachStdout: true,
      Tty: true,
      Cmd: ['sh', '-c', 'tty; read a; stty size; test -t 0 && echo terminal'],
    });
    const { stream } = await hijack(daemon.socketPath, `/exec/${Id}/start`, { body: { Detach: false, Tty: true } });
    await stream.until('started', (s) => s.text.includes('/dev/pts/'));
    expect((await daemon.api.send('POST', `/exec/${Id}/resize?h=33&w=99`)).status).toBe(200);
    stream.write('go\n');
    await stream.ended();
    expect(stream.text).toContain('33 99');
    expect(stream.text).toContain('terminal');
  });

  test('a missing command is told on the output and by 127', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000']);
    const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, {
      AttachStdout: true,
      AttachStderr: true,
      Cmd: ['nosuch'],
    });
    const { stream } = await hijack(daemon.socketPath, `/exec/${Id}/start`, { body: { Detach: false } });
    await stream.ended();
    expect(stream.bytes.toString()).toMatch(/executable file not found in \$PATH/);
    expect((await daemon.api.get<{ ExitCode: number }>(`/exec/${Id}/json`)).ExitCode).toBe(127);
    expect((await inspect(daemon, id)).State.Running).toBe(true);
  });

  test('detached, and what is refused', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000']);
    const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, {
      Cmd: ['sh', '-c', 'echo > /made'],
    });
    expect((await daemon.api.send('POST', `/exec/${Id}/start`, { body: { Detach: true } })).status).toBe(200);
    await eventually('it ran', async () => (await exec(daemon, id, 'ls /made')).code === 0);
    expect((await daemon.api.send('POST', `/exec/${Id}/start`, { body: { Detach: true } })).status).toBe(409);
    expect((await daemon.api.send('POST', `/containers/${id}/exec`, { body: { Cmd: [] } })).status).toBe(400);
    expect((await daemon.api.send('POST', `/exec/${'0'.repeat(64)}/start`, { body: {} })).status).toBe(404);
    const idle = await create(daemon, 'true');
    expect((await daemon.api.send('POST', `/containers/${idle}/exec`, { body: { Cmd: ['true'] } })).status).toBe(409);
  });

  test('ends with the container, 137', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000']);
    const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${id}/exec`, {
      AttachStdout: true,
      Cmd: ['sleep', '1000'],
    });
    const { stream } = await hijack(daemon.socketPath, `/exec/${Id}/start`, { body: { Detach: false } });
    await daemon.api.post(`/containers/${id}/kill`);
    await stream.ended();
    expect((await daemon.api.get<{ ExitCode: number }>(`/exec/${Id}/json`)).ExitCode).toBe(137);
  });

  test('is reported as ended though its background child holds the output', async () => {
    const { daemon } = fixture;
    const id = await runDetached(daemon, ['sleep', '1000']);
    const before = Date.now();
    expect(await exec(daemon, id, 'sleep 30 & echo started')).toMatchObject({ code: 0, stdout: 'started\n' });
    expect(Date.now() - before).toBeLessThan(5000);
  });
});
