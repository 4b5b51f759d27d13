// A file of the user's as the body of a request.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { CliError } from '../errors.ts';
import { systemReason } from './variables.ts';

export async function openInput(path: string): Promise<AsyncIterable<Uint8Array>> {
  try {
    if ((await stat(path)).isDirectory()) throw new CliError(`read ${path}: is a directory`);
  } catch (error) {
    throw error instanceof CliError ? error : new CliError(`open ${path}: ${systemReason(error)}`);
  }
  return createReadStream(path, { highWaterMark: 1 << 20 });
}
