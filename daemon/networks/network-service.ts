// What the API may ask about networks. There are the fixed ones only: none, host, and the private loopback default "bridge".
import type { Network } from '../api/types/system.ts';
import { EngineError } from '../errors/engine-error.ts';

export interface NetworkService {
  list(filters: ReadonlyMap<string, readonly string[]>): Network[];
  /** By id, name, then unique id prefix. */
  inspect(ref: string): Network;
}

export function networkNotFound(ref: string): EngineError {
  return new EngineError('not-found', `network ${ref} not found`);
}
