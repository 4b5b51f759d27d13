// Debian's docker-registry, the unmodified docker, skopeo and this engine: what one of them pushes the others pull, under the same digests.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { type CliName, cli, cliNames } from '../harness/clis.ts';
import { DockerRegistry, privateEtc } from '../harness/docker-registry.ts';
import { eventually } from '../harness/eventually.ts';
import { pull } from '../harness/image-transfers.ts';
import { testNeeding } from '../harness/needs.ts';
import { findCommand } from '../harness/paths.ts';
import { busyboxEntries, ociArchive, rawImage, rawLayer, sha256 } from '../harness/raw-image.ts';
import type { CommandOptions } from '../harness/run-command.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const dir = mkdtempSync('/tmp/tsdt-client-');
const { wrapper, certs } = privateEtc(dir, 'registry.test');
const testRegistry = testNeeding('docker-registry', 'htpasswd', 'openssl');
const isThere = ['docker-registry', 'htpasswd', 'openssl'].every((command) => findCommand(command) !== undefined);
let daemon: TestDaemon;
let open: DockerRegistry;
let closed: DockerRegistry;

beforeAll(async () => {
  daemon = await TestDaemon.start({ wrapper });
  if (!isThere) return;
  open = await DockerRegistry.start(daemon.network, { port: 5000 });
  closed = await DockerRegistry.start(daemon.network, {
    port: 5443,
    name: 'registry.test',
    accounts: { joe: 'se:cret' },
  });
});
afterAll(async () => {
  await open?.stop();
  await closed?.stop();
  await daemon.dispose();
  rmSync(dir, { recursive: true, force: true });
});

const inNetwork = (file: string, args: string[], options: CommandOptions = {}) =>
  daemon.network.must(file, args, options);

