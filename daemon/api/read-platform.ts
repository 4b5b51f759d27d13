// The `platform` of image routes since API 1.48: an OCI platform as a JSON object.
import { EngineError } from '../errors/engine-error.ts';
import { type Platform, parsePlatform } from '../images/platform.ts';

/** Empty: none was asked for. Throws 'invalid'. */
export function readPlatform(text: string | undefined): Platform | undefined {
  if (text === undefined || text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new EngineError(
      'invalid',
      `invalid platform ${JSON.stringify(text.slice(0, 100))}: it has to be a JSON object`,
    );
  }
  const { os, architecture, variant } = (value ?? {}) as Record<string, unknown>;
  if (
    typeof os !== 'string' ||
    typeof architecture !== 'string' ||
    (variant !== undefined && typeof variant !== 'string')
  )
    throw new EngineError('invalid', 'invalid platform: it needs os and architecture');
  return parsePlatform([os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/'));
}
