// What the environment and ~/.docker/config.json change: honoured as by docker 28.5, or refused in words. Never a local daemon instead.
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ConfigFile, readConfigFile } from '../../../../cli/config-file.ts';
import type { Cli } from '../../../../cli/context.ts';
import { registryHeaders } from '../../../../cli/credentials/open-store.ts';
import { globalFlags, resolveGlobalOptions } from '../../../../cli/global-options.ts';
import { checkPlatform } from '../../../../cli/options/platform.ts';
import { parseFlags } from '../../../../daemon/protocols/flags/parse.ts';
import { type CliResult, FakeDaemon, runCli } from './fake-daemon.ts';

let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = await new FakeDaemon().listen();
  daemon.json('GET /containers/json', 200, []);
  daemon.on('GET /_ping', (_, response) => void response.writeHead(200, { 'Api-Version': '1.50' }).end('OK'));
  daemon.json('POST /images/create', 200, { status: 'Status: done' });
});
afterEach(() => {
  vi.unstubAllEnvs();
  daemon.close();
});

const directory = () => `${daemon.directory}/.docker`;
const anonymous = Buffer.from('{}').toString('base64');

function configure(content: unknown): void {
  mkdirSync(directory(), { recursive: true });
  writeFileSync(`${directory()}/config.json`, typeof content === 'string' ? content : JSON.stringify(content));
}

function makeContext(name: string, meta: unknown): string {
  const id = createHash('sha256').update(name).digest('hex');
  mkdirSync(`${directory()}/contexts/meta/${id}`, { recursive: true });
  writeFileSync(`${directory()}/contexts/meta/${id}/meta.json`, JSON.stringify(meta));
  return id;
}

function cli(args: string[], env: Record<string, string> = {}, isHostGiven = true): Promise<CliResult> {
  return runCli(daemon, args, { env, isHostGiven });
}

function options(words: string[], env: Record<string, string>, config: ConfigFile = {}) {
  const { values, changed } = parseFlags(globalFlags, words, { interspersed: false });
  return resolveGlobalOptions(values, changed, { DOCKER_CONFIG: directory(), ...env }, config);
}

describe('a configuration file that cannot be read', () => {
  it.each([
    ['cut off', '{"auths":{"r":{"auth":"c2VjcmV0"', /not valid JSON \(line 1 column \d+\)|it ends too early/],
    ['with a byte order mark', '\ufeff{"auths":{}}', /it begins with a byte order mark/],
    ['a list', '[]', /not a JSON object/],
  ])('%s: told, without a word of what is in it', (_, content, words) => {
    configure(content);
    const warnings: string[] = [];
    expect(readConfigFile(directory(), (text) => warnings.push(text))).toEqual({ isDamaged: true });
    expect(warnings).toEqual([expect.stringMatching(words)]);
    expect(warnings[0]).not.toContain('c2Vj');
  });

  it.each([['null'], [''], ['{}']])('%j is an empty one', (content) => {
    configure(content);
    expect(readConfigFile(directory(), () => expect.unreachable())).toEqual({});
  });

  it('a key of another type is told and left out, the rest counts', () => {
    configure({ psFormat: 5, HttpHeaders: { a: 1 }, currentContext: 'c', detachKeys: null });
    const warnings: string[] = [];
    expect(readConfigFile(directory(), (text) => warnings.push(text))).toEqual({ currentContext: 'c' });
    expect(warnings.map((text) => text.replace(/.*\): /, ''))).toEqual([
      'psFormat is not a text: left out',
      'HttpHeaders are not texts: left out',
    ]);
  });

  it('does not keep a command from its work', async () => {
    configure('{"auths":');
    const result = await cli(['pull', 'r/x']);
    expect(result).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^WARNING: Error parsing config file [^\n]*\n$/),
    });
    expect(daemon.seen.at(-1)?.headers['x-registry-auth']).toBe(anonymous);
  });

  it('is never written over', async () => {
    configure('{"auths":');
    daemon.json('POST /auth', 200, { Status: 'Login Succeeded', IdentityToken: '' });
    const result = await cli(['login', '-u', 'u', '-p', 'p', 'r.test']);
    expect(result.status).toBe(1);
    expect(readFileSync(`${directory()}/config.json`, 'utf8')).toBe('{"auths":');
  });
});

