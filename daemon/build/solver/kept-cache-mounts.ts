// Cache mounts as entries of what is kept for builds.
import type { BuildCacheEntry } from '../build-service.ts';
import type { CacheMounts } from '../cache-mounts/cache-mounts.ts';
import type { KeptForBuilds } from './build-cache.ts';

export class BuildCacheMounts implements KeptForBuilds {
  readonly #mounts: CacheMounts;

  constructor(mounts: CacheMounts) {
    this.#mounts = mounts;
  }

  async list(): Promise<BuildCacheEntry[]> {
    return this.#mounts.list().map((mount) => ({
      id: mount.name,
      parents: [],
      kind: 'exec.cachemount',
      description: mount.description,
      isInUse: mount.isInUse,
      isShared: false,
      sizeBytes: mount.sizeBytes,
      createdMs: mount.createdMs,
      lastUsedMs: mount.lastUsedMs,
      useCount: mount.useCount,
    }));
  }

  async remove(id: string): Promise<boolean> {
    return this.#mounts.prune(({ name }) => name === id).length > 0;
  }
}