describe.each(cliNames)('%s', (name: CliName) => {
  const config = `${dir}/${name}`;
  mkdirSync(config, { recursive: true });
  const env = { DOCKER_CONFIG: config, PATH: `${config}:${process.env.PATH}` };
  const call = (args: string[], options: CommandOptions = {}) => cli(daemon, name, args, { ...options, env });
  const ok = async (...args: string[]) => {
    const result = await call(args);
    expect(result, args.join(' ')).toMatchObject({ code: 0 });
    return result.stdout;
  };
  const fails = async (...args: string[]) => {
    const result = await call(args);
    expect(result.code, args.join(' ')).not.toBe(0);
    return result.stderr;
  };
  const run = ['run', '--rm', '--network', 'none'];
  const rmAll = async (...references: string[]) => void (await call(['rmi', '-f', ...references]));

  testRegistry('push, rmi, pull, run: the same digest, the same layers', async () => {
    const reference = `${open.host}/team/tools-${name}:1`;
    await ok('tag', 'busybox', reference);
    const pushed = /^1: digest: (sha256:[0-9a-f]{64}) size: (\d+)$/m.exec(await ok('push', reference));
    const digest = pushed?.[1] ?? '';
    expect(sha256(open.blob(digest))).toBe(digest);
    expect(open.blob(digest).length).toBe(Number(pushed?.[2]));
    const id = await ok('images', '-q', '--no-trunc', reference);
    await rmAll(reference, 'busybox');
    const output = await ok('pull', reference);
    expect(output).toContain(`Digest: ${digest}\nStatus: Downloaded newer image for ${reference}\n${reference}\n`);
    expect(output).toMatch(/^[0-9a-f]{12}: Pull complete$/m);
    expect(await ok('images', '-q', '--no-trunc', reference)).toBe(id);
    expect(await ok('image', 'inspect', '-f', '{{json .RepoDigests}}', reference)).toBe(
      `["${open.host}/team/tools-${name}@${digest}"]\n`,
    );
    expect(await ok(...run, reference, 'echo', 'works')).toBe('works\n');
    // A layer that was pulled is pushed again bit for bit: the digest says so, and nothing is sent.
    expect(await ok('push', reference)).toContain(`1: digest: ${digest} `);
    expect(await ok('pull', reference)).toContain(`Status: Image is up to date for ${reference}`);
    await ok('tag', reference, 'busybox');
    await rmAll(reference);
  });

  testRegistry('a second repository gets its layers from the first; -a moves every tag; by digest', async () => {
    const repository = `${open.host}/many-${name}`;
    for (const tag of ['a', 'b', 'latest']) await ok('tag', 'busybox', `${repository}:${tag}`);
    const pushed = await ok('push', '-a', repository);
    for (const tag of ['a', 'b', 'latest']) expect(pushed).toContain(`${tag}: digest: sha256:`);
    await ok('tag', 'busybox', `${open.host}/other-${name}`);
    expect(await ok('push', `${open.host}/other-${name}`)).toMatch(/: (Mounted from|Layer already exists)/);
    await rmAll(`${repository}:a`, `${repository}:b`, `${repository}:latest`);
    await ok('pull', '-q', '-a', repository);
    const list = await ok('images', '--format', '{{.Tag}}', repository);
    expect(list.trim().split('\n').sort()).toEqual(['a', 'b', 'latest']);
    const digest = /latest: digest: (\S+)/.exec(pushed)?.[1] ?? '';
    expect(await ok('pull', `${repository}@${digest}`)).toContain(`Digest: ${digest}`);
    await rmAll(`${repository}:a`, `${repository}:b`, `${repository}:latest`, `${open.host}/other-${name}`);
  });

  testRegistry('run of an image that is not here pulls it, telling on standard error', async () => {
    const reference = `${open.host}/fresh-${name}`;
    await ok('tag', 'busybox', reference);
    await ok('push', '-q', reference);
    await rmAll(reference);
    expect(await fails(...run, '--pull', 'never', reference, 'true')).toContain('No such image');
    const result = await call([...run, reference, 'echo', 'here']);
    expect(result).toMatchObject({ code: 0, stdout: 'here\n' });
    expect(result.stderr).toMatch(
      new RegExp(`^Unable to find image '${reference}:latest' locally\nlatest: Pulling from fresh-${name}\n`),
    );
    expect((await call([...run, reference, 'echo', 'here'])).stderr).toBe('');
    expect((await call([...run, '--pull', 'always', '-q', reference, 'echo', 'x'])).stderr).toBe('');
    await rmAll(reference);
    const missing = await call([...run, `${open.host}/nosuch`, 'true']);
    expect(missing.code).toBe(125);
    expect(missing.stderr).toMatch(/manifest.*unknown|not found/);
  });

  testRegistry('TLS of an unknown authority is refused; with its certificate and a login all goes', async () => {
    const reference = `${closed.host}/private/${name}:2`;
    await ok('tag', 'busybox', reference);
    rmSync(`${certs}/${closed.host}`, { recursive: true, force: true });
    expect(await fails('push', reference)).toMatch(/certificate/i);
    mkdirSync(`${certs}/${closed.host}`, { recursive: true });
    copyFileSync(closed.authority, `${certs}/${closed.host}/ca.crt`);
    expect(await fails('push', reference)).toMatch(
      /no basic auth credentials|unauthorized|authentication required|docker login/i,
    );
    expect((await call(['login', '-u', 'joe', '--password-stdin', closed.host], { input: 'wrong' })).code).toBe(1);
    const login = await call(['login', '-u', 'joe', '--password-stdin', closed.host], { input: 'se:cret\n' });
    expect(login).toMatchObject({ code: 0, stdout: 'Login Succeeded\n' });
    await ok('push', reference);
    await rmAll(reference);
    await ok('pull', reference);
    expect(await ok(...run, reference, 'echo', 'private')).toBe('private\n');
    expect(await ok('logout', closed.host)).toBe(`Removing login credentials for ${closed.host}\n`);
    await rmAll(reference);
    expect(await fails('pull', reference)).toMatch(
      /no basic auth credentials|unauthorized|authentication required|docker login/i,
    );
    expect(readFileSync(`${config}/config.json`, 'utf8')).not.toContain('auth"');
  });

  testRegistry('a credential helper is asked, and told', async () => {
    mkdirSync(`${certs}/${closed.host}`, { recursive: true });
    copyFileSync(closed.authority, `${certs}/${closed.host}/ca.crt`);
    const helper = `${config}/docker-credential-fake`;
    writeFileSync(
      helper,
      `#!/bin/sh
input=$(cat)
echo "$1 $input" >>${config}/asked
case $1 in
store) printf %s "$input" >${config}/kept ;;
get) [ -f ${config}/kept ] && cat ${config}/kept || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm -f ${config}/kept ;;
esac
`,
    );
    chmodSync(helper, 0o755);
    writeFileSync(`${config}/config.json`, '{"credsStore":"fake","psFormat":"x"}');
    const login = await call(['login', '-u', 'joe', '--password-stdin', closed.host], { input: 'se:cret' });
    expect(login).toMatchObject({ code: 0 });
    expect(login.stderr).not.toContain('unencrypted');
    const reference = `${closed.host}/helped/${name}`;
    await ok('tag', 'busybox', reference);
    await ok('push', '-q', reference);
    await ok('logout', closed.host);
    expect(existsSync(`${config}/kept`)).toBe(false);
    expect(readFileSync(`${config}/asked`, 'utf8')).toContain(`get ${closed.host}\n`);
    expect(JSON.parse(readFileSync(`${config}/config.json`, 'utf8'))).toMatchObject({
      credsStore: 'fake',
      psFormat: 'x',
    });
    expect(readFileSync(`${config}/config.json`, 'utf8')).not.toContain('se:cret');
    await rmAll(reference);
  });
});

