// Git repositories of a server on the loopback, by git's own protocol and by HTTP, checked out as contexts.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { GitSource } from '../../../daemon/build/graph/operation.ts';
import { SSH_COMMAND } from '../../../daemon/build/sources/git-program.ts';
import { Sources } from '../../../daemon/build/sources/sources.ts';
import type { DirectoryResult } from '../../../daemon/build/steps/step.ts';
import { ContextFixture } from './context-fixture.ts';
import { StepFixture } from './step-fixture.ts';

const fixture = new ContextFixture();
const served = join(fixture.path, 'served');
let daemon: ChildProcess;
let web: http.Server;
let [gitUrl, webUrl, otherUrl] = ['', '', ''];
const hosts = new Set<string | undefined>();
const asked: (string | undefined)[] = [];
const commits: Record<string, string> = {};
let step = new StepFixture();

function git(directory: string, ...args: string[]): string {
  const env = {
    ...process.env,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.com',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.com',
  };
  return execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], { cwd: directory, env, stdio: 'pipe' })
    .toString()
    .trim();
}

function repository(name: string): string {
  const path = join(served, name);
  mkdirSync(path, { recursive: true });
  git(path, 'init', '-q', '-b', 'main');
  return path;
}

function commit(path: string, files: Record<string, string>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  git(path, 'add', '-A');
  git(path, 'commit', '-q', '--allow-empty', '-m', 'c');
  return git(path, 'rev-parse', 'HEAD');
}

beforeAll(async () => {
  const part = repository('part.git');
  commit(part, { part: 'of a submodule' });
  const main = repository('b.git');
  commits.first = commit(main, { Dockerfile: 'FROM scratch', 'dir/a': 'first' });
  git(main, 'tag', '-a', 'v1', '-m', 'v1');
  git(main, 'checkout', '-q', '-b', 'side');
  commits.side = commit(main, { 'dir/a': 'side' });
  git(main, 'checkout', '-q', 'main');
  symlinkSync('/etc', join(main, 'host'));
  symlinkSync('dir', join(main, 'inner'));
  writeFileSync(join(main, 'run'), '#!/bin/sh\n', { mode: 0o755 });
  commits.main = commit(main, { 'dir/a': 'main', '.gitattributes': 'dir export-ignore\n' });
  git(main, 'checkout', '-q', '-b', 'with-part');
  git(main, 'submodule', '--quiet', 'add', '../part.git', 'deep/part');
  commits.part = commit(main, {});
  git(main, 'checkout', '-q', 'main');
  rmSync(join(main, 'deep'), { recursive: true, force: true });
  const evil = repository('evil.git');
  writeFileSync(join(evil, '.gitmodules'), `[submodule "x"]\n\tpath = x\n\turl = file://${part}\n`);
  git(evil, 'update-index', '--add', '--cacheinfo', `160000,${commits.first},x`);
  git(evil, 'add', '.gitmodules');
  git(evil, 'commit', '-q', '-m', 'c');

  const port = await freePort();
  gitUrl = `git://127.0.0.1:${port}`;
  const args = ['daemon', '--export-all', '--listen=127.0.0.1', `--port=${port}`, `--base-path=${served}`, served];
  daemon = spawn('git', args, { stdio: 'ignore', detached: true });
  web = http.createServer(serveHttp);
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  const { port: webPort } = web.address() as AddressInfo;
  webUrl = `http://127.0.0.1:${webPort}`;
  otherUrl = `http://localhost:${webPort}`;
  for (let i = 0; i < 100; i++) {
    try {
      git(served, 'ls-remote', `${gitUrl}/b.git`);
      break;
    } catch {
      await sleep(50);
    }
  }
});

afterAll(async () => {
  if (daemon.pid !== undefined) process.kill(-daemon.pid, 'SIGKILL');
  web.closeAllConnections();
  web.close();
  await fixture.close();
});

