// The detach keys that a request or a configuration asks for.
import { EngineError } from '../../errors/engine-error.ts';
import { FormatError } from '../../protocols/format-error.ts';
import { defaultDetachKeys, parseDetachKeys } from '../../protocols/streams/detach-keys.ts';

const keyLimit = 32;

/** Empty and undefined mean ctrl-p,ctrl-q. Throws 'invalid'. */
export function detachKeysOf(text: string | undefined): Buffer {
  if (text === undefined || text === '') return defaultDetachKeys;
  try {
    const keys = parseDetachKeys(text);
    if (keys.length <= keyLimit) return keys;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  throw new EngineError('invalid', `invalid detach keys (${text}) provided`);
}
