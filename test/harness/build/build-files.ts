// A build's context as a test writes it down: paths to contents, as a tar for the API and as a directory for command lines.
import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mustRun } from '../run-command.ts';
import { type TarEntry, tarOf } from '../tars.ts';

/** A path with a trailing slash is a directory. What is not only text is written as the tar has it. */
export type BuildFiles = Record<string, string | Buffer | Omit<TarEntry, 'name'>>;

export function entriesOf(files: BuildFiles): TarEntry[] {
  return Object.entries(files).map(([name, file]) =>
    typeof file === 'string' || Buffer.isBuffer(file) ? { name, data: file } : { name, ...file },
  );
}

export function contextTar(files: BuildFiles): Buffer {
  return tarOf(entriesOf(files));
}

/** Unpacked into a new directory; the caller removes it. */
export async function contextDir(files: BuildFiles): Promise<string> {
  const dir = mkdtempSync('/tmp/tsdt-context-');
  await mustRun('tar', ['-C', dir, '-xpf', '-'], { input: contextTar(files) });
  return dir;
}

/** All regular files below a directory, with their modes. */
export function filesBelow(dir: string, prefix = ''): BuildFiles {
  const files: BuildFiles = {};
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = `${entry.parentPath}/${entry.name}`;
    files[prefix + path.slice(dir.length + 1)] = { data: readFileSync(path), mode: statSync(path).mode & 0o7777 };
  }
  return files;
}