afterEach(() => {
  step = new StepFixture();
  asked.length = 0;
  hosts.clear();
  expect(fixture.left).toEqual([]);
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** git-http-backend(1), for who has the token; "/stalls" never answers, "/expired" knows no token, "/moved" is at another host. */
function serveHttp(request: http.IncomingMessage, response: http.ServerResponse): void {
  asked.push(request.headers.authorization);
  hosts.add(request.headers.host);
  const { pathname, search } = new URL(request.url ?? '/', 'http://x');
  if (pathname.startsWith('/stalls')) return;
  if (pathname.startsWith('/moved/')) {
    response.writeHead(302, { Location: `${otherUrl}${pathname.replace('/moved', '')}${search}` }).end();
    return;
  }
  if (pathname.startsWith('/expired/')) {
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end();
    return;
  }
  if (pathname.startsWith('/private/') && request.headers.authorization === undefined) {
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end();
    return;
  }
  const backend = spawn('git', ['http-backend'], {
    env: {
      ...process.env,
      GIT_PROJECT_ROOT: served,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      PATH_INFO: pathname.replace('/private', ''),
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  request.pipe(backend.stdin);
  const parts: Buffer[] = [];
  backend.stdout.on('data', (part: Buffer) => parts.push(part));
  backend.on('close', () => {
    const all = Buffer.concat(parts);
    const end = all.indexOf('\r\n\r\n');
    const headers = all.subarray(0, end).toString().split('\r\n');
    for (const line of headers) {
      const [name = '', value = ''] = line.split(': ');
      if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.end(all.subarray(end + 4));
  });
}

async function checkOut(url: string, more: Partial<GitSource> = {}): Promise<DirectoryResult> {
  using sources = new Sources(fixture.store);
  const source: GitSource = {
    type: 'git',
    url,
    ref: '',
    subdirectory: '',
    keepsGitDirectory: false,
    checksum: '',
    ...more,
  };
  const result = await sources.source(step.run(source));
  if (result.kind !== 'directory') throw new Error('no directory');
  return result;
}

const textOf = (directory: DirectoryResult, path: string): string => readFileSync(join(directory.path, path), 'utf8');

describe('a commit is checked out', () => {
  test('of HEAD, with the usual modes and without .git', async () => {
    const mask = process.umask(0o077);
    using directory = await checkOut(`${gitUrl}/b.git`).finally(() => process.umask(mask));
    expect(textOf(directory, 'dir/a')).toBe('main');
    expect(directory.identity).toContain(commits.main);
    expect(statSync(join(directory.path, 'run')).mode & 0o777).toBe(0o755);
    expect(statSync(join(directory.path, 'dir/a')).mode & 0o777).toBe(0o644);
    expect(statSync(join(directory.path, 'dir')).mode & 0o777).toBe(0o755);
    expect(readdirSync(directory.path).sort()).toEqual(['.gitattributes', 'Dockerfile', 'dir', 'host', 'inner', 'run']);
    expect(step.said).toContain(`${commits.main}\tHEAD`);
  });

  test.each([
    ['a branch', 'side', 'side'],
    ['a full ref', 'refs/heads/side', 'side'],
    ['an annotated tag', 'v1', 'first'],
    ['a tag in full', 'refs/tags/v1', 'first'],
  ])('of %s', async (_, ref, content) => {
    using directory = await checkOut(`${gitUrl}/b.git`, { ref });
    expect(textOf(directory, 'dir/a')).toBe(content);
    expect(directory.identity).toContain(commits[content]);
  });

  test('of a commit that is nobody’s head', async () => {
    const orphan = git(
      join(served, 'b.git'),
      'commit-tree',
      '-p',
      commits.first ?? '',
      '-m',
      'x',
      `${commits.side}^{tree}`,
    );
    const inner = commits.first ?? '';
    using directory = await checkOut(`${gitUrl}/b.git`, { ref: inner, checksum: inner.slice(0, 8) });
    expect(textOf(directory, 'dir/a')).toBe('first');
    await expect(checkOut(`${gitUrl}/b.git`, { ref: 'f'.repeat(40) })).rejects.toMatchObject({ code: 'invalid' });
    expect(orphan).toMatch(/^[0-9a-f]{40}$/);
  });

  test('with its .git when it is asked for, and nothing secret in it', async () => {
    const url = webUrl.replace('//', '//user:secret@');
    using directory = await checkOut(`${url}/b.git`, { keepsGitDirectory: true, ref: 'side' });
    expect(git(directory.path, '-c', 'safe.directory=*', 'rev-parse', 'HEAD')).toBe(commits.side);
    expect(git(directory.path, '-c', 'safe.directory=*', 'status', '--porcelain')).toBe('');
    expect(spawnSync('grep', ['-rl', 'secret', directory.path]).stdout.toString()).toBe('');
  });

  test('of a subdirectory, links followed inside the repository only', async () => {
    using directory = await checkOut(`${gitUrl}/b.git`, { subdirectory: 'inner/.' });
    expect(readdirSync(directory.path)).toEqual(['a']);
    using upwards = await checkOut(`${gitUrl}/b.git`, { subdirectory: '../../dir' });
    expect(readdirSync(upwards.path)).toEqual(['a']);
    for (const subdirectory of ['host', 'missing', 'Dockerfile', 'dir/../../../../etc'])
      await expect(checkOut(`${gitUrl}/b.git`, { subdirectory })).rejects.toMatchObject({ code: 'not-found' });
  });

  test('with its submodules, unless they are not wanted', async () => {
    using directory = await checkOut(`${gitUrl}/b.git`, { ref: 'with-part' });
    expect(textOf(directory, 'deep/part/part')).toBe('of a submodule');
    expect(existsSync(join(directory.path, 'deep/part/.git'))).toBe(false);
    using without = await checkOut(`${gitUrl}/b.git`, { ref: 'with-part', skipsSubmodules: true });
    expect(readdirSync(join(without.path, 'deep/part'))).toEqual([]);
    expect(without.identity).not.toBe(directory.identity);
  });

  test('by HTTP, with a token that only this host gets', async () => {
    await expect(checkOut(`${webUrl}/private/b.git`)).rejects.toMatchObject({ code: 'invalid' });
    step.secrets.set('GIT_AUTH_TOKEN', 'secret');
    using directory = await checkOut(`${webUrl}/private/b.git`);
    expect(textOf(directory, 'dir/a')).toBe('main');
    const basic = `basic ${Buffer.from('x-access-token:secret').toString('base64')}`;
    expect(asked).toContain(basic);
    step.secrets.clear();
    step.secrets.set(`GIT_AUTH_HEADER.${new URL(webUrl).host}`, 'bearer other');
    using again = await checkOut(`${webUrl}/private/b.git`);
    expect(asked).toContain('bearer other');
    expect(again.identity).toBe(directory.identity);
  });

  test('by HTTP, with user and password of its URL', async () => {
    using directory = await checkOut(`${webUrl.replace('//', '//us%40er:p%40s:s@')}/private/b.git`, {
      ref: 'with-part',
    });
    expect(textOf(directory, 'deep/part/part')).toBe('of a submodule');
    expect(asked).toContain(`basic ${Buffer.from('us@er:p@s:s').toString('base64')}`);
  });

  test('from where it has moved to', async () => {
    using directory = await checkOut(`${webUrl}/moved/b.git`);
    expect(textOf(directory, 'dir/a')).toBe('main');
    expect([...hosts]).toEqual([webUrl, otherUrl].map((url) => new URL(url).host));
  });
});

describe('credentials', () => {
  test('go to no other host', async () => {
    step.secrets.set('GIT_AUTH_TOKEN', 'secret');
    await expect(checkOut(`${webUrl}/moved/b.git`)).rejects.toThrow(/302/);
    step.secrets.clear();
    await expect(checkOut(`${webUrl.replace('//', '//user:secret@')}/moved/b.git`)).rejects.toThrow(/302/);
    expect([...hosts]).toEqual([new URL(webUrl).host]);
  });

  test.each(['hidden', 'hidden:hidden', 'user:@hidden', 'user:hid%64en'])(
    'that do not count any more are in no word of git’s: %s',
    async (userInfo) => {
      const url = `${webUrl.replace('//', `//${userInfo}@`)}/expired/b.git`;
      const error = await checkOut(url).catch(String);
      expect(error).toMatch(/xxxxx@/);
      expect(`${error}${step.said}`).not.toMatch(/hid(?:d|%64)en/);
    },
  );

  test('are in no argument of a process', async () => {
    const going = checkOut(`${webUrl.replace('//', '//user:hidden@')}/stalls/b.git`).catch(String);
    while (asked.length === 0) await sleep(20);
    const commands = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => spawnSync('cat', [`/proc/${pid}/cmdline`]).stdout.toString());
    step.cancel.abort(new Error('stopped'));
    expect(await going).toMatch(/stopped/);
    expect(commands.some((line) => line.includes(`${webUrl}/stalls/b.git`))).toBe(true);
    expect(commands.filter((line) => line.includes('user:hidden'))).toEqual([]);
  });

  test('of root are not ssh’s', () => {
    const said = execFileSync('/bin/sh', ['-c', `${SSH_COMMAND} -G git@host.example`], { stdio: 'pipe' })
      .toString()
      .toLowerCase();
    expect(said).toMatch(/^identityfile none$/m);
    expect(said.split('\n').filter((line) => /~\/|\/root|\/\.ssh/.test(line))).toEqual([]);
  });
});

describe('what is refused leaves nothing', () => {
  test('another checksum', async () => {
    await expect(checkOut(`${gitUrl}/b.git`, { checksum: 'deadbeef' })).rejects.toThrow(/expected checksum to match/);
  });

  test.each(['--upload-pack=id', '-o', 'a:b', '+main', 'main side'])('the ref %s', async (ref) => {
    await expect(checkOut(`${gitUrl}/b.git`, { ref })).rejects.toThrow(/cannot be one/);
  });

  test.each(['--upload-pack=id', 'file:///etc', 'ext::sh -c id', '/etc', 'https://host.example/x'])(
    'the URL %s',
    async (url) => {
      await expect(checkOut(url)).rejects.toThrow(/no URL/);
    },
  );

  test('a repository or a ref that is not there', async () => {
    await expect(checkOut(`${gitUrl}/none.git`)).rejects.toMatchObject({ code: 'invalid' });
    await expect(checkOut(`${gitUrl}/b.git`, { ref: 'none' })).rejects.toThrow(/couldn't find remote ref none/);
  });

  test('a submodule that is a directory of this host', async () => {
    await expect(checkOut(`${gitUrl}/evil.git`)).rejects.toThrow(/transport 'file' not allowed/);
  });

  test('a secret of several lines, which would be several headers', async () => {
    step.secrets.set('GIT_AUTH_HEADER', 'bearer a\nX-Other: b');
    await expect(checkOut(`${webUrl}/b.git`)).rejects.toThrow(/several lines/);
  });

  test('an abort ends git and its helpers', async () => {
    const going = checkOut(`${webUrl}/stalls/b.git`);
    setTimeout(() => step.cancel.abort(new Error('stopped')), 300);
    await expect(going).rejects.toThrow(/stopped/);
    for (let i = 0; i < 50 && web.listening; i++) {
      const count = await new Promise<number>((resolve) => web.getConnections((_, n) => resolve(n)));
      if (count === 0) return;
      await sleep(100);
    }
    throw new Error('a connection of git’s is still there');
  });
});
