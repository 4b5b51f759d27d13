// Writable layers by overlayfs: containers/<id>/{upper,work}, and `init`, a symbolic link to the init layer below them. The link is
// the record: it is written with the directories, so that there is nothing that could disagree.
import { chmodSync, mkdirSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd } from '../../native-bindings/files.ts';
import { EngineError } from '../errors/engine-error.ts';
import { holdTree } from '../jail/hold-tree.ts';
import type { Jail } from '../jail/jail.ts';
import type { Trash } from '../jail/trash.ts';
import { BareRoots } from './bare-roots.ts';
import { InitLayers, ROOT_MODE } from './init-layers.ts';
import { copyAsLayer } from './layer-files.ts';
import type { LayerHold, LayerStore } from './layer-store.ts';
import { mountLayers, mountOverlay, overlayCalls } from './overlay.ts';
import type { SnapshotRoot } from './snapshot-root.ts';
import type { Parent, SnapshotCount, SnapshotDirs, SnapshotOptions, Snapshots, StepRoot } from './snapshots.ts';
import { SpareLayers } from './spare-layers.ts';
import { StepRoots } from './step-roots.ts';

const MAX_KNOWN_DIRECTORIES = 1000;
/** Containers whose files one job counts: handing a job over takes longer than the count of a small container. */
const SIZES_PER_JOB = 32;
/** Jobs that one request for many sizes has at a time: others' archives must not wait until all is counted. */
const SIZE_JOBS = 2;
/** The kernel's, without the NUL (PATH_MAX). */
const MAX_PATH_BYTES = 4095;

export class OverlaySnapshots implements Snapshots {
  readonly #root: SnapshotRoot;
  readonly #layers: LayerStore;
  readonly #trash: Trash;
  readonly #jail: Jail;
  readonly #spares: SpareLayers;
  readonly #initLayers: InitLayers;
  readonly #stepRoots: StepRoots;
  /** The init layer of each container, held while the container is there. */
  readonly #inits = new Map<string, LayerHold>();
  readonly #bare: BareRoots;
  /** Of images: what was looked for and is there. */
  readonly #directories = new Set<string>();
  /** Roots that were mounted ahead, of containers that nobody has opened yet. */
  readonly #ready = new Map<string, number>();

