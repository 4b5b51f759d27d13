// The volumes of the `local` driver: rows, directories, and who uses what. A volume goes row first ('removing'), then its directory by a rename,
// then the row: a daemon that is killed in between finishes at its next start.
import { EngineError, isEngineError } from '../errors/engine-error.ts';
import { holdTree } from '../jail/hold-tree.ts';
import type { Jail } from '../jail/jail.ts';
import type { Filters } from '../state/filters.ts';
import { Claim } from './claim.ts';
import { type CopySource, copyTree, lookInImage } from './copy-up.ts';
import { HeldMount } from './held-mount.ts';
import { planLocalMount } from './local-options.ts';
import { narrow, openBelow, openLocalMount } from './open-volume.ts';
import type { VolatileMounts } from './volatile-mounts.ts';
import type { VolumeDirectories } from './volume-directories.ts';
import { pruneFilter, volumeFilter } from './volume-filters.ts';
import {
  anonymousLabel,
  anonymousName,
  checkDriver,
  checkTexts,
  checkVolumeName,
  localDriver,
  type VolumeRecord,
  type VolumeRequest,
  type VolumeStatus,
} from './volume-record.ts';
import type {
  ContainerVolumes,
  MeasuredVolume,
  PrunedVolumes,
  SeenVolume,
  VolumeClaim,
  VolumeService,
  VolumeUser,
} from './volume-service.ts';
import type { VolumeTable } from './volume-table.ts';

export interface LocalVolumesParts {
  table: VolumeTable;
  directories: VolumeDirectories;
  volatile: VolatileMounts;
  jail: Jail;
  usersOf: (name: string) => readonly VolumeUser[];
  onEvent: (action: 'create' | 'destroy' | 'prune', id: string, attributes: Record<string, string>) => void;
  nowNs: () => bigint;
}

export class LocalVolumes implements VolumeService, ContainerVolumes {
  readonly #parts: LocalVolumesParts;
  readonly #claims = new Set<Claim>();
  /** Copies under way, by volume: the next one waits and then finds files. */
  readonly #copying = new Map<string, Promise<unknown>>();

  constructor(parts: LocalVolumesParts) {
    this.#parts = parts;
  }

