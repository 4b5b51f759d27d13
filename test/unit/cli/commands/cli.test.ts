import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, frame, runCli, upgraded } from './fake-daemon.ts';

const id = 'a'.repeat(64);
let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = await new FakeDaemon().listen();
});
afterEach(() => daemon.close());

/** Answers create, wait and start; the stream says `out`, `err` and what came in. */
function runnable(status = 3) {
  daemon.json('POST /containers/create', 201, { Id: id, Warnings: ['careful'] });
  let finish = () => {};
  daemon.on(`POST /containers/${id}/wait`, (_, response) => {
    response.flushHeaders();
    finish = () => response.end(JSON.stringify({ StatusCode: status }));
  });
  daemon.on(`POST /containers/${id}/start`, (_, response) => void response.writeHead(204).end());
  daemon.onUpgrade((_, socket) => {
    let input = '';
    socket.write(upgraded);
    socket.on('data', (chunk) => {
      input += chunk;
    });
    socket.on('end', () => {
      setTimeout(() => {
        socket.end(Buffer.concat([frame(1, `out ${input}`), frame(2, 'err')]));
        finish();
      }, 50);
    });
  });
}

describe('run', () => {
  it('attaches and waits before it starts, splits the streams, half-closes stdin, ends with the status', async () => {
    runnable();
    const result = await runCli(daemon, ['run', '-i', '--rm', '--name', 'x', 'image', 'cat'], { stdin: 'typed' });
    expect(result).toEqual({ status: 3, stdout: 'out typed', stderr: 'WARNING: careful\nerr' });
    const order = daemon.requests();
    expect(order[0]).toBe('POST /containers/create');
    expect(order.at(-1)).toBe(`POST /containers/${id}/start`);
    expect(order.slice(1, 3).sort()).toEqual([`POST /containers/${id}/attach`, `POST /containers/${id}/wait`]);
    expect(daemon.seen.find(({ path }) => path.endsWith('/wait'))?.query.get('condition')).toBe('removed');
    const body = JSON.parse(daemon.seen[0]?.body ?? '') as Record<string, unknown>;
    expect(body).toMatchObject({
      Image: 'image',
      Cmd: ['cat'],
      OpenStdin: true,
      StdinOnce: true,
      HostConfig: { AutoRemove: true },
    });
  });

  it('prints the id with -d and writes it to the cidfile', async () => {
    runnable();
    const cidfile = join(daemon.directory, 'cid');
    const result = await runCli(daemon, ['run', '-d', '--cidfile', cidfile, 'image']);
    expect(result.stdout).toBe(`${id}\n`);
    expect(readFileSync(cidfile, 'utf8')).toBe(id);
    const again = await runCli(daemon, ['run', '-d', '--cidfile', cidfile, 'image']);
    expect(again.status).toBe(125);
    expect(again.stderr).toContain('container ID file found');
  });

  it.each([
    ['exec: "x": executable file not found in $PATH', 127],
    ['exec: "/etc": permission denied', 126],
    ['no space', 125],
  ])('ends a failed start (%s) with %d', async (message, status) => {
    runnable();
    daemon.json(`POST /containers/${id}/start`, 400, { message });
    const result = await runCli(daemon, ['run', 'image']);
    expect(result.status).toBe(status);
    expect(result.stderr).toContain(`tsdocker: Error response from daemon: ${message}\n\nRun 'tsdocker run --help'`);
  });

  it('ends with 125 when the daemon is lost', async () => {
    runnable();
    daemon.on(`POST /containers/${id}/wait`, (_, response) => {
      response.flushHeaders();
      setTimeout(() => response.destroy(), 200);
    });
    const result = await runCli(daemon, ['run', 'image']);
    expect(result.status).toBe(125);
    expect(result.stderr).toContain('error waiting for container: ');
  });

  it('refuses a check of signatures that nobody would make', async () => {
    for (const command of ['run', 'create']) {
      const result = await runCli(daemon, [command, '--disable-content-trust=false', 'image']);
      expect(result.status).toBe(125);
      expect(result.stderr).toContain('signatures are not there');
    }
  });

  it('pulls a missing image once and says what the daemon says', async () => {
    daemon.json('POST /containers/create', 404, { message: 'No such image: image:latest' });
    daemon.json('POST /images/create', 501, { message: 'pull: not there yet' });
    const result = await runCli(daemon, ['run', 'image']);
    expect(result.status).toBe(125);
    expect(result.stderr).toContain(
      "Unable to find image 'image:latest' locally\ntsdocker: Error response from daemon: pull: not there yet",
    );
    const never = await runCli(daemon, ['run', '--pull', 'never', 'image']);
    expect(never.stderr).not.toContain('Unable to find');
  });
});

