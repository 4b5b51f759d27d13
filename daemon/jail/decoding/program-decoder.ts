// What is not decoded in this process: xz and bzip2, which Node does not read and the host's own programs do, and zstd that asks for much memory.
// All of them without rights, without environment, with a limit of memory.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../../errors/engine-error.ts';

/** What `xz -9` needs to unpack is 65 MB; more than this asks for an archive that nobody makes by accident. */
const XZ_MEMORY = '--memlimit-decompress=192MiB';
const programs = {
  xz: { file: 'xz', args: ['--decompress', '--stdout', '--quiet', XZ_MEMORY], package: 'xz-utils' },
  bzip2: { file: 'bzip2', args: ['--decompress', '--stdout', '--quiet'], package: 'bzip2' },
};
const zstdProgram = new URL(
  import.meta.url.endsWith('.mjs') ? './zstd-program.mjs' : './zstd-program.ts',
  import.meta.url,
);
/** What Node itself takes beside the window, about 45 MB, is its own; its heap holds only chunks. */
const NODE_OPTIONS = ['--max-old-space-size=32', '--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'];
const directories = ['/usr/bin', '/bin', '/usr/local/bin'];
const NOBODY = 65_534;
const MAX_WORDS = 300;

/** Compressed bytes in, plain bytes out. The program ends with the stream. Throws 'not-implemented' when it is not installed. */
export function programDecoder(compression: keyof typeof programs): Duplex {
  const { file, args, package: name } = programs[compression];
  const path = directories.map((directory) => join(directory, file)).find(isProgram);
  if (path === undefined)
    throw new EngineError(
      'not-implemented',
      `read ${compression} archive: ${file} is not installed: install ${name}, or use gzip, zstd or a plain tar`,
    );
  const child = spawn(path, args, {
    cwd: '/',
    env: {},
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  return duplexOf(child);
}

/** The same for zstd, on Node, with windows of up to `2 ** windowLog` bytes. */
export function zstdProgramDecoder(windowLog: number): Duplex {
  const args = [...NODE_OPTIONS, fileURLToPath(zstdProgram), String(windowLog)];
  return duplexOf(spawn(process.execPath, args, { cwd: '/', env: {}, stdio: ['pipe', 'pipe', 'pipe'] }));
}

function duplexOf(child: ChildProcess): Duplex {
  // First of all: without a free descriptor there are no pipes, and why comes a moment later, to whoever listens.
  child.on('error', () => undefined);
  const { stdin, stdout, stderr } = child;
  // undefined then, whatever the types say.
  if (!stdin || !stdout || !stderr)
    throw new EngineError('unavailable', 'read archive: no program can be started to decode it');
  let words = '';
  stderr.on('data', (text: Buffer) => {
    words = (words + text.toString('latin1')).slice(0, MAX_WORDS);
  });
  const duplex = new Duplex({
    write: (chunk: Buffer, _, done) => {
      if (!stdin.writable || stdin.write(chunk)) done();
      else stdin.once('drain', done);
    },
    final: (done) => {
      stdin.end();
      done();
    },
    read: () => stdout.resume(),
    destroy: (error, done) => {
      child.kill('SIGKILL');
      // Paused with something in it, it would never see its end, and stay open.
      stdout.destroy();
      stderr.destroy();
      done(error);
    },
  });
  // It may end before it was given everything: how it ended says why.
  stdin.on('error', () => undefined);
  stdout.on('data', (chunk: Buffer) => {
    if (!duplex.push(chunk)) stdout.pause();
  });
  child.once('error', (error) => duplex.destroy(error));
  child.once('close', (code) => {
    if (code === 0) duplex.push(null);
    else duplex.destroy(new Error(words.trim() || `the program ended with ${code ?? 'a signal'}`));
  });
  return duplex;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
