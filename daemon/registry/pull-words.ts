// A registry's failure in the words that Docker's users and their scripts know.
import { EngineError } from '../errors/engine-error.ts';
import { familiar, familiarName, type Reference } from './reference.ts';
import { RegistryFailure } from './registry-failure.ts';

/** Anything else than a RegistryFailure stays what it is. */
export function pullError(error: unknown, reference: Reference): unknown {
  if (!(error instanceof RegistryFailure)) return error;
  const shown = familiar(reference);
  if (error.code === 'MANIFEST_UNKNOWN') return notFound(`manifest for ${shown} not found: ${error.words}`, error);
  if (error.code === 'NAME_UNKNOWN') return notFound(`repository ${shown} not found: ${error.words}`, error);
  if (isDenied(error)) {
    const why = error.code === '' ? 'denied: requested access to the resource is denied' : error.words;
    return notFound(
      `pull access denied for ${familiarName(reference.repository)}, repository does not exist or may require 'docker login': ${why}`,
      error,
    );
  }
  if (error.status === 404) return notFound(`manifest for ${shown} not found: ${error.words}`, error);
  return registryError(error);
}

/** For requests that are not about one manifest. */
export function registryError(error: unknown): unknown {
  if (!(error instanceof RegistryFailure)) return error;
  // The answer to a HEAD has no words of its own.
  if (error.status === 401) {
    const why = error.code === '' ? 'unauthorized: authentication required' : error.words;
    return new EngineError('unauthorized', why, { cause: error });
  }
  if (error.status === 403 || error.code === 'DENIED') {
    const why = error.code === '' ? 'denied: requested access to the resource is denied' : error.words;
    return new EngineError('forbidden', why, { cause: error });
  }
  if (error.status === 404) return notFound(error.words, error);
  if (error.status === 429 || error.code === 'TOOMANYREQUESTS') {
    return new EngineError('system', `toomanyrequests: ${error.detail || 'the registry asks to wait'}`, {
      cause: error,
    });
  }
  return new EngineError('system', error.message, { cause: error.cause ?? error });
}

function isDenied({ status, code }: RegistryFailure): boolean {
  return code === 'DENIED' || code === 'UNAUTHORIZED' || ((status === 401 || status === 403) && code === '');
}

function notFound(message: string, cause: Error): EngineError {
  return new EngineError('not-found', message, { cause });
}
