// What bin/tsdockerd runs: the bundled daemon, with one sentence instead of a stack when this machine cannot load it at all (a C library
// that is too old for the binaries, binaries of another kind of machine, a package that is not there).
import { writeSync } from 'node:fs';

try {
  // A file of its own, beside this one: what it stands on is loaded before its first line runs.
  await import(new URL('./daemon.mjs', import.meta.url).href);
} catch (error) {
  const code = (error as { code?: unknown } | null)?.code;
  if (!(error instanceof Error) || (code !== 'ERR_DLOPEN_FAILED' && code !== 'NO_BINARIES')) throw error;
  writeSync(2, `tsdockerd: this machine cannot run it: ${error.message}\n`);
  process.exitCode = 1;
}