testRegistry('manifest inspect tells what a registry has, without pulling it', async () => {
  const reference = `${open.host}/inspected:1`;
  const call = (...args: string[]) => cli(daemon, 'tsdocker', args);
  await call('tag', 'busybox', reference);
  const digest = /digest: (\S+)/.exec((await call('push', reference)).stdout)?.[1];
  await call('rmi', reference);
  const { stdout } = await call('manifest', 'inspect', reference);
  expect(JSON.parse(stdout)).toMatchObject({ Descriptor: { digest }, Platforms: [{ os: 'linux' }] });
  expect((await call('manifest', 'inspect', `${open.host}/nosuch`)).code).toBe(1);
  expect((await call('image', 'inspect', reference)).code).toBe(1);
});

describe('skopeo', () => {
  const testSkopeo = testNeeding('docker-registry', 'skopeo');
  const inspect = async (...args: string[]) =>
    JSON.parse(await inNetwork('skopeo', ['inspect', ...args])) as { Digest: string; Layers: string[] };

  testSkopeo('reads what was pushed, and the store, as the same image', async () => {
    const reference = `${open.host}/for-skopeo:1`;
    await cli(daemon, 'tsdocker', ['tag', 'busybox', reference]);
    expect((await cli(daemon, 'tsdocker', ['push', reference])).code).toBe(0);
    const remote = await inspect('--tls-verify=false', `docker://${reference}`);
    const store = `oci:${daemon.dataRoot}/content:${reference}`;
    // The list of names is written behind the answer.
    const local = await eventually('the store names it', () => inspect(store).catch(() => undefined));
    expect(local.Layers.length).toBe(remote.Layers.length);
    for (const [from, to] of [
      [`docker://${reference}`, 'remote'],
      [store, 'local'],
    ] as const) {
      await inNetwork('skopeo', ['copy', '-q', '--src-tls-verify=false', from, `oci:${dir}/${to}:x`], {
        timeoutMs: 60_000,
      });
    }
    const ids = ['remote', 'local'].map((to) => inspect('--config', `oci:${dir}/${to}:x`));
    const [one, two] = await Promise.all(ids);
    expect(two).toEqual(one);
  });

  testSkopeo('an index with zstd layers that it pushed is pulled', async () => {
    const layers = [
      await rawLayer(busyboxEntries('zstd'), 'zstd'),
      await rawLayer([{ name: 'plain', data: 'p' }], 'plain'),
    ];
    const image = rawImage({ layers });
    writeFileSync(`${dir}/oci.tar`, ociArchive(image, undefined));
    await inNetwork('skopeo', [
      'copy',
      '-q',
      '--dest-tls-verify=false',
      `oci-archive:${dir}/oci.tar`,
      `docker://${open.host}/zstd:1`,
    ]);
    expect((await pull(daemon, `${open.host}/zstd:1`)).error).toBeUndefined();
    const ran = await cli(daemon, 'tsdocker', ['run', '--rm', '--network', 'none', `${open.host}/zstd:1`]);
    expect(ran).toMatchObject({ code: 0, stdout: 'hello zstd\n' });
  });
});