  constructor(root: SnapshotRoot, layers: LayerStore, trash: Trash, jail: Jail) {
    this.#root = root;
    this.#layers = layers;
    this.#trash = trash;
    this.#jail = jail;
    this.#initLayers = new InitLayers(layers, jail);
    this.#bare = new BareRoots(root, layers);
    this.#stepRoots = new StepRoots({ root, layers, trash });
    this.#spares = new SpareLayers(root.spare, trash, (directory, number) =>
      mountOverlay({ lower: this.#lowerDirs(number), ...writableDirs(directory) }),
    );
    layers.onReplace(() => this.#forgetMounts());
    for (const id of readdirSync(root.containers)) {
      const number = this.#initOf(id);
      // Without its lowest layer a container cannot be used any more; it can be removed.
      if (number !== undefined && layers.has(number)) this.#inits.set(id, layers.hold(number));
    }
  }

  async prepare(id: string, parent: Parent, options: SnapshotOptions = {}): Promise<void> {
    checkId(id);
    const { mountPoints = [], sizeBytes, idMap, isBare } = options;
    if (sizeBytes !== undefined) throw notImplemented('sizeBytes');
    if (idMap !== undefined) throw notImplemented('idMap');
    if (isBare) {
      if (mountPoints.length > 0) throw new TypeError('a bare snapshot has no mount points of its own');
      this.#bare.prepare(id, parent);
      return;
    }
    const init = await this.#initLayers.hold(parent, mountPoints);
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
      chmodSync(upper, ROOT_MODE);
      symlinkSync(`../../layers/${init.layer.number}`, join(directory, 'init'));
    } catch (error) {
      init[Symbol.dispose]();
      throw error;
    }
    this.#inits.set(id, init);
  }

  async makeDirectory(id: string, path: string): Promise<void> {
    if (Buffer.byteLength(path) > MAX_PATH_BYTES)
      throw new EngineError('invalid', `Cannot mkdir: ${path.slice(0, 100)}…: file name too long`);
    const parent = this.#parentOf(id);
    const key = `${parent} ${path}`;
    if (this.#directories.has(key)) return;
    if (parent !== undefined && (await this.#isIn(parent, path))) {
      if (this.#directories.size >= MAX_KNOWN_DIRECTORIES) this.#directories.clear();
      this.#directories.add(key);
      return;
    }
    const fd = this.mount(id);
    const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
    await this.#jail.run<'make-mount-points'>(
      { do: 'make-mount-points', place, points: [{ path, kind: 'directory' }] },
      [fd],
    );
  }

  async #isIn(layer: number, path: string): Promise<boolean> {
    const fd = this.view(layer);
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

  mount(id: string): number {
    // Whoever comes first has it: an upper directory is never in two overlays that are both used.
    const ready = this.#ready.get(id);
    this.#ready.delete(id);
    return ready ?? this.#bare.mount(id) ?? mountOverlay(this.dirs(id));
  }

  async commit(id: string): Promise<LayerHold> {
    const parent = this.#parentOf(id);
    const { upper } = this.dirs(id);
    return this.#layers.make(parent, (directory) => copyAsLayer(this.#jail, upper, directory));
  }

  seal(id: string): LayerHold {
    const parent = this.#parentOf(id);
    const layer = this.#layers.adopt(this.dirs(id).upper, parent);
    this.remove(id);
    return layer;
  }

  dirs(id: string): SnapshotDirs {
    const lower = this.#bare.lowerDirs(id) ?? this.#lowerDirs(this.#init(id).layer.number);
    return { lower, ...writableDirs(join(this.#root.containers, id)) };
  }

  #lowerDirs(init: number): string[] {
    return this.#layers.chain(init).map(({ number }) => this.#layers.dirOf(number));
  }

  viewDirs(parent: Parent): string[] {
    return this.#layers.chain(parent).map(({ number }) => this.#layers.dirOf(number));
  }

  openRoot(parent: Parent): StepRoot {
    return this.#stepRoots.open(parent);
  }

  view(layer: number): number {
    return mountLayers(this.viewDirs(layer));
  }

  mountCalls(dirs: SnapshotDirs): string[] {
    return overlayCalls(dirs);
  }

  async diff(id: string): Promise<Readable> {
    const { lower, upper } = this.dirs(id);
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

  async usage(id: string, count: SnapshotCount): Promise<number> {
    this.#parentOf(id);
    const fd = holdTree(this.#counted(id, count));
    return this.#jail.run<SnapshotCount>({ do: count, place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
  }

  async usages(ids: readonly string[], count: SnapshotCount): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    const known = ids.filter((id) => this.#inits.has(id) || this.#bare.has(id));
    const parts = Array.from({ length: Math.ceil(known.length / SIZES_PER_JOB) }, (_, n) =>
      known.slice(n * SIZES_PER_JOB, (n + 1) * SIZES_PER_JOB),
    ).values();
    const countParts = async (): Promise<void> => {
      for (const part of parts) {
        const directories = part.map((id) => relative(this.#root.containers, this.#counted(id, count)));
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
    this.#bare.forget(id);
    if (init === undefined) return;
    this.#inits.delete(id);
    init[Symbol.dispose]();
    this.#layers.dropUnusedInit(init.layer);
  }

  /** Closes what was mounted ahead: the files below have changed. */
  #forgetMounts(): void {
    for (const fd of this.#ready.values()) closeFd(fd);
    this.#ready.clear();
    this.#spares.forgetMounts();
  }

  makeRoom(): Promise<void> {
    return this.#trash.empty();
  }

  ids(): string[] {
    return [...this.#inits.keys(), ...this.#bare.ids()];
  }

  /** What is counted of it. It may have gone meanwhile. */
  #counted(id: string, count: SnapshotCount): string {
    const directory = join(this.#root.containers, id);
    return count === 'size' ? writableDirs(directory).upper : directory;
  }

  #parentOf(id: string): Parent {
    return this.#bare.has(id) ? this.#bare.parentOf(id) : this.#init(id).layer.parent;
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
}

function notImplemented(option: keyof SnapshotOptions): EngineError {
  return new EngineError('not-implemented', `prepare snapshot: ${option} is not there yet with overlayfs`);
}

function checkId(id: string): void {
  if (!/^[0-9a-f]{64}$/.test(id))
    throw new EngineError('invalid', `not a container id: ${JSON.stringify(id.slice(0, 80))}`);
}

function writableDirs(directory: string): { upper: string; work: string } {
  return { upper: join(directory, 'upper'), work: join(directory, 'work') };
}
