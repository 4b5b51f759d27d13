// Directories that steps of builds keep between them (RUN --mount=type=cache): on the data root, one or more for a key, each with its record.
// Who may have one at the same time as others is BuildKit's rule: 'shared' any number, 'private' nobody else, who then gets another directory,
// 'locked' nobody else, who then waits.
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { holdTree } from '../../jail/hold-tree.ts';
import type { Jail } from '../../jail/jail.ts';
import type { Trash } from '../../jail/trash.ts';
import { type CacheMountRecord, readRecord, writeRecord } from './cache-mount-record.ts';
import { fillFrom } from './fill-from.ts';

export interface CacheMountRequest {
  readonly id: string;
  /** What it holds at first, by what that is for good; empty: nothing. Another origin is another directory. */
  readonly origin: string;
  readonly sharing: 'shared' | 'private' | 'locked';
  /** Of a new one that is empty. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly description: string;
  /** A mount of what it holds at first; the callee closes it. */
  readonly openContent?: () => Promise<number>;
}

/** Somebody's use of a directory; disposing of it ends it. */
export interface CacheMountLease extends Disposable {
  readonly directory: string;
  /** Somebody else had it at some time of this use. */
  readonly wasShared: boolean;
}

/** As the outside sees one. */
export interface SeenCacheMount extends CacheMountRecord {
  readonly isInUse: boolean;
}

interface Entry {
  record: CacheMountRecord;
  /** Several of 'shared', or one of another kind. */
  readonly leases: Set<Lease>;
  /** Resolves when its files are there. */
  readonly made: Promise<void>;
}

interface Waiter {
  readonly key: string;
  readonly wake: () => void;
}

export interface CacheMountsOptions {
  /** Made when it is missing. On the file system of the trash. */
  readonly path: string;
  readonly jail: Jail;
  readonly trash: Trash;
  /** What goes wrong behind the back of those who ask: a directory that cannot be counted. */
  readonly onError: (error: unknown) => void;
}

export class CacheMounts {
  readonly #options: CacheMountsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #waiting = new Set<Waiter>();
  readonly #counting = new Set<Promise<void>>();

