// The writable layers of containers: containers/<id>/{upper,work}, and `init`, a symbolic link to the init layer below them. The link is
// the record: it is written with the directories, so that there is nothing that could disagree.
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd } from '../../native-bindings/files.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { MountPoint } from '../jail/file-facts.ts';
import { holdTree } from '../jail/hold-tree.ts';
import type { Jail } from '../jail/jail.ts';
import type { MountPointSpec } from '../jail/messages.ts';
import type { Trash } from '../jail/trash.ts';
import { defaultInitKey, type LayerHold, type LayerStore } from './layer-store.ts';
import { mountLayers, mountOverlay, overlayCalls } from './overlay.ts';
import type { SnapshotRoot } from './snapshot-root.ts';
import type { ContainerLayers } from './snapshots.ts';
import { ROOT_MODE, SpareLayers } from './spare-layers.ts';

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
const MAX_KNOWN_DIRECTORIES = 1000;
/** Containers whose files one job counts: handing a job over takes longer than the count of a small container. */
const SIZES_PER_JOB = 32;
/** Jobs that one request for many sizes has at a time: others' archives must not wait until all is counted. */
const SIZE_JOBS = 2;
/** The kernel's, without the NUL (PATH_MAX). */
const MAX_PATH_BYTES = 4095;

export class ContainerLayerStore implements ContainerLayers {
  readonly #root: SnapshotRoot;
  readonly #layers: LayerStore;
  readonly #trash: Trash;
  readonly #jail: Jail;
  readonly #spares: SpareLayers;
  /** Throws for an image that is not there. */
  readonly #topLayerOf: (imageId: string) => number | undefined;
  /** The init layer of each container, held while the container is there. */
  readonly #inits = new Map<string, LayerHold>();
  readonly #making = new Map<string, Promise<LayerHold>>();
  /** Of images: what was looked for and is there. */
  readonly #directories = new Set<string>();
  /** Roots that were mounted ahead, of containers that nobody has opened yet. */
  readonly #ready = new Map<string, number>();