  list(filters: Filters): SeenVolume[] {
    const matches = volumeFilter(filters, (name) => this.#holders(name).length > 0);
    return this.#ready()
      .filter(matches)
      .map((record) => this.#seen(record));
  }

  create(request: VolumeRequest): SeenVolume {
    return this.#seen(this.obtain(request, 'ready').record);
  }

  inspect(name: string): SeenVolume {
    return this.#seen(this.#get(name));
  }

  remove(name: string, { force }: { force: boolean }): void {
    const row = this.#parts.table.get(name);
    if (row === undefined) {
      if (force) return;
      throw new EngineError('not-found', `get ${name}: no such volume`);
    }
    const holders = this.#holders(name);
    if (holders.length > 0) {
      throw new EngineError('conflict', `remove ${name}: volume is in use - [${holders.join(', ')}]`);
    }
    this.#parts.table.settle([name], 'removing', () => undefined);
    this.finishRemoval(name);
  }

  async prune(filters: Filters, all: boolean): Promise<PrunedVolumes> {
    const matches = pruneFilter(filters, all);
    const removed: string[] = [];
    let reclaimedBytes = 0;
    for (const record of this.#ready().filter(matches)) {
      if (this.#holders(record.name).length > 0) continue;
      const bytes = await this.#sizeBytes(record).catch(() => 0);
      // Somebody may have taken it, or removed it, meanwhile.
      if (this.#holders(record.name).length > 0 || this.#parts.table.get(record.name) === undefined) continue;
      this.remove(record.name, { force: true });
      removed.push(record.name);
      reclaimedBytes += Math.max(0, bytes);
    }
    this.#parts.onEvent('prune', '', { reclaimed: String(reclaimedBytes) });
    return { removed, reclaimedBytes };
  }

  async usage(): Promise<MeasuredVolume[]> {
    const found: MeasuredVolume[] = [];
    for (const record of this.#ready()) {
      const sizeBytes = await this.#sizeBytes(record).catch(() => undefined);
      const users = this.#parts.usersOf(record.name).length;
      found.push({ ...this.#seen(record), sizeBytes, users });
    }
    return found;
  }

  claim(containerId: string): VolumeClaim {
    const claim: Claim = new Claim(containerId, this, this.#parts.table, () => this.#claims.delete(claim));
    this.#claims.add(claim);
    return claim;
  }

  mountpoint(name: string): string {
    return this.#parts.directories.data(name);
  }

  async open(name: string, subpath: string): Promise<HeldMount> {
    const record = this.#usable(name);
    const { directories, jail, volatile, usersOf } = this.#parts;
    const plan = planLocalMount(record.options);
    if (plan === undefined) {
      directories.ensure(name);
      return new HeldMount(openBelow(directories.data(name), subpath));
    }
    if (plan.kind === 'file-system' && plan.isVolatile) return volatile.open(name, plan, subpath, () => usersOf(name));
    return new HeldMount(await narrow(jail, await openLocalMount(jail, name, plan), subpath));
  }

  async narrow(mount: HeldMount, subpath: string): Promise<HeldMount> {
    return new HeldMount(await narrow(this.#parts.jail, mount.take(), subpath));
  }

  /** One after the other for a volume; what fails leaves it empty. */
  copyUp(name: string, path: string, openImage: () => number): Promise<CopySource> {
    const before = this.#copying.get(name) ?? Promise.resolve();
    const copy = before.catch(() => undefined).then(() => this.#copyUp(this.#usable(name), path, openImage));
    const done = copy.finally(() => {
      if (this.#copying.get(name) === done) this.#copying.delete(name);
    });
    this.#copying.set(name, done);
    return done;
  }

  removeWith<T>(names: readonly string[], work: () => T): T {
    const { table } = this.#parts;
    // The container that is about to go is still counted; its own claim is none.
    const going = names.filter((name) => table.get(name) !== undefined && this.#holders(name).length <= 1);
    const result = table.settle(going, 'removing', work);
    for (const name of going) this.finishRemoval(name);
    return result;
  }

  /** Finds or makes. `status` is that of a new one. */
  obtain(request: VolumeRequest, status: VolumeStatus): { record: VolumeRecord; isNew: boolean } {
    const { table, directories, onEvent, nowNs } = this.#parts;
    checkDriver(request.name, request.driver);
    const isAnonymous = request.name === '';
    const name = isAnonymous ? anonymousName() : request.name;
    checkVolumeName(name);
    const there = table.get(name);
    if (there !== undefined && there.status !== 'removing') {
      if (status === 'ready' && there.status === 'pending') table.settle([name], 'ready', () => undefined);
      return { record: there.record, isNew: false };
    }
    // Its files could not be moved away then; now they have to be.
    if (there !== undefined) this.finishRemoval(name);
    checkTexts('labels', request.labels);
    checkTexts('options', request.options);
    checkOptions(name, request.options);
    const labels = isAnonymous ? { ...request.labels, [anonymousLabel]: '' } : request.labels;
    const record = { name, createdNs: nowNs().toString(), labels, options: request.options };
    directories.make(name);
    table.insert(record, status);
    onEvent('create', name, { driver: localDriver });
    return { record, isNew: true };
  }

  /** Of a row that says 'removing', or of one that nobody ever had. */
  finishRemoval(name: string): void {
    const { directories, table, onEvent } = this.#parts;
    directories.discard(name);
    table.delete(name);
    onEvent('destroy', name, { driver: localDriver });
  }

  isHeld(name: string): boolean {
    return this.#holders(name).length > 0;
  }

  async #copyUp(record: VolumeRecord, path: string, openImage: () => number): Promise<CopySource> {
    const { jail, directories } = this.#parts;
    const { name } = record;
    // What a device holds is nobody's business here, and a tmpfs would forget it.
    if (planLocalMount(record.options) !== undefined) return 'unknown';
    directories.ensure(name);
    if (!directories.isEmpty(name)) return 'unknown';
    const source = await lookInImage(jail, openImage(), path);
    if (source !== 'directory') return source;
    directories.beginCopy(name);
    try {
      await copyTree(jail, openImage(), path, holdTree(directories.copy(name)));
      directories.commitCopy(name);
      return source;
    } catch (error) {
      directories.discardCopy(name);
      throw error;
    }
  }

  #sizeBytes({ name, options }: VolumeRecord): Promise<number> {
    // What a device or a tmpfs holds is not on the engine's disk.
    if (planLocalMount(options) !== undefined) return Promise.resolve(0);
    const fd = holdTree(this.#parts.directories.data(name));
    return this.#parts.jail.run<'size'>({ do: 'size', place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
  }

  #ready(): VolumeRecord[] {
    return this.#parts.table
      .all()
      .filter(({ status }) => status !== 'removing')
      .map(({ record }) => record)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #get(name: string): VolumeRecord {
    const row = this.#parts.table.get(name);
    if (row === undefined || row.status === 'removing')
      throw new EngineError('not-found', `get ${name}: no such volume`);
    return row.record;
  }

  #usable(name: string): VolumeRecord {
    const record = this.#get(name);
    // It may be another one than the empty directory that would be mounted.
    if (this.#parts.table.get(name)?.isUnreadable)
      throw new EngineError('system', `mount volume ${name}: its stored record cannot be read: remove it`);
    return record;
  }

  /** Ids of containers that have it or are about to. */
  #holders(name: string): string[] {
    const ids = new Set(this.#parts.usersOf(name).map(({ containerId }) => containerId));
    for (const claim of this.#claims) if (claim.has(name)) ids.add(claim.containerId);
    return [...ids];
  }

  #seen(record: VolumeRecord): SeenVolume {
    return { record, mountpoint: this.mountpoint(record.name) };
  }
}

/** As planLocalMount, for a request. */
function checkOptions(name: string, options: VolumeRequest['options']): void {
  try {
    planLocalMount(options);
  } catch (error) {
    if (!isEngineError(error, 'invalid')) throw error;
    throw new EngineError('invalid', `create ${name}: ${error.message}`, { cause: error });
  }
}