  constructor(options: CacheMountsOptions) {
    const { path, trash } = options;
    this.#options = options;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(path)) {
      const record = readRecord(join(path, name), name);
      if (record !== undefined) this.#entries.set(name, { record, leases: new Set(), made: Promise.resolve() });
      // It was being made, or thrown away, when the daemon went.
      else trash.discard(join(path, name));
    }
  }

  /** Waits where it has to. Rejects with the signal's reason, and with what keeps a new one from being filled. */
  async take(request: CacheMountRequest, signal: AbortSignal): Promise<CacheMountLease> {
    const key = keyOf(request);
    for (;;) {
      signal.throwIfAborted();
      const found = this.#find(key, request.sharing);
      if (found === 'wait') {
        await this.#untilReleased(key, signal);
        continue;
      }
      const entry = found ?? this.#begin(key, request);
      const lease = this.#lease(entry, request.sharing);
      try {
        await entry.made;
        return lease;
      } catch (error) {
        lease[Symbol.dispose]();
        // Somebody else failed to fill it: now it is this one's turn.
        if (found === undefined) throw error;
      }
    }
  }

  /** Whether `take` would wait for those who have it. */
  isTaken(request: CacheMountRequest): boolean {
    return this.#find(keyOf(request), request.sharing) === 'wait';
  }

  list(): SeenCacheMount[] {
    return [...this.#entries.values()].map(({ record, leases }) => ({ ...record, isInUse: leases.size > 0 }));
  }

  /** Bytes of the disk that all have together, as they were counted last. */
  get usageBytes(): number {
    return [...this.#entries.values()].reduce((sum, { record }) => sum + record.sizeBytes, 0);
  }

  /** Removes those that are chosen and not in use. Returns what went. */
  prune(isChosen: (record: CacheMountRecord) => boolean): CacheMountRecord[] {
    const gone: CacheMountRecord[] = [];
    for (const [name, { record, leases }] of this.#entries) {
      if (leases.size > 0 || !isChosen(record)) continue;
      this.#options.trash.discard(this.#directoryOf(name));
      this.#entries.delete(name);
      gone.push(record);
    }
    return gone;
  }

  /** When all that was released is counted. */
  async settled(): Promise<void> {
    while (this.#counting.size > 0) await Promise.all(this.#counting);
  }

  #directoryOf(name: string): string {
    return join(this.#options.path, name);
  }

  #find(key: string, sharing: CacheMountRequest['sharing']): Entry | 'wait' | undefined {
    const all = [...this.#entries.values()].filter(({ record }) => record.key === key);
    if (sharing === 'shared') {
      const shared = all.find(({ leases }) => [...leases].some((lease) => lease.sharing === 'shared'));
      if (shared !== undefined) return shared;
    }
    // The one that was used last has most in it.
    const [best] = all
      .filter(({ leases }) => leases.size === 0)
      .sort((a, b) => b.record.lastUsedMs - a.record.lastUsedMs);
    return best ?? (sharing === 'locked' && all.length > 0 ? 'wait' : undefined);
  }

  /** Known at once, so that whoever comes while it is filled is the second. */
  #begin(key: string, request: CacheMountRequest): Entry {
    const { id, description } = request;
    const name = randomBytes(16).toString('hex');
    const now = Date.now();
    const record = { name, key, id, description, createdMs: now, lastUsedMs: now, useCount: 0, sizeBytes: 0 };
    const { promise: made, resolve, reject } = Promise.withResolvers<void>();
    const entry: Entry = { record, leases: new Set(), made };
    this.#entries.set(name, entry);
    made.catch(() => undefined);
    this.#fill(entry, request).then(resolve, (error: unknown) => {
      this.#entries.delete(name);
      this.#options.trash.discard(this.#directoryOf(name));
      reject(error);
    });
    return entry;
  }

  async #fill(entry: Entry, { mode, uid, gid, openContent }: CacheMountRequest): Promise<void> {
    const directory = this.#directoryOf(entry.record.name);
    const files = join(directory, 'fs');
    mkdirSync(directory, { mode: 0o700 });
    mkdirSync(files);
    chownSync(files, uid, gid);
    chmodSync(files, mode & 0o7777);
    if (openContent !== undefined) await fillFrom(this.#options.jail, await openContent(), files);
    writeRecord(directory, entry.record);
  }

  #lease(entry: Entry, sharing: CacheMountRequest['sharing']): Lease {
    const lease = new Lease(join(this.#directoryOf(entry.record.name), 'fs'), sharing, () =>
      this.#release(entry, lease),
    );
    for (const other of entry.leases) {
      other.wasShared = true;
      lease.wasShared = true;
    }
    entry.leases.add(lease);
    entry.record = { ...entry.record, lastUsedMs: Date.now(), useCount: entry.record.useCount + 1 };
    return lease;
  }

  #release(entry: Entry, lease: Lease): void {
    entry.leases.delete(lease);
    for (const waiter of this.#waiting) if (waiter.key === entry.record.key) waiter.wake();
    if (this.#entries.get(entry.record.name) !== entry || entry.leases.size > 0) return;
    const counting: Promise<void> = this.#count(entry)
      .catch((error: unknown) => {
        // It may have been removed meanwhile.
        if (this.#entries.get(entry.record.name) === entry) this.#options.onError(error);
      })
      .finally(() => this.#counting.delete(counting));
    this.#counting.add(counting);
  }

  async #count(entry: Entry): Promise<void> {
    const { name } = entry.record;
    const directory = this.#directoryOf(name);
    const fd = holdTree(join(directory, 'fs'));
    const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
    const sizeBytes = await this.#options.jail.run<'usage'>({ do: 'usage', place }, [fd]);
    if (this.#entries.get(name) !== entry) return;
    entry.record = { ...entry.record, sizeBytes };
    writeRecord(directory, entry.record);
  }

  #untilReleased(key: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { key, wake: () => resolve() };
    this.#waiting.add(waiter);
    signal.addEventListener('abort', waiter.wake);
    return promise.finally(() => {
      this.#waiting.delete(waiter);
      signal.removeEventListener('abort', waiter.wake);
    });
  }
}

class Lease implements CacheMountLease {
  readonly directory: string;
  readonly sharing: CacheMountRequest['sharing'];
  wasShared = false;
  #onRelease: (() => void) | undefined;

  constructor(directory: string, sharing: CacheMountRequest['sharing'], onRelease: () => void) {
    this.directory = directory;
    this.sharing = sharing;
    this.#onRelease = onRelease;
  }

  [Symbol.dispose](): void {
    const release = this.#onRelease;
    this.#onRelease = undefined;
    release?.();
  }
}

/** Whose directories are the same: how they are shared is no part of it. */
export function keyOf({
  id,
  origin,
  mode,
  uid,
  gid,
}: Pick<CacheMountRequest, 'id' | 'origin' | 'mode' | 'uid' | 'gid'>): string {
  const parts = JSON.stringify([id, origin, origin === '' ? [mode & 0o7777, uid, gid] : []]);
  return createHash('sha256').update(parts).digest('hex');
}
