// Where what is compiled for this machine lies: the launcher and the two halves of the FFI. In a clone's bundle and in a package made on
// this kind of machine it is beside the bundle, in an installation from a registry it is a package of its own (tsdocker-linux-x64,
// tsdocker-linux-arm64), and from sources it is where make put it.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const platform = `linux-${process.arch}`;

/** The directory with `ref.node`, `ffi.node` and, in a bundle, `tsdocker-launcher`. Throws one sentence, with the code NO_BINARIES, when there is none for this machine. */
export function binaryDirectory(from: string = import.meta.url): string {
  if (!from.endsWith('.mjs')) return new URL(`../build/native/${platform}`, from).pathname;
  const beside = new URL(`./${platform}`, from).pathname;
  if (existsSync(beside)) return beside;
  try {
    return dirname(createRequire(from).resolve(`tsdocker-${platform}/package.json`));
  } catch {
    const sentence = `there are no binaries for ${platform} here: install the package tsdocker-${platform}`;
    throw Object.assign(new Error(sentence), { code: 'NO_BINARIES' });
  }
}
