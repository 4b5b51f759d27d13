// What a build is given beside its Dockerfile: secrets and agents over a session, directories that came before, files of remote places. By our own command
// line, on a daemon of its own.
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inNetworkNamespace } from '../../../native-bindings/namespaces.ts';
import { cli } from '../../harness/clis.ts';
import { tarOf } from '../../harness/tars.ts';
import { useDaemon } from '../../harness/use-daemon.ts';

const fixture = useDaemon();
let directory = '';

beforeAll(() => {
  directory = join(fixture.daemon.dir, 'context');
  mkdirSync(directory);
});

function build(dockerfile: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  writeFileSync(join(directory, 'Dockerfile'), dockerfile);
  return cli(fixture.daemon, 'tsdocker', ['build', '--progress=plain', ...args, directory], { env });
}

describe('a session', () => {
  test('gives secrets, which stay out of the image and of what is said', async () => {
    writeFileSync(join(directory, 'token'), 'of-a-file');
    const dockerfile = `FROM busybox
RUN --mount=type=secret,id=a cat /run/secrets/a | wc -c > /count && ! grep -q a /run/secrets/none
RUN --mount=type=secret,id=b,env=B test $(printf "$B" | wc -c) = 13 && echo "$B"
RUN test ! -e /run/secrets/a
`;
    const secrets = ['--secret', `id=a,src=${join(directory, 'token')}`, '--secret', 'id=b,env=SECRET'];
    const made = await build(dockerfile, ['-t', 'secrets', '--no-cache', ...secrets], { SECRET: 'of-a-variable' });
    expect(made, made.stderr).toMatchObject({ code: 0 });
    // What a step says itself is its own.
    expect((made.stderr + made.stdout).match(/of-a-file|of-a-variable/g)).toEqual(['of-a-variable']);
    const shown = await cli(fixture.daemon, 'tsdocker', ['run', '--rm', 'secrets', 'cat', '/count']);
    expect(shown.stdout.trim()).toBe('9');
  });

  test('a secret that is required and not there ends the build', async () => {
    const made = await build('FROM busybox\nRUN --mount=type=secret,id=none,required true\n', ['--no-cache']);
    expect(made.code).not.toBe(0);
    expect(made.stderr).toContain('none');
  });

  test('gives an agent', async () => {
    const socket = join(fixture.daemon.dir, 'agent');
    let connections = 0;
    const agent = net.createServer((connection) => {
      connections++;
      connection.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => agent.listen(socket, resolve));
    try {
      const dockerfile = 'FROM busybox\nRUN --mount=type=ssh test -S "$SSH_AUTH_SOCK"\n';
      const made = await build(dockerfile, ['--ssh', `default=${socket}`, '--no-cache']);
      expect(made, made.stderr).toMatchObject({ code: 0 });
      expect(connections).toBeGreaterThan(0);
      const without = await build(`${dockerfile.trim()} || exit 3\n`, ['--no-cache']);
      expect(without.code).not.toBe(0);
    } finally {
      agent.close();
    }
  });

  test('without an upgrade it is refused', async () => {
    const answer = await fixture.daemon.api.send('POST', '/session', {});
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('h2c');
  });
});

describe('a directory', () => {
  test('is what it was when it was sent, though it is the same one', async () => {
    const dockerfile = 'FROM busybox\nCOPY . /c\nRUN cat /c/*.txt\n';
    for (const [name, content] of [
      ['a', 'one'],
      ['b', 'two'],
      ['a', 'three'],
    ]) {
      writeFileSync(join(directory, `${name}.txt`), `${content}\n`);
      const made = await build(dockerfile);
      expect(made, made.stderr).toMatchObject({ code: 0 });
      expect(made.stderr + made.stdout).toContain(content);
    }
  });

  test('of a client that has not applied .dockerignore', async () => {
    const raw = tarOf([
      { name: 'Dockerfile', data: 'FROM busybox\nCOPY . /c\nRUN cd /c && echo files: $(find . -type f | sort)\n' },
      { name: '.dockerignore', data: 'Dockerfile\n.dockerignore\nd\n!d/keep\n' },
      { name: 'd/', type: 'directory' },
      { name: 'd/drop', data: '' },
      { name: 'd/keep', data: '' },
      { name: 'e', data: '' },
    ]);
    const headers = { 'Content-Type': 'application/x-tar' };
    const { text: said } = await fixture.daemon.api.send('POST', '/build', { raw, headers, timeoutMs: 60_000 });
    expect(said).toContain('files: ./d/keep ./e\\n');
  });
});

describe('remote places', () => {
  let server: http.Server;
  let base = '';
  beforeAll(() => {
    const files: Record<string, string | Buffer> = {
      '/context.tar': tarOf([
        { name: 'Dockerfile', data: 'FROM busybox\nCOPY a /a\nRUN cat /a\n' },
        { name: 'a', data: 'of a tar\n' },
      ]),
      '/Dockerfile': 'FROM busybox\nRUN echo of a text\n',
      '/file': 'of a file\n',
    };
    server = http.createServer((request, response) => {
      const file = files[request.url ?? ''];
      response.writeHead(file === undefined ? 404 : 200).end(file);
    });
    // On the daemon's own loopback.
    const fd = openSync(fixture.daemon.network.path, 'r');
    inNetworkNamespace(fd, () => server.listen(0));
    closeSync(fd);
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test.each([
    ['context.tar', 'of a tar'],
    ['Dockerfile', 'of a text'],
  ])('%s', async (name, said) => {
    const made = await cli(fixture.daemon, 'tsdocker', ['build', '--progress=plain', `${base}/${name}`]);
    expect(made.stderr + made.stdout).toContain(said);
    expect(made.code).toBe(0);
  });

  test('a file by ADD', async () => {
    const made = await build(`FROM busybox\nADD ${base}/file /x/\nRUN cat /x/file && stat -c %a /x/file\n`, [
      '--no-cache',
    ]);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    expect(made.stderr + made.stdout).toMatch(/of a file[\s\S]*600/);
  });

  test('one that is not there', async () => {
    const made = await build(`FROM busybox\nADD ${base}/none /x\n`);
    expect(made.code).not.toBe(0);
    expect(made.stderr).toContain('404');
  });
});