  constructor(
    root: SnapshotRoot,
    layers: LayerStore,
    trash: Trash,
    jail: Jail,
    topLayerOf: (imageId: string) => number | undefined,
  ) {
    this.#root = root;
    this.#layers = layers;
    this.#trash = trash;
    this.#jail = jail;
    this.#spares = new SpareLayers(root.spare, trash, (directory, number) =>
      mountOverlay({ lower: this.#lowerDirs(number), ...writableDirs(directory) }),
    );
    this.#topLayerOf = topLayerOf;
    for (const id of readdirSync(root.containers)) {
      const number = this.#initOf(id);
      // Without its lowest layer a container cannot be used any more; it can be removed.
      if (number !== undefined && layers.has(number)) this.#inits.set(id, layers.hold(number));
    }
  }

  async create(id: string, imageId: string, mountPoints: readonly MountPoint[]): Promise<void> {
    checkId(id);
    const top = this.#topLayerOf(imageId);
    const init = this.#known(top, mountPoints) ?? (await this.#makeInit(top, mountPoints));
    const directory = join(this.#root.containers, id);
    const spare = this.#spares.place(init.layer, directory);
    if (spare !== undefined) {
      if (spare.root !== undefined) this.#ready.set(id, spare.root);
      this.#inits.set(id, init);
      return;
    }
    try {
      mkdirSync(directory, { mode: 0o700 });
      mkdirSync(join(directory, 'work'), { mode: 0o700 });
      const upper = join(directory, 'upper');
      mkdirSync(upper);
      makeRoot(upper);
      symlinkSync(`../../layers/${init.layer.number}`, join(directory, 'init'));
    } catch (error) {
      init[Symbol.dispose]();
      throw error;
    }
    this.#inits.set(id, init);
  }

  async makeDirectory(id: string, imageId: string, path: string): Promise<void> {
    if (Buffer.byteLength(path) > MAX_PATH_BYTES)
      throw new EngineError('invalid', `Cannot mkdir: ${path.slice(0, 100)}…: file name too long`);
    const key = `${imageId} ${path}`;
    if (this.#directories.has(key)) return;
    if (await this.#isInImage(imageId, path)) {
      if (this.#directories.size >= MAX_KNOWN_DIRECTORIES) this.#directories.clear();
      this.#directories.add(key);
      return;
    }
    const fd = this.openRoot(id);
    const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
    await this.#jail.run<'make-mount-points'>(
      { do: 'make-mount-points', place, points: [{ path, kind: 'directory' }] },
      [fd],
    );
  }

  async #isInImage(imageId: string, path: string): Promise<boolean> {
    if (this.#topLayerOf(imageId) === undefined) return false;
    const fd = this.openImage(imageId);
    try {
      const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
      await this.#jail.run<'stat'>({ do: 'stat', place, path: `${path}/.` }, [fd]);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      if (isErrno(error, 'ENOTDIR', 'ELOOP'))
        throw new EngineError('invalid', `Cannot mkdir: ${path} is not a directory`, { cause: error });
      throw error;
    }
  }

  openRoot(id: string): number {
    // Whoever comes first has it: an upper directory is never in two overlays that are both used.
    const ready = this.#ready.get(id);
    this.#ready.delete(id);
    return ready ?? mountOverlay(this.layerDirs(id));
  }

  upperDir(id: string): string {
    checkId(id);
    return join(this.#root.containers, id, 'upper');
  }

  layerDirs(id: string): { lower: string[]; upper: string; work: string } {
    const lower = this.#lowerDirs(this.#init(id).layer.number);
    return { lower, ...writableDirs(join(this.#root.containers, id)) };
  }

  #lowerDirs(init: number): string[] {
    return this.#layers.chain(init).map(({ number }) => this.#layers.dirOf(number));
  }

  imageLayerDirs(imageId: string): string[] {
    return this.#layers.chain(this.#topLayerOf(imageId)).map(({ number }) => this.#layers.dirOf(number));
  }

  openImage(imageId: string): number {
    const lower = this.imageLayerDirs(imageId);
    if (lower.length === 0) throw new EngineError('invalid', `the image ${imageId} has no files`);
    return mountLayers(lower);
  }

  rootCalls(dirs: { lower: readonly string[]; upper: string; work: string }): string[] {
    return overlayCalls(dirs);
  }

  async changes(id: string): Promise<Readable> {
    const { lower, upper } = this.layerDirs(id);
    const lowerFd = mountLayers(lower);
    let rootFd: number;
    try {
      rootFd = holdTree(upper);
    } catch (error) {
      closeFd(lowerFd);
      throw error;
    }
    const place = { kind: 'tree', rootFd, mounts: [] } as const;
    return (await this.#jail.stream({ do: 'changes', place, lowerFd }, [rootFd], [lowerFd])).tar;
  }

  async sizeBytes(id: string): Promise<number> {
    this.#init(id);
    const fd = holdTree(this.upperDir(id));
    return this.#jail.run<'size'>({ do: 'size', place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
  }

  async usageBytes(id: string): Promise<number> {
    this.#init(id);
    const fd = holdTree(join(this.#root.containers, id));
    return this.#jail.run<'usage'>({ do: 'usage', place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
  }

  async sizesOf(ids: readonly string[], count: 'size' | 'usage'): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    const known = ids.filter((id) => this.#inits.has(id));
    const parts = Array.from({ length: Math.ceil(known.length / SIZES_PER_JOB) }, (_, n) =>
      known.slice(n * SIZES_PER_JOB, (n + 1) * SIZES_PER_JOB),
    ).values();
    const countParts = async (): Promise<void> => {
      for (const part of parts) {
        const directories = part.map((id) =>
          relative(this.#root.containers, count === 'size' ? this.upperDir(id) : join(this.#root.containers, id)),
        );
        const fd = holdTree(this.#root.containers);
        const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
        const counted = await this.#jail.run<'sizes'>({ do: 'sizes', place, count, directories }, [fd]);
        for (const [n, id] of part.entries()) {
          const bytes = counted[n];
          if (typeof bytes === 'number') sizes.set(id, bytes);
        }
      }
    };
    await Promise.all(Array.from({ length: SIZE_JOBS }, countParts));
    return sizes;
  }

  remove(id: string, { isSealed } = { isSealed: false }): void {
    checkId(id);
    const ready = this.#ready.get(id);
    this.#ready.delete(id);
    if (ready !== undefined) closeFd(ready);
    const init = this.#inits.get(id);
    const directory = join(this.#root.containers, id);
    if (init === undefined || !isSealed || !this.#spares.keep(directory, init.layer)) this.#trash.discard(directory);
    if (init === undefined) return;
    this.#inits.delete(id);
    init[Symbol.dispose]();
    this.#layers.dropUnusedInit(init.layer);
  }

  /** Closes what was mounted ahead: the files below have changed. */
  forgetMounts(): void {
    for (const fd of this.#ready.values()) closeFd(fd);
    this.#ready.clear();
    this.#spares.forgetMounts();
  }

  makeRoom(): Promise<void> {
    return this.#trash.empty();
  }

  ids(): string[] {
    return [...this.#inits.keys()];
  }

  #init(id: string): LayerHold {
    checkId(id);
    const init = this.#inits.get(id);
    if (init === undefined) throw new EngineError('not-found', `no such container layer: ${id}`);
    return init;
  }

  #initOf(id: string): number | undefined {
    try {
      return Number(basename(readlinkSync(join(this.#root.containers, id, 'init'))));
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'EINVAL', 'ENOTDIR')) return undefined;
      throw error;
    }
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
  async #makeInit(top: number | undefined, mountPoints: readonly MountPoint[]): Promise<LayerHold> {
    if (mountPoints.length > MAX_MOUNT_POINTS)
      throw new EngineError('invalid', `more than ${MAX_MOUNT_POINTS} mount points`);
    const key = this.#keyOf(top, mountPoints);
    let making = this.#making.get(key);
    if (making === undefined) {
      making = this.#layers.make(top, (directory) => this.#fillInit(key, top, mountPoints, directory));
      this.#making.set(key, making);
      const forget = (): boolean => this.#making.delete(key);
      // Those who wait take their own holds before the first one goes.
      making.then((hold) => setImmediate(() => hold[Symbol.dispose]()), forget).then(forget);
    }
    const made = await making;
    return this.#layers.hold(made.layer.number);
  }

  async #fillInit(key: string, top: number | undefined, mountPoints: readonly MountPoint[], upper: string) {
    const work = join(upper, '..', 'work');
    const empty = join(upper, '..', 'empty');
    mkdirSync(work);
    mkdirSync(empty);
    makeRoot(upper);
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

/**
 * A container's root is root's and everybody may go through it, as docker has it, whatever an archive says of its own "./": tar(1) writes
 * down the mode of the directory that somebody happened to pack, and with 0700 no other user could run anything.
 */
function makeRoot(upper: string): void {
  chmodSync(upper, ROOT_MODE);
}

function checkId(id: string): void {
  if (!/^[0-9a-f]{64}$/.test(id))
    throw new EngineError('invalid', `not a container id: ${JSON.stringify(id.slice(0, 80))}`);
}

function writableDirs(directory: string): { upper: string; work: string } {
  return { upper: join(directory, 'upper'), work: join(directory, 'work') };
}
