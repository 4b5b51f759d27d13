// What builds find in caches from elsewhere beside the engine's own: told in a way that needs nothing of it to be here before it is wanted.
import type { Operation } from '../graph/operation.ts';
import type { LayersResult } from '../steps/step.ts';

export interface ImportedRecord {
  /** What keys above it are made with. */
  readonly identity: string;
  /** Milliseconds since 1970. */
  readonly createdMs: number | undefined;
  /** Its layers, if all of them are in the store; the caller's, to let go of. */
  here(): LayersResult | undefined;
  /** Brings what is missing of its layers. Rejects with what is wrong with the cache, or with the signal's reason. */
  fetch(signal: AbortSignal): Promise<LayersResult>;
}

export interface ImportedCache {
  lookup(key: string): ImportedRecord | undefined;
  /** Whether a record could be found with an input that is known as this. */
  hasUses(identity: string): boolean;
}

export const nothingImported: ImportedCache = { lookup: () => undefined, hasUses: () => false };

/** A record of BuildKit's format is of one result: what makes several is not exchanged. */
export function hasOneOutput(operation: Operation): boolean {
  if (operation.kind === 'exec') return operation.mounts.every((mount) => mount.type !== 'bind' || mount.output <= 0);
  if (operation.kind === 'file') return operation.actions.every(({ output }) => output <= 0);
  return operation.kind !== 'source';
}
