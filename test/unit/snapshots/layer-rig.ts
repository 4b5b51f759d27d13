// Layers on a data root of their own, as builds make them: no images, no daemon.
import { closeSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { openStorage, type Storage } from '../../../daemon/open-storage.ts';
import type { LayerHold } from '../../../daemon/snapshots/layer-store.ts';
import type { Parent } from '../../../daemon/snapshots/snapshots.ts';
import { Database } from '../../../daemon/state/database.ts';

const rigs: Rig[] = [];

/** After each test. */
export async function closeRigs(): Promise<void> {
  for (const rig of rigs.splice(0)) await rig.close();
}

export class Rig {
  readonly path = mkdtempSync(join(tmpdir(), 'tsdocker-adopted-'));
  database: Database;
  storage: Storage;

  constructor() {
    ({ database: this.database, storage: this.storage } = this.#open());
    rigs.push(this);
  }

  #open() {
    const database = Database.open(join(this.path, 'state.db'));
    return { database, storage: openStorage({ dataRoot: this.path, database }) };
  }

  get layers() {
    return this.storage.layers;
  }

  get files() {
    return this.storage.files;
  }

  /** A layer that the overlay has written. */
  made(parent: Parent, work: (root: string) => void): LayerHold {
    using root = this.storage.snapshots.openRoot(parent);
    const fd = root.mount();
    try {
      work(`/proc/self/fd/${fd}`);
    } finally {
      closeSync(fd);
    }
    return root.seal();
  }

  shows(top: number, path: string): string {
    const fd = this.storage.snapshots.view(top);
    try {
      return readFileSync(`/proc/self/fd/${fd}/${path}`, 'utf8');
    } finally {
      closeSync(fd);
    }
  }

  directories(): string[] {
    return readdirSync(join(this.path, 'layers')).sort();
  }

  /** `isKilled`: what the daemon does at its end is not done. */
  async reopen({ isKilled = false } = {}): Promise<void> {
    const { layers } = this.storage;
    if (isKilled) vi.spyOn(layers, 'close').mockImplementation(() => undefined);
    await this.storage.close();
    this.database.close();
    ({ database: this.database, storage: this.storage } = this.#open());
  }

  async close(): Promise<void> {
    await this.storage.close();
    this.database.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}
