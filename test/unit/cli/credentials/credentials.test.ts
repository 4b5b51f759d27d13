import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, runCli } from '../commands/fake-daemon.ts';

let daemon: FakeDaemon;
let dir = '';
beforeEach(async () => {
  daemon = await new FakeDaemon().listen();
  dir = mkdtempSync(join(tmpdir(), 'tsdocker-credentials-'));
});
afterEach(() => {
  daemon.close();
  rmSync(dir, { recursive: true, force: true });
});

const file = () => join(dir, 'config.json');
const config = () => JSON.parse(readFileSync(file(), 'utf8')) as Record<string, unknown>;
const tsdocker = (args: string[], options: { stdin?: string; env?: Record<string, string> } = {}) =>
  runCli(daemon, args, { ...options, env: { DOCKER_CONFIG: dir, ...options.env } });
const base64 = (text: string) => Buffer.from(text).toString('base64');
const sentAuth = () =>
  JSON.parse(Buffer.from(daemon.seen.at(-1)?.headers['x-registry-auth'] ?? '', 'base64url').toString()) as object;

describe('login', () => {
  it('keeps NAME:PASSWORD in a file of mode 0600, every other key as it was, and warns once', async () => {
    writeFileSync(file(), JSON.stringify({ psFormat: 'x', auths: { 'old:1': { auth: 'b2xkOm9sZA==' } }, other: [1] }), {
      mode: 0o644,
    });
    daemon.json('POST /auth', 200, { Status: 'Login Succeeded', IdentityToken: '' });
    const result = await tsdocker(['login', '-u', 'joe', '--password-stdin', 'r:5'], { stdin: 'se:cret\n' });
    expect(result).toMatchObject({ status: 0, stdout: 'Login Succeeded\n' });
    expect(result.stderr).toContain('stored unencrypted in');
    expect(config()).toEqual({
      psFormat: 'x',
      auths: { 'old:1': { auth: 'b2xkOm9sZA==' }, 'r:5': { auth: base64('joe:se:cret') } },
      other: [1],
    });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual(['config.json']);
    const again = await tsdocker(['login', '-u', 'joe', '--password-stdin', 'r:5'], { stdin: 'se:cret' });
    expect(again).toEqual({ status: 0, stdout: 'Login Succeeded\n', stderr: '' });
  });

  it('keeps an identity token instead of the password', async () => {
    daemon.json('POST /auth', 200, { Status: 'Login Succeeded', IdentityToken: 'tok' });
    await tsdocker(['login', '-u', 'joe', '-p', 'secret', 'https://r:5/v2/']);
    expect(config()).toEqual({ auths: { 'r:5': { auth: base64('joe:'), identitytoken: 'tok' } } });
    expect(JSON.parse(daemon.seen[0]?.body ?? '')).toEqual({
      username: 'joe',
      password: 'secret',
      serveraddress: 'r:5',
    });
    await tsdocker(['pull', 'r:5/x']);
    expect(sentAuth()).toEqual({ username: 'joe', identitytoken: 'tok', serveraddress: 'r:5' });
  });

  it('writes nothing when the registry refuses, and never overwrites a file that it cannot read', async () => {
    daemon.json('POST /auth', 401, { message: 'nope' });
    const refused = await tsdocker(['login', '-u', 'joe', '-p', 'bad', 'r']);
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toContain('Error response from daemon: nope');
    expect(readdirSync(dir)).toEqual([]);
    daemon.json('POST /auth', 200, { Status: 'Login Succeeded' });
    writeFileSync(file(), '{"auths": ');
    expect(await tsdocker(['login', '-u', 'joe', '-p', 'x', 'r'])).toMatchObject({ status: 1 });
    expect(readFileSync(file(), 'utf8')).toBe('{"auths": ');
  });

  it('writes through a symlink, and logout takes away what any spelling kept', async () => {
    mkdirSync(join(dir, 'real'));
    symlinkSync('real/config.json', file());
    const auth = { auth: base64('a:b') };
    writeFileSync(
      join(dir, 'real/config.json'),
      JSON.stringify({ auths: { 'r:5': auth, 'https://r:5': auth, s: auth } }),
    );
    expect(await tsdocker(['logout', 'r:5'])).toMatchObject({
      status: 0,
      stdout: 'Removing login credentials for r:5\n',
    });
    expect(JSON.parse(readFileSync(join(dir, 'real/config.json'), 'utf8'))).toEqual({ auths: { s: auth } });
    expect(statSync(file()).isFile()).toBe(true);
  });

  it.each([
    [['login', '-u', 'x'], 'Cannot perform an interactive login from a non TTY device'],
    [['login', '--password-stdin'], 'the --password-stdin option requires --username to be set'],
    [['login', '-u', 'x', '-p', 'y', '--password-stdin'], 'cannot specify both --password and --password-stdin'],
    [['pull', '-a', 'x:1'], "tag can't be used with --all-tags/-a"],
    [['push', `x@sha256:${'1'.repeat(64)}`], 'cannot push a digest reference'],
    [['load', '-i', '/nonexistent'], 'open /nonexistent: no such file or directory'],
    [['save', '-o', '/nonexistent/x', 'y'], 'failed to save image: invalid output path: stat /nonexistent'],
    [['pull', 'UPPER'], 'must be lowercase'],
  ])('%j is refused without a word to the daemon', async (args, message) => {
    const result = await tsdocker(args);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(message);
    expect(daemon.seen).toEqual([]);
  });
});

