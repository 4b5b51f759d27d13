// Writing what the daemon sends to a file of the user's: whole, or not there.
import { open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CliError } from '../errors.ts';
import { systemReason } from '../options/variables.ts';

/** Docker's check before anything is asked of the daemon: the directory is there, and the path is none itself. */
export async function checkOutputPath(path: string): Promise<void> {
  if (path === '') return;
  const directory = dirname(path);
  await stat(directory).catch((error: unknown) => {
    throw new CliError(`invalid output path: stat ${directory}: ${systemReason(error)}`);
  });
  const existing = await stat(path).catch(() => undefined);
  if (existing?.isDirectory()) throw new CliError(`invalid output path: "${path}" must be a regular file`);
}

/** A regular file appears under its name only when it is complete; devices and pipes are written to directly. */
export async function writeNewFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const fail = (error: unknown) => new CliError(`failed to write ${path}: ${systemReason(error)}`);
  const existing = await stat(path).catch(() => undefined);
  const isSpecial = existing !== undefined && !existing.isFile();
  const target = isSpecial ? path : join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  const file = await open(target, isSpecial ? 'w' : 'wx', existing ? existing.mode & 0o777 : 0o600).catch((error) => {
    throw fail(error);
  });
  try {
    for await (const chunk of chunks) await file.writeFile(chunk);
    await file.close();
    if (!isSpecial) await rename(target, path);
  } catch (error) {
    await file.close().catch(() => {});
    if (!isSpecial) await unlink(target).catch(() => {});
    throw error instanceof CliError ? error : fail(error);
  }
}
