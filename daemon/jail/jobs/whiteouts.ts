// Deletions in layers. An archive says them with names (OCI image-spec "layer.md": ".wh.NAME", ".wh..wh..opq"), overlayfs with a character
// device 0:0 and an attribute of the directory (kernel documentation, filesystems/overlayfs).

import { closeSync } from 'node:fs';
import { S_IF } from '../../../native-bindings/constants.ts';
import { makeDevice, mknodat } from '../../../native-bindings/files.ts';
import { fsetxattr } from '../../../native-bindings/xattrs.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { displayName, fromBytes, type TarEntry } from '../../protocols/tar/tar-entry.ts';
import { makeDirectory } from './make-entry.ts';
import type { HeldDirectory } from './path-walk.ts';
import { removeEntry } from './remove-tree.ts';

export const WHITEOUT_PREFIX = '.wh.';
export const OPAQUE_MARKER = '.wh..wh..opq';
const META_PREFIX = '.wh..wh.';
export const OPAQUE_XATTR = 'trusted.overlay.opaque';

export type Whiteout = { kind: 'opaque' } | { kind: 'name'; name: string } | { kind: 'ignored' };

/**
 * What an entry of a layer means; undefined when it is a file like others. Of whatever type a whiteout is, it hides. aufs's own books, and
 * what is below them, are no files of an image. Throws on a whiteout of no name, "." or "..".
 */
export function whiteoutOf({ parent, name }: { parent: string; name: string }, entry: TarEntry): Whiteout | undefined {
  if (`/${parent}`.includes(`/${META_PREFIX}`)) return { kind: 'ignored' };
  if (isOverlayWhiteout(entry)) return { kind: 'name', name };
  if (!name.startsWith(WHITEOUT_PREFIX)) return undefined;
  if (name === OPAQUE_MARKER) return { kind: 'opaque' };
  if (name.startsWith(META_PREFIX)) return { kind: 'ignored' };
  const hidden = name.slice(WHITEOUT_PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw new EngineError('invalid', `invalid archive entry ${displayName(entry.path)}: invalid whiteout name`);
  }
  return { kind: 'name', name: hidden };
}

/** A layer that was made of an overlay's directory may have whiteouts in that form. */
export function isOverlayWhiteout({ type, devMajor, devMinor }: TarEntry): boolean {
  return type === 'char' && devMajor === 0 && devMinor === 0;
}

/** Hides a name of the layers below, or all of them. What this layer itself put there goes too, unless it comes later. */
export function applyWhiteout(parent: HeldDirectory, whiteout: Exclude<Whiteout, { kind: 'ignored' }>): void {
  if (whiteout.kind === 'opaque') {
    parent.enter();
    const fd = makeDirectory(Buffer.from('.'), true);
    try {
      fsetxattr(fd, OPAQUE_XATTR, Buffer.from('y'));
    } finally {
      closeSync(fd);
    }
    return;
  }
  removeEntry(parent.fd, whiteout.name);
  mknodat(parent.fd, fromBytes(whiteout.name), S_IF.CHR, makeDevice(0, 0));
}