describe('what is sent to the daemon', () => {
  it('is the credentials of that registry only, Docker Hub under its URL', async () => {
    const auths = { 'a:1': { auth: base64('ua:pa') }, 'https://index.docker.io/v1/': { auth: base64('hub:~~~???') } };
    writeFileSync(file(), JSON.stringify({ auths }));
    await tsdocker(['pull', 'a:1/x']);
    expect(sentAuth()).toEqual({ username: 'ua', password: 'pa', serveraddress: 'a:1' });
    await tsdocker(['push', 'b:1/x:2']);
    expect(sentAuth()).toEqual({});
    expect(daemon.seen.at(-1)?.headers['x-registry-auth']).toBe('e30=');
    await tsdocker(['run', '--pull', 'always', 'busybox']);
    expect(sentAuth()).toEqual({
      username: 'hub',
      password: '~~~???',
      serveraddress: 'https://index.docker.io/v1/',
    });
  });

  it('an entry named __proto__ or without a colon harms nobody', async () => {
    writeFileSync(file(), `{"auths":{"__proto__":{"auth":"${base64('p:p')}"},"bad":{"auth":"bm9jb2xvbg=="}}}`);
    await tsdocker(['pull', 'a:1/x']);
    expect(sentAuth()).toEqual({});
    await tsdocker(['logout', 'bad']);
    expect(readFileSync(file(), 'utf8')).toContain('"__proto__"');
  });
});

describe('a credential helper', () => {
  const helper = (body: string) => {
    const path = join(dir, 'docker-credential-fake');
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
    return { PATH: `${dir}:${process.env.PATH ?? ''}` };
  };
  const seen = () => readFileSync(join(dir, 'seen'), 'utf8');

  it('gets, stores and erases on stdin; nothing stays in the file', async () => {
    writeFileSync(file(), JSON.stringify({ credsStore: 'fake', auths: { 'r:5': { auth: base64('old:old') } } }));
    const env = helper(`{ echo "$1"; cat; echo; } >>${dir}/seen; echo '{"Username":"<token>","Secret":"tok"}'`);
    daemon.json('POST /auth', 200, { Status: 'Login Succeeded' });
    const result = await tsdocker(['login', '-u', 'joe', '-p', 'secret', 'r:5'], { env });
    expect(result.stderr).not.toContain('unencrypted');
    expect(seen()).toBe('store\n{"ServerURL":"r:5","Username":"joe","Secret":"secret"}\n');
    expect(config().auths).toEqual({});
    await tsdocker(['pull', 'r:5/x'], { env });
    expect(sentAuth()).toEqual({ identitytoken: 'tok', serveraddress: 'r:5' });
    await tsdocker(['logout', 'r:5'], { env });
    expect(seen()).toContain('get\nr:5\nerase\nr:5\n');
  });

  it('of one registry comes before that of all; not found is no error, other words are', async () => {
    writeFileSync(file(), JSON.stringify({ credsStore: 'nosuch', credHelpers: { 'r:5': 'fake' } }));
    const env = helper('echo "credentials not found in native keychain"; exit 1');
    await tsdocker(['pull', 'r:5/x'], { env });
    expect(sentAuth()).toEqual({});
    const missing = await tsdocker(['pull', 's:1/x'], { env });
    expect(missing.stderr).toContain('docker-credential-nosuch');
    helper('echo "the keychain is locked"; exit 1');
    expect((await tsdocker(['pull', 'r:5/x'], { env })).stderr).toContain(
      'docker-credential-fake: the keychain is locked',
    );
    helper('echo "s3cret, no json"');
    const garbage = await tsdocker(['pull', 'r:5/x'], { env });
    expect(garbage.status).toBe(1);
    expect(garbage.stderr).not.toContain('s3cret');
  });

  it.each(['../../bin/x', 'a b', '-x', 'a/b', ''.padEnd(70, 'x')])('%j is no name of a helper', async (name) => {
    writeFileSync(file(), JSON.stringify({ credsStore: name }));
    const result = await tsdocker(['pull', 'x']);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('invalid credential helper');
  });
});
