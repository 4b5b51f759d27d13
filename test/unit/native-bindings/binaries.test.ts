// What is compiled for this machine, as make left it: judged by its ELF headers and by the process that has it loaded.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { binaryDirectory } from '../../../native-bindings/binaries.ts';
import '../../../native-bindings/load.ts';
import { newestGlibc, readElf } from '../../harness/elf.ts';

const root = new URL('../../..', import.meta.url).pathname;
const directory = binaryDirectory();

describe.each(['ref.node', 'ffi.node'])('%s', (name) => {
  const elf = readElf(`${directory}/${name}`);

  test('links with the C library and libgcc_s only: no libnode, no libstdc++', () => {
    const allowed = ['libc.so.6', 'libgcc_s.so.1', 'ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1', 'libm.so.6'];
    expect(elf.libraries).toContain('libc.so.6');
    expect(elf.libraries.filter((library) => !allowed.includes(library))).toEqual([]);
  });

  test('is for this machine', () => expect(elf.machine).toBe(process.arch));

  test('names no directory of the machine that compiled it', () => {
    expect(readFileSync(`${directory}/${name}`, 'latin1')).not.toContain(root.replace(/\/$/, ''));
  });
});

test('compiled on Debian 12 it loads with any glibc since 2.34', () => {
  const release = readFileSync('/etc/os-release', 'utf8');
  if (!/^VERSION_ID="?12"?$/m.test(release)) return;
  for (const name of ['ref.node', 'ffi.node']) {
    const [major, minor] = newestGlibc(readElf(`${directory}/${name}`));
    expect(major * 1000 + minor).toBeLessThanOrEqual(2034);
  }
});

test('the launcher is static', () => {
  const elf = readElf(`${root}native-bindings/launcher/tsdocker-launcher`);
  expect(elf).toMatchObject({ interpreter: undefined, libraries: [] });
});

test('there is one V8 in this process', () => {
  const mapped = readFileSync('/proc/self/maps', 'utf8');
  expect(mapped).not.toMatch(/libnode|libv8/);
  const addons = mapped.split('\n').filter((line) => /\.node$/.test(line));
  expect(addons.filter((line) => line.includes('/ffi.node')).length).toBeGreaterThan(0);
});

test('a directory from sources, beside the bundle, and one sentence when there is none', () => {
  expect(binaryDirectory(`file://${root}native-bindings/load.ts`)).toBe(directory);
  expect(readdirSync(directory)).toEqual(expect.arrayContaining(['ref.node', 'ffi.node']));
  expect(() => binaryDirectory('file:///nowhere/dist/daemon.mjs')).toThrow(
    `there are no binaries for linux-${process.arch} here: install the package tsdocker-linux-${process.arch}`,
  );
});