describe('other commands', () => {
  it('exec sends its body with the upgrade and ends with the status of the command', async () => {
    daemon.json('POST /containers/web/exec', 201, { Id: 'e1' }).json('GET /exec/e1/json', 200, { ExitCode: 5 });
    daemon.onUpgrade((_, socket) => {
      socket.write(upgraded);
      socket.resume();
      setTimeout(() => socket.end(frame(1, 'hi\n')), 20);
    });
    const result = await runCli(daemon, ['exec', '-e', 'A=1', '-u', '1', 'web', 'ls', '-l']);
    expect(result).toEqual({ status: 5, stdout: 'hi\n', stderr: '' });
    expect(JSON.parse(daemon.seen[0]?.body ?? '')).toMatchObject({
      Cmd: ['ls', '-l'],
      Env: ['A=1'],
      User: '1',
      AttachStdin: false,
    });
  });

  it('version: a field that nobody has is an error, one that may be left out is empty', async () => {
    daemon.json('GET /version', 200, { Version: '1', ApiVersion: '1.51' });
    const asked = (field: string) => runCli(daemon, ['version', '-f', `<{{.Server.${field}}}>`]);
    expect(await asked('APIVersion')).toMatchObject({ status: 0, stdout: '<1.51>\n' });
    expect(await asked('BuildTime')).toMatchObject({ status: 0, stdout: '<>\n' });
    const wrong = await asked('Foo');
    expect(wrong).toMatchObject({ status: 1, stdout: '' });
    expect(wrong.stderr).toContain("can't evaluate field Foo in type");
  });

  it('speaks the version of an older daemon', async () => {
    daemon.on('GET /containers/json', ({ version }, response) => {
      response.setHeader('Api-Version', '1.41').setHeader('Content-Type', 'application/json');
      if (version === '1.41') response.end('[]');
      else
        response
          .writeHead(400)
          .end('{"message":"client version 1.51 is too new. Maximum supported API version is 1.41"}');
    });
    const result = await runCli(daemon, ['ps']);
    expect(result.status).toBe(0);
    expect(daemon.seen.map(({ version }) => version)).toEqual(['1.51', '1.41']);
  });

  it('goes on after a failure, prints names in order and reports at the end', async () => {
    daemon.on('POST /containers/*/stop', ({ path }, response) => {
      if (path.includes('/bad/'))
        response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"message":"No such container: bad"}');
      else setTimeout(() => response.writeHead(204).end(), path.includes('/one/') ? 100 : 0);
    });
    const result = await runCli(daemon, ['stop', '-t', '0', 'one', 'bad', 'two']);
    expect(result).toEqual({
      status: 1,
      stdout: 'one\ntwo\n',
      stderr: 'Error response from daemon: No such container: bad\n',
    });
    expect(daemon.seen[0]?.query.get('t')).toBe('0');
  });

  it('keeps names from becoming paths', async () => {
    await runCli(daemon, ['start', '../../images/json?x#']);
    expect(daemon.requests()).toEqual(['POST /containers/..%2F..%2Fimages%2Fjson%3Fx%23/start']);
  });

  it('tells logs that are a terminal from those that are two streams', async () => {
    daemon.on('GET /containers/*/logs', ({ path }, response) => {
      const isTty = path.includes('/tty/');
      response.setHeader('Content-Type', `application/vnd.docker.${isTty ? 'raw' : 'multiplexed'}-stream`);
      response.end(isTty ? 'raw\n' : Buffer.concat([frame(1, 'o\n'), frame(2, 'e\n')]));
    });
    expect(await runCli(daemon, ['logs', 'tty'])).toMatchObject({ stdout: 'raw\n', stderr: '' });
    expect(await runCli(daemon, ['logs', '-n', '5', 'web'])).toMatchObject({ stdout: 'o\n', stderr: 'e\n' });
    expect(daemon.seen[1]?.query.get('tail')).toBe('5');
  });

  it('keeps the nanoseconds of events', async () => {
    const event =
      '{"Type":"container","Action":"start","Actor":{"ID":"x","Attributes":{"b":"2","a":"1"}},"time":1,"timeNano":1795205573222071778}';
    daemon.on('GET /events', (_, response) => void response.end(`${event}\n`));
    expect((await runCli(daemon, ['events', '--format', 'json'])).stdout).toBe(`${event}\n`);
    expect((await runCli(daemon, ['events'])).stdout).toMatch(/12:53\.222071778\S* container start x \(a=1, b=2\)\n$/);
  });

  it('uploads an import in chunks and reports the error inside the answer', async () => {
    daemon.json('GET /_ping', 200, null);
    daemon.on('POST /images/create', ({ body }, response) => {
      response.end(
        `{"status":"read ${body.length}"}\r\n{"errorDetail":{"message":"broken tar"},"error":"broken tar"}\r\n`,
      );
    });
    const result = await runCli(daemon, ['import', '-', 'x:1'], { stdin: 'x'.repeat(200_000) });
    expect(result).toEqual({ status: 1, stdout: 'read 200000\n', stderr: 'broken tar\n' });
  });

  it.each([
    [['nonsense'], 1, 'tsdocker: unknown command: tsdocker nonsense'],
    [['container', 'nonsense'], 1, 'tsdocker: unknown command: tsdocker container nonsense'],
    [['run'], 1, "'tsdocker run' requires at least 1 argument"],
    [['ps', '--nope'], 125, 'unknown flag: --nope\n\nUsage:  tsdocker ps [OPTIONS]'],
    [['constructor'], 1, 'unknown command: tsdocker constructor'],
    [['run', '-it', 'image'], 1, 'the input device is not a TTY'],
  ])('refuses %j', async (args, status, message) => {
    const result = await runCli(daemon, args);
    expect(result.status).toBe(status);
    expect(result.stderr).toContain(message);
    expect(daemon.seen).toEqual([]);
  });

  it('says when no daemon listens', async () => {
    const result = await runCli(daemon, ['-H', 'unix:///nonexistent/x.sock', 'ps']);
    expect(result.stderr).toContain('Specify only one -H');
    daemon.close();
    const gone = await runCli(daemon, ['run', 'image']);
    expect(gone.status).toBe(125);
    expect(gone.stderr).toContain(`Cannot connect to the tsdocker daemon at unix://${daemon.socketPath}`);
  });
});
