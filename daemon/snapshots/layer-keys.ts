// What layers are known as.
import { createHash, randomBytes } from 'node:crypto';
import type { Layer } from './layer.ts';

const MADE = 'made:';

/** The key of the init layer that has no mount points but the usual ones. */
export function defaultInitKey(parent: Layer | undefined): string {
  return `init:${parent?.key ?? ''}`;
}

/** OCI image-spec "layer chain id". */
export function chainId(parent: string | undefined, diffId: string): string {
  if (parent === undefined) return diffId;
  return `sha256:${createHash('sha256').update(`${parent} ${diffId}`).digest('hex')}`;
}

/** undefined: the parent is none whose chain id is known. */
export function chainKey(parent: Layer | undefined, diffId: string): string | undefined {
  if (parent !== undefined && !parent.key.startsWith('sha256:')) return undefined;
  return chainId(parent?.key, diffId);
}

/** For a layer whose chain id is not known, or which another one has. */
export function newKey(): string {
  return `${MADE}${randomBytes(16).toString('hex')}`;
}

/** Whether the key is one of `newKey`. */
export function isNameless({ key }: Layer): boolean {
  return key.startsWith(MADE);
}
