// Machines that cannot run the engine: each is told why in one sentence, before anything is touched. The systems are directories with a
// static busybox, so that what they lack is lacking.
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { runCommand } from '../harness/run-command.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const loader = process.arch === 'arm64' ? '/lib/ld-linux-aarch64.so.1' : '/lib64/ld-linux-x86-64.so.2';
const other = process.arch === 'arm64' ? 'x64' : 'arm64';
const platform = `linux-${process.arch}`;
let system: string;

beforeEach(() => {
  system = mkdtempSync('/tmp/tsdt-machine-');
  for (const dir of ['bin', 'dev', 'lib', 'lib64', 'p/dist/cli', 'p/node_modules'])
    mkdirSync(`${system}/${dir}`, { recursive: true });
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path)) ?? '';
  for (const name of ['sh', 'readlink']) copyFileSync(busybox, `${system}/bin/${name}`);
  cpSync(`${projectRoot}bin`, `${system}/p/bin`, { recursive: true });
  for (const file of ['tsdockerd.mjs', 'cli/main.cjs']) writeFileSync(`${system}/p/dist/${file}`, '');
  writeFileSync(`${system}/dev/null`, '');
});

afterEach(() => rmSync(system, { recursive: true, force: true }));

/** What the two commands say in that system, which is one line each. */
async function said(prefix: string[] = []): Promise<string[]> {
  const lines: string[] = [];
  for (const [name, status] of [
    ['tsdocker', 125],
    ['tsdockerd', 1],
  ] as const) {
    const command = [...prefix, 'chroot', system, `/p/bin/${name}`, 'version'];
    const result = await runCommand('env', ['PATH=/bin:/usr/sbin', ...command]);
    expect(result).toMatchObject({ code: status, stdout: '' });
    expect(result.stderr).toMatch(new RegExp(`^${name}: [^\n]*\n$`));
    lines.push(result.stderr.slice(name.length + 2, -1));
  }
  return lines;
}

function installNode(arch: string): void {
  mkdirSync(`${system}/p/node_modules/node-linux-${arch}/bin`, { recursive: true });
  writeFileSync(`${system}/p/node_modules/node-linux-${arch}/bin/node`, '', { mode: 0o755 });
}

describe('a system', () => {
  test('with musl', async () => {
    installNode(process.arch);
    writeFileSync(`${system}/lib/ld-musl-any.so.1`, '');
    const sentence = 'the C library of this system is musl: tsdocker needs glibc 2.34 or later';
    expect(await said()).toEqual([sentence, sentence]);
  });

  test('of an architecture that there is nothing for', async () => {
    const as = process.arch === 'x64' ? { machine: 'i686', change: 'i686' } : { machine: 'armv8l', change: 'linux32' };
    const sentence = `this machine is ${as.machine}: there is tsdocker for x86_64 and aarch64`;
    expect(await said(['setarch', as.change])).toEqual([sentence, sentence]);
  });

  test('whose modules were installed on another kind of machine', async () => {
    installNode(other);
    writeFileSync(`${system}${loader}`, '');
    const sentence = `this machine is ${process.arch}, and what is installed in /p/bin/.. is for ${other}: install it on this machine`;
    expect(await said()).toEqual([sentence, sentence]);
  });

  test('without the pinned Node', async () => {
    writeFileSync(`${system}${loader}`, '');
    for (const sentence of await said())
      expect(sentence).toMatch(
        /^needs Node 24 or later: the pinned one is not installed and PATH has none: run 'npm ci'/,
      );
  });

  test('where nothing was built', async () => {
    rmSync(`${system}/p/dist`, { recursive: true });
    for (const sentence of await said()) expect(sentence).toMatch(/ is missing: run 'npm ci && npm run build' in /);
  });
});

describe('binaries', () => {
  /** A package as it is installed, with the built daemon; its binaries are still to come. */
  function install(): void {
    for (const file of ['tsdockerd.mjs', 'daemon.mjs', 'jail-worker.mjs'])
      copyFileSync(`${projectRoot}dist/${file}`, `${system}/p/dist/${file}`);
    copyFileSync(`${projectRoot}package.json`, `${system}/p/package.json`);
  }

  function start() {
    const node = realpathSync(`${projectRoot}node_modules/node-${platform}/bin/node`);
    return runCommand(node, [`${system}/p/dist/tsdockerd.mjs`, '--version'], { env: { PATH: '/usr/bin:/bin' } });
  }

  test('that are not installed', async () => {
    install();
    expect(await start()).toMatchObject({
      code: 1,
      stderr: `tsdockerd: this machine cannot run it: there are no binaries for ${platform} here: install the package tsdocker-${platform}\n`,
    });
  });

  test('that this system cannot load', async () => {
    install();
    mkdirSync(`${system}/p/dist/${platform}`);
    for (const name of ['ref.node', 'ffi.node']) writeFileSync(`${system}/p/dist/${platform}/${name}`, 'nothing');
    const { code, stderr } = await start();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tsdockerd: this machine cannot run it: [^\n]*ref\.node: [^\n]*\n$/);
  });

  test.each(['p/node_modules', '.'])('of the platform’s package in %s are found', async (where) => {
    install();
    const target = `${system}/${where === '.' ? 'node_modules' : where}/tsdocker-${platform}`;
    cpSync(`${projectRoot}dist/${platform}`, target, { recursive: true });
    writeFileSync(`${target}/package.json`, '{}');
    expect(await start()).toMatchObject({ code: 0, stderr: '' });
  });
});

test('without libseccomp the daemon says so before it is ready', async () => {
  const hide =
    'for file in $(ls /usr/lib/*/libseccomp.so.2 /usr/lib64/libseccomp.so.2 2>/dev/null); do mount --bind /dev/null "$file"; done; exec "$@"';
  const daemon = new TestDaemon({ wrapper: ['unshare', '--mount', 'sh', '-c', hide, 'sh'] });
  try {
    daemon.spawn();
    expect(await daemon.ended()).toBe(1);
    expect(daemon.log()).toMatch(/^tsdockerd: libseccomp\.so\.2 is missing: install libseccomp2 \(/m);
    expect(daemon.log()).not.toContain('is ready');
  } finally {
    await daemon.dispose();
  }
});
