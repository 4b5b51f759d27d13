// Init layers: what a container needs to find on its image before anything is mounted, made once for all containers of an image that have the
// same mount points. So a container's own layer holds exactly what the container changed.
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../errors/engine-error.ts';
import type { MountPoint } from '../jail/file-facts.ts';
import type { Jail } from '../jail/jail.ts';
import type { MountPointSpec } from '../jail/messages.ts';
import { defaultInitKey } from './layer-keys.ts';
import type { LayerHold, LayerStore } from './layer-store.ts';
import { mountOverlay } from './overlay.ts';

/**
 * A container's root is root's and everybody may go through it, as docker has it, whatever an archive says of its own "./": tar(1) writes
 * down the mode of the directory that somebody happened to pack, and with 0700 no other user could run anything.
 */
export const ROOT_MODE = 0o755;

/** In every container, in the form that Docker has them. */
const alwaysThere: readonly MountPointSpec[] = [
  ...['/dev', '/dev/pts', '/dev/shm', '/proc', '/sys'].map((path) => ({ path, kind: 'directory' as const })),
  ...['/.dockerenv', '/dev/console', '/etc/hosts', '/etc/hostname', '/etc/resolv.conf'].map((path) => ({
    path,
    kind: 'file' as const,
  })),
  { path: '/etc/mtab', kind: 'symlink', target: '/proc/mounts' },
];
const MAX_MOUNT_POINTS = 10_000;

export class InitLayers {
  readonly #layers: LayerStore;
  readonly #jail: Jail;
  readonly #making = new Map<string, Promise<LayerHold>>();

  constructor(layers: LayerStore, jail: Jail) {
    this.#layers = layers;
    this.#jail = jail;
  }

  /** The init layer for containers on `parent` with these mount points, made when there is none. */
  async hold(parent: number | undefined, mountPoints: readonly MountPoint[]): Promise<LayerHold> {
    return this.#known(parent, mountPoints) ?? (await this.#make(parent, mountPoints));
  }

  #known(top: number | undefined, mountPoints: readonly MountPoint[]): LayerHold | undefined {
    const layer = this.#layers.byKey(this.#keyOf(top, mountPoints));
    // One whose files were lost is made again.
    if (layer === undefined || !existsSync(this.#layers.dirOf(layer.number))) return undefined;
    return this.#layers.hold(layer.number);
  }

  #keyOf(top: number | undefined, mountPoints: readonly MountPoint[]): string {
    const base = defaultInitKey(top === undefined ? undefined : this.#layers.get(top));
    if (mountPoints.length === 0) return base;
    const sorted = mountPoints.map(({ path, kind }) => `${kind} ${path}`).sort();
    return `${base}:${createHash('sha256').update(sorted.join('\0')).digest('hex')}`;
  }

  /** Containers that are made at the same time share the making. */
  async #make(top: number | undefined, mountPoints: readonly MountPoint[]): Promise<LayerHold> {
    if (mountPoints.length > MAX_MOUNT_POINTS)
      throw new EngineError('invalid', `more than ${MAX_MOUNT_POINTS} mount points`);
    const key = this.#keyOf(top, mountPoints);
    let making = this.#making.get(key);
    if (making === undefined) {
      making = this.#layers.make(top, (directory) => this.#fill(key, top, mountPoints, directory));
      this.#making.set(key, making);
      const forget = (): boolean => this.#making.delete(key);
      // Those who wait take their own holds before the first one goes.
      void making.then((hold) => setImmediate(() => hold[Symbol.dispose]()), forget).then(forget);
    }
    const made = await making;
    return this.#layers.hold(made.layer.number);
  }

  async #fill(key: string, top: number | undefined, mountPoints: readonly MountPoint[], upper: string) {
    const work = join(upper, '..', 'work');
    const empty = join(upper, '..', 'empty');
    mkdirSync(work);
    mkdirSync(empty);
    chmodSync(upper, ROOT_MODE);
    const lower = this.#layers.chain(top).map(({ number }) => this.#layers.dirOf(number));
    const fd = mountOverlay({ lower: lower.length === 0 ? [empty] : lower, upper, work });
    const points = [...alwaysThere, ...mountPoints];
    await this.#jail.run<'make-mount-points'>(
      { do: 'make-mount-points', place: { kind: 'tree', rootFd: fd, mounts: [] }, points },
      [fd],
    );
    return { diffId: '', sizeBytes: 0, key, kind: 'init' as const };
  }
}
