// Directories of removed containers that changed nothing, kept for containers to come: making directories is the slowest part of making a
// container (ext4 searches past what was deleted lately), renaming one is not.
import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd } from '../../native-bindings/files.ts';
import { llistxattr } from '../../native-bindings/xattrs.ts';
import type { Trash } from '../jail/trash.ts';
import { ROOT_MODE } from './init-layers.ts';
import type { Layer } from './layer.ts';

/** What stays in a directory that is kept; of `log` only the empty directory. */
const kept: ReadonlySet<string> = new Set(['upper', 'work', 'init', 'log']);
/** Small files that each start writes over: they stay when they are plain files of root's still. */
const overwritten: ReadonlySet<string> = new Set(['hosts', 'hostname', 'resolv.conf']);
const OVERWRITTEN_BYTES = 64 * 1024;
const MAX_SPARES = 64;
/** The kernel ends a container's mounts a little after its last process. */
const REST_MS = 1000;

/** Roots that are mounted ahead, since that is the slowest part of a start that is not the kernel's own; for a while only. */
const MAX_READY = 4;
const READY_MS = 60_000;

interface Spare {
  path: string;
  init: number;
  sinceMs: number;
  /** Its overlay, mounted ahead. */
  root?: number | undefined;
}

export class SpareLayers {
  readonly #path: string;
  readonly #trash: Trash;
  readonly #mount: (directory: string, init: number) => number;
  readonly #spares: Spare[] = [];

  /** `mount` gives the overlay of a directory with an init layer as an fd. */
  constructor(path: string, trash: Trash, mount: (directory: string, init: number) => number) {
    this.#path = path;
    this.#trash = trash;
    this.#mount = mount;
    trash.discardAllBelow(path);
  }

  /**
   * Puts a spare directory with this init layer at `path`. undefined when there is none, or when something is there already; else with its
   * root where it is mounted already, which the caller closes.
   */
  place(init: Layer, path: string): { root: number | undefined } | undefined {
    const now = performance.now();
    const fits = this.#spares.filter((spare) => spare.init === init.number && now - spare.sinceMs >= REST_MS);
    const spare = fits.find(({ root }) => root !== undefined) ?? fits[0];
    if (spare === undefined) return undefined;
    try {
      renameSync(spare.path, path);
    } catch (error) {
      if (isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return undefined;
      throw error;
    }
    this.#spares.splice(this.#spares.indexOf(spare), 1);
    const { root } = spare;
    spare.root = undefined;
    return { root };
  }

  /** Takes a container's directory away, as `discard` does, but keeps it when its upper directory is as it was made. */
  keep(directory: string, init: Layer): boolean {
    if (!isUntouched(join(directory, 'upper'))) return false;
    const path = join(this.#path, randomBytes(8).toString('hex'));
    renameSync(directory, path);
    for (const name of readdirSync(path)) {
      const stays = kept.has(name) || (overwritten.has(name) && isPlain(join(path, name)));
      if (!stays) this.#trash.discard(join(path, name));
    }
    if (readdirSync(path).includes('log')) this.#trash.discardAllBelow(join(path, 'log'));
    const spare: Spare = { path, init: init.number, sinceMs: performance.now() };
    this.#spares.push(spare);
    setTimeout(() => this.#prepare(spare), REST_MS).unref();
    if (this.#spares.length > MAX_SPARES) {
      const oldest = this.#spares.shift() as Spare;
      letGo(oldest);
      this.#trash.discard(oldest.path);
    }
    return true;
  }

  forgetMounts(): void {
    for (const spare of this.#spares) letGo(spare);
  }

  #prepare(spare: Spare): void {
    const ready = this.#spares.filter(({ root }) => root !== undefined).length;
    if (!this.#spares.includes(spare) || ready >= MAX_READY) return;
    try {
      spare.root = this.#mount(spare.path, spare.init);
    } catch {
      // Its layers have been removed meanwhile, say: whoever starts a container is told why.
      return;
    }
    setTimeout(() => letGo(spare), READY_MS).unref();
  }
}

function letGo(spare: Spare): void {
  if (spare.root !== undefined) closeFd(spare.root);
  spare.root = undefined;
}

/** Empty, without attributes but the identity that overlayfs gives it, and with the looks that a new one has. */
function isUntouched(upper: string): boolean {
  try {
    const { mode, uid, gid } = lstatSync(upper);
    const looksSame = (mode & 0o7777) === ROOT_MODE && uid === 0 && gid === 0;
    return (
      looksSame && readdirSync(upper).length === 0 && llistxattr(upper).every((name) => name === 'trusted.overlay.uuid')
    );
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** A container can change the mode, the owner and the attributes of the files that are bound into it. */
function isPlain(path: string): boolean {
  const { mode, uid, gid, nlink, size } = lstatSync(path);
  const isAsMade = mode === 0o100644 && uid === 0 && gid === 0 && nlink === 1 && size <= OVERWRITTEN_BYTES;
  return isAsMade && llistxattr(path).length === 0;
}