describe('credentials that cannot be had', () => {
  const helper = (name: string, script: string) => {
    mkdirSync(`${daemon.directory}/bin`, { recursive: true });
    writeFileSync(`${daemon.directory}/bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
    chmodSync(`${daemon.directory}/bin/docker-credential-${name}`, 0o755);
  };
  it.each<[string, object, RegExp]>([
    ['a helper that is not there', { credsStore: 'nosuch' }, /docker-credential-nosuch": executable file not found/],
    ['one of this registry alone', { credHelpers: { 'r.test': 'nosuch' } }, /docker-credential-nosuch/],
    ['one that fails', { credsStore: 'boom' }, /docker-credential-boom: no keyring/],
    ['one that answers nonsense', { credsStore: 'mad' }, /docker-credential-mad: its answer is no JSON/],
    ['an entry that is none', { auths: { 'r.test': { auth: '!!' } } }, /the entry of r\.test is not NAME:PASSWORD/],
  ])('%s: the registry is asked without, and that is said', async (_, config, words) => {
    helper('boom', 'echo no keyring; exit 1');
    helper('mad', 'echo secret words');
    vi.stubEnv('PATH', `${daemon.directory}/bin:${process.env.PATH}`);
    configure(config);
    const told: string[] = [];
    const parts = {
      options: { configDirectory: directory() },
      config: () => ({}),
      err: { line: (text: string) => told.push(text) },
    };
    expect(await registryHeaders(parts as unknown as Cli, 'r.test/x')).toEqual({ 'X-Registry-Auth': anonymous });
    expect(told).toEqual([expect.stringMatching(words)]);
    expect(told[0]).toMatch(/^WARNING: .*: going on without credentials$/);
    expect(told[0]).not.toContain('secret words');
  });
});

describe('a context', () => {
  it.each<[string, string[], Record<string, string>, ConfigFile]>([
    ['of DOCKER_CONTEXT', [], { DOCKER_CONTEXT: 'c' }, { currentContext: 'nosuch' }],
    ['of --context', ['--context', 'c'], { DOCKER_HOST: 'tcp://127.0.0.1:1', DOCKER_CONTEXT: 'nosuch' }, {}],
    ['of the configuration', [], {}, { currentContext: 'c' }],
  ])('%s says where the daemon is', (_, flags, env, config) => {
    makeContext('c', { Endpoints: { docker: { Host: 'unix:///c.sock', SkipTLSVerify: false } } });
    const expected = { host: 'unix:///c.sock', context: 'c', isDefaultHost: false, tls: undefined };
    expect(options(flags, env, config)).toMatchObject(expected);
  });

  it.each<[string, string[], Record<string, string>]>([
    ['DOCKER_HOST', [], { DOCKER_HOST: 'unix:///h.sock', DOCKER_CONTEXT: 'nosuch' }],
    ['-H', ['-H', 'unix:///h.sock'], { DOCKER_CONTEXT: 'nosuch' }],
  ])('counts less than %s', (_, flags, env) => {
    const expected = { host: 'unix:///h.sock', context: 'default' };
    expect(options(flags, env, { currentContext: 'nosuch' })).toMatchObject(expected);
  });

  it('brings its own certificates', () => {
    const id = makeContext('c', { Endpoints: { docker: { Host: 'tcp://h:2376' } } });
    const tls = `${directory()}/contexts/tls/${id}/docker`;
    mkdirSync(tls, { recursive: true });
    expect(options(['-c', 'c'], { DOCKER_CERT_PATH: '/elsewhere' }).tls).toEqual({
      ca: `${tls}/ca.pem`,
      cert: `${tls}/cert.pem`,
      key: `${tls}/key.pem`,
      verify: true,
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['that is not there', undefined, /context "c": context not found: open .*meta\.json: no such file or directory/],
    ['without a daemon', { Name: 'c', Endpoints: {} }, /names no daemon/],
  ])('%s is an error', (_, meta, words) => {
    if (meta !== undefined) makeContext('c', meta);
    expect(() => options([], { DOCKER_CONTEXT: 'c' })).toThrow(words);
  });

  it('and -H together are refused', () => {
    expect(() => options(['--context', 'c', '-H', 'unix:///x'], {})).toThrow(
      'conflicting options: cannot specify both --host and --context',
    );
  });

  it('where nobody listens starts no daemon', async () => {
    makeContext('c', { Endpoints: { docker: { Host: 'unix:///nowhere.sock' } } });
    const result = await cli(['ps'], { DOCKER_CONTEXT: 'c' }, false);
    expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining('at unix:///nowhere.sock') });
    expect(result.stderr).not.toContain('starting one');
  });
});

describe('the environment', () => {
  it.each<[string, string | undefined]>([
    ['1.40', '1.40'],
    ['v1.41', '1.41'],
    ['', undefined],
  ])('DOCKER_API_VERSION=%s is the version that is spoken', (text, version) => {
    expect(options([], { DOCKER_API_VERSION: text }).apiVersion).toBe(version);
  });

  it('a DOCKER_API_VERSION that is none is refused', () => {
    expect(() => options([], { DOCKER_API_VERSION: 'new' })).toThrow(/is no version of the API: "new"/);
  });

  it('a version that is asked for is not negotiated, and HttpHeaders go with every request but for the client’s name', async () => {
    configure({ HttpHeaders: { 'X-Meta': 'yes', 'User-Agent': 'mine' } });
    await cli(['version'], { DOCKER_API_VERSION: '1.40' });
    const versioned = daemon.seen.filter(({ path }) => path !== '/_ping');
    expect(versioned.map(({ version }) => version)).toEqual(['1.40']);
    for (const { headers } of daemon.seen) {
      expect(headers['x-meta']).toBe('yes');
      expect(headers['user-agent']).toMatch(/^tsdocker/);
    }
  });

  it.each([
    ['1', 'run'],
    ['yes, please', 'pull'],
  ])('DOCKER_CONTENT_TRUST=%s: %s is refused', async (text, command) => {
    const result = await cli([command, 'x'], { DOCKER_CONTENT_TRUST: text });
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain('signatures are not there');
    expect(daemon.requests()).toEqual([]);
  });

  it('DOCKER_DEFAULT_PLATFORM is the platform of what names none, DOCKER_CONTENT_TRUST=0 is off', async () => {
    const env = { DOCKER_DEFAULT_PLATFORM: 'linux/arm64', DOCKER_CONTENT_TRUST: '0' };
    daemon.json('POST /containers/create', 201, { Id: 'a', Warnings: [] });
    await cli(['create', 'x'], env);
    await cli(['pull', '--platform', 'linux/amd64', 'x'], env);
    const platforms = daemon.seen.map((request) => request.query.get('platform'));
    expect(platforms).toEqual(['linux/arm64', 'linux/amd64']);
  });

  it.each([
    ['foo', '"foo": unknown operating system or architecture'],
    ['linux/a/b/c', '"linux/a/b/c": cannot parse platform specifier'],
    ['linux/%', '"%" is an invalid component of "linux/%"'],
  ])('the platform %s is none', (text, words) => {
    expect(() => checkPlatform(text)).toThrow(`error parsing specified platform: ${words}: invalid argument`);
    for (const good of ['', 'linux', 'arm64', 'linux/amd64', 'linux/arm/v7', 'aix/odd']) checkPlatform(good);
  });
});

it('networksFormat and volumesFormat are the formats of the lists', async () => {
  configure({ networksFormat: '<{{.Name}}>', volumesFormat: '({{.Name}})' });
  daemon.json('GET /networks', 200, [{ Name: 'n', Id: 'i', Driver: 'bridge', Scope: 'local', Labels: {} }]);
  const volumes = [{ Name: 'v', Driver: 'local', Labels: {}, Options: null }];
  daemon.json('GET /volumes', 200, { Volumes: volumes, Warnings: null });
  expect((await cli(['network', 'ls'])).stdout).toBe('<n>\n');
  expect((await cli(['volume', 'ls'])).stdout).toBe('(v)\n');
});

describe('help', () => {
  it.each<[string[], number, 'stdout' | 'stderr', RegExp]>([
    [[], 0, 'stderr', /^Usage:/],
    [['help', 'help'], 0, 'stdout', /Help about the command/],
    [['help', 'run', 'foo'], 1, 'stderr', /^unknown help topic: foo\n$/],
    [['help', '--nosuch'], 125, 'stderr', /^unknown flag: --nosuch/],
  ])('%j', async (args, status, stream, words) => {
    const result = await cli(args, {}, false);
    expect(result.status).toBe(status);
    expect(result[stream]).toMatch(words);
    expect(result[stream === 'stdout' ? 'stderr' : 'stdout']).toBe('');
  });
});
