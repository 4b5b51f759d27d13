// The files of layers, as archives and as numbers: everything that touches them is a job in the jail.
import { existsSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { isErrno } from '../../native-bindings/errno.ts';
import { closeFd } from '../../native-bindings/files.ts';
import type { ByteSource } from '../jail/decoding/decompress.ts';
import { holdTree } from '../jail/hold-tree.ts';
import type { Jail } from '../jail/jail.ts';
import { readableOf } from '../jail/jail-streams.ts';
import type { FileRange, PackResult, PackTimes, UnpackResult } from '../jail/messages.ts';
import type { Layer } from './layer.ts';
import type { LayerHold, LayerStore, StagedLayer } from './layer-store.ts';
import { mountLayers } from './overlay.ts';

/** Where an archive comes from: a stream that is taken over, or a part of a file that the caller keeps open. */
export type LayerSource = { readonly input: ByteSource } | { readonly from: FileRange };

export interface UnpackOptions {
  /** The layer becomes what its files make when they are packed, not what came. */
  repack?: boolean;
  /** Tell the digest of what came. */
  digest?: boolean;
  /** The caller syncs several at once, with `sync`. */
  unsynced?: boolean;
  signal?: AbortSignal;
}

interface Digesting {
  readonly work: Promise<unknown>;
  readonly cancel: AbortController;
  waiters: number;
}

export class LayerFiles {
  readonly #jail: Jail;
  readonly #layers: LayerStore;
  /** By the directory of the layer. */
  readonly #digesting = new Map<number, Digesting>();

  constructor(jail: Jail, layers: LayerStore) {
    this.#jail = jail;
    this.#layers = layers;
  }

  /** Unpacks an archive into a staged directory. */
  async unpack(directory: string, source: LayerSource, options: UnpackOptions = {}): Promise<UnpackResult> {
    const { repack = false, digest = false, unsynced = false, signal } = options;
    const fd = holdTree(directory);
    const from = 'from' in source ? { from: source.from } : {};
    return this.#jail.run<'unpack-layer'>(
      { do: 'unpack-layer', place: placeOf(fd), repack, digest, unsynced, ...from },
      [fd],
      { ...('input' in source ? { input: source.input } : {}), ...(signal === undefined ? {} : { signal }) },
    );
  }

  /** The plain archive of a layer that the caller holds, made of its files: always the same bytes. */
  pack(layer: Layer): Readable {
    const { port1, port2 } = new MessageChannel();
    const tar = readableOf(port2);
    packInto(this.#jail, this.#layers.dirOf(layer.number), port1).catch((error: Error) => tar.destroy(error));
    return tar;
  }

  /**
   * A layer of which the digest is known: that of an adopted one is computed now, once for all who ask meanwhile, and ended when the signals of all of
   * them are. The caller holds the layer.
   */
  async digest(number: number, signal?: AbortSignal): Promise<Layer> {
    using hold = this.#layers.hold(number);
    const { directory, diffId } = hold.layer;
    if (diffId !== '') return hold.layer;
    let digesting = this.#digesting.get(directory);
    // The job changes the files: one that was given up has to be at rest before the next one.
    for (; digesting?.cancel.signal.aborted; digesting = this.#digesting.get(directory))
      await unlessAborted(settled(digesting.work), signal);
    signal?.throwIfAborted();
    digesting ??= this.#beginDigest(number, directory);
    digesting.waiters++;
    try {
      await unlessAborted(digesting.work, signal);
    } finally {
      if (--digesting.waiters === 0) digesting.cancel.abort();
    }
    return hold.layer;
  }

  #beginDigest(number: number, directory: number): Digesting {
    const cancel = new AbortController();
    const work = this.#computeDigest(number, cancel.signal).finally(() => this.#digesting.delete(directory));
    // All who wait for it may have left.
    work.catch(() => undefined);
    const digesting = { work, cancel, waiters: 0 };
    this.#digesting.set(directory, digesting);
    return digesting;
  }

  async #computeDigest(number: number, signal: AbortSignal): Promise<void> {
    using hold = this.#layers.hold(number);
    const { parent } = hold.layer;
    using _reading = this.#layers.read(number);
    const below = this.#layers.chain(parent).map((layer) => this.#layers.dirOf(layer.number));
    const lowerFd = below.length === 0 ? undefined : mountLayers(below);
    try {
      const fd = holdTree(this.#layers.dirOf(number));
      const job = { do: 'digest-layer', place: placeOf(fd), ...(lowerFd === undefined ? {} : { lowerFd }) } as const;
      this.#layers.settle(number, await this.#jail.run<'digest-layer'>(job, [fd], { signal }));
    } finally {
      if (lowerFd !== undefined) closeFd(lowerFd);
    }
  }

  /** Brings all adopted layers to the disk, and their rows: before an image refers to one of them. */
  async syncAll(): Promise<void> {
    const unsynced = this.#layers.unsynced();
    if (unsynced.length > 0) {
      await this.sync(this.#layers.directory);
      this.#layers.setSynced(unsynced);
    }
    this.#layers.writeRows();
  }

  /** Brings to the disk what is staged: once for all that lies on the same file system. */
  async sync(directory: string): Promise<void> {
    const fd = holdTree(directory);
    await this.#jail.run<'sync'>({ do: 'sync', place: placeOf(fd) }, [fd]);
  }

  /** Whether a layer's files have as many bytes as they should have. */
  async isWhole(layer: Layer): Promise<boolean> {
    return (await this.#bytesOf(this.#layers.dirOf(layer.number))) === layer.sizeBytes;
  }

  /**
   * Puts staged files in the place of a layer's. `check` is called before that with how many bytes are left of it, and may throw. How bytes were
   * counted may have been another way once: what has as many as the new files have stays.
   */
  async repair(staged: StagedLayer, layer: Layer, check: (leftBytes: number | undefined) => void): Promise<LayerHold> {
    const left = await this.#bytesOf(this.#layers.dirOf(layer.number));
    if (left !== undefined && left === (await this.#bytesOf(staged.directory))) {
      this.#layers.setSize(layer.number, left);
      return this.#layers.hold(layer.number);
    }
    check(left);
    return this.#layers.replace(staged, layer.number);
  }

  /** Bytes of the disk, counted once: a layer does not change. */
  async usageBytes(layer: Layer): Promise<number> {
    const known = this.#layers.usageOf(layer.number);
    if (known !== undefined) return known;
    // It may be removed while it is counted.
    using _held = this.#layers.hold(layer.number);
    const path = this.#layers.dirOf(layer.number);
    // One whose files are lost takes nothing; it may come back.
    if (!existsSync(path)) return 0;
    const fd = holdTree(path);
    const bytes = await this.#jail.run<'usage'>({ do: 'usage', place: placeOf(fd) }, [fd]);
    this.#layers.setUsage(layer.number, bytes);
    return bytes;
  }

  /** undefined: it is not there. */
  async #bytesOf(directory: string): Promise<number | undefined> {
    try {
      if (!statSync(directory).isDirectory()) return undefined;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
    const fd = holdTree(directory);
    return this.#jail.run<'size'>({ do: 'size', place: placeOf(fd) }, [fd]);
  }
}

/** Rejects with the signal's reason as soon as it is aborted. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  signal?.throwIfAborted();
  const { promise: left, reject } = Promise.withResolvers<never>();
  const leave = (): void => reject(signal?.reason);
  signal?.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([work, left]);
  } finally {
    signal?.removeEventListener('abort', leave);
  }
}

function settled(work: Promise<unknown>): Promise<void> {
  return work.then(
    () => undefined,
    () => undefined,
  );
}

/** Copies a directory into another as a layer's archive would: from one worker straight to the other, the main thread sees none of the bytes. */
export async function copyAsLayer(jail: Jail, from: string, to: string, times?: PackTimes): Promise<PackResult> {
  const { port1, port2 } = new MessageChannel();
  const cancel = new AbortController();
  const { signal } = cancel;
  const target = holdTree(to);
  const packing = packInto(jail, from, port1, { signal, ...(times === undefined ? {} : { times }) });
  const job = { do: 'unpack-layer', place: placeOf(target), repack: false } as const;
  const unpacking = jail.run<'unpack-layer'>(job, [target], { inputPort: port2, signal });
  try {
    const [packed] = await Promise.all([packing, unpacking]);
    return packed;
  } catch (error) {
    cancel.abort(error);
    await Promise.allSettled([packing, unpacking]);
    throw error;
  }
}

async function packInto(
  jail: Jail,
  directory: string,
  outputPort: MessagePort,
  { signal, times }: { readonly signal?: AbortSignal; readonly times?: PackTimes } = {},
): Promise<PackResult> {
  const fd = holdTree(directory);
  const options = signal === undefined ? { outputPort } : { outputPort, signal };
  const job = { do: 'pack-layer', place: placeOf(fd), ...(times === undefined ? {} : { times }) } as const;
  return jail.run<'pack-layer'>(job, [fd], options);
}

function placeOf(rootFd: number) {
  return { kind: 'tree', rootFd, mounts: [] } as const;
}
