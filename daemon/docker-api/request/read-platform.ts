// The `platform` of image routes since API 1.48: an OCI platform as a JSON object.
import { EngineError } from '../../errors/engine-error.ts';
import { normalised, type Platform } from '../../images/documents/platform.ts';

/** Empty: none was asked for. Throws 'invalid'. */
export function readPlatform(text: string | undefined): Platform | undefined {
  if (text === undefined || text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable(text, error);
  }
  if (typeof value !== 'object' || Array.isArray(value)) throw unreadable(text);
  const { os = '', architecture = '', variant = '' } = (value ?? {}) as Record<string, unknown>;
  const fields = [os, architecture, variant].map((field) => field ?? '');
  if (!fields.every((field) => typeof field === 'string')) throw unreadable(text);
  if (fields[0] === '' || fields[1] === '')
    throw new EngineError('invalid', 'both OS and Architecture must be provided');
  return normalised({ os: String(fields[0]), architecture: String(fields[1]), variant: String(fields[2]) });
}

function unreadable(text: string, cause?: unknown): EngineError {
  const what = JSON.stringify(text.slice(0, 100));
  return new EngineError('invalid', `failed to parse platform: ${what} is no JSON object of texts`, { cause });
}
