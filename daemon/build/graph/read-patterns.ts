// The patterns of an ignore file in a directory of the client.
import { EngineError } from '../../errors/engine-error.ts';
import { FormatError } from '../../protocols/format-error.ts';
import { readIgnoreFile } from '../../protocols/ignore/ignore-file.ts';
import type { Edge } from './operation.ts';
import type { PlanLookups } from './plan.ts';

const MAX_BYTES = 1024 * 1024;

/** undefined: there is none. Throws 'invalid' for one that is too large. */
export async function readPatterns(
  lookups: Pick<PlanLookups, 'readFile'>,
  files: Edge,
  path: string,
): Promise<string[] | undefined> {
  const bytes = await lookups.readFile(files, path, { maxBytes: MAX_BYTES });
  if (bytes === undefined) return undefined;
  try {
    return readIgnoreFile(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new EngineError('invalid', `failed parsing ${path}: ${error.message}`, { cause: error });
  }
}
