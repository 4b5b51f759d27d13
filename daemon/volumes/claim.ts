// What a container that is being made takes of the volumes, until it is stored or given up.
import type { VolumeRecord, VolumeRequest, VolumeStatus } from './volume-record.ts';
import type { VolumeClaim } from './volume-service.ts';
import type { VolumeTable } from './volume-table.ts';

/** What a claim takes from and gives back to. */
export interface ClaimedVolumes {
  /** Finds or makes. `status` is that of a new one. */
  obtain(request: VolumeRequest, status: VolumeStatus): { record: VolumeRecord; isNew: boolean };
  isHeld(name: string): boolean;
  finishRemoval(name: string): void;
}

export class Claim implements VolumeClaim {
  readonly containerId: string;
  readonly #volumes: ClaimedVolumes;
  readonly #table: VolumeTable;
  readonly #taken = new Set<string>();
  readonly #made: string[] = [];
  readonly #forget: () => void;

  constructor(containerId: string, volumes: ClaimedVolumes, table: VolumeTable, forget: () => void) {
    this.containerId = containerId;
    this.#volumes = volumes;
    this.#table = table;
    this.#forget = forget;
  }

  has(name: string): boolean {
    return this.#taken.has(name);
  }

  take(request: VolumeRequest): string {
    const { record, isNew } = this.#volumes.obtain(request, 'pending');
    this.#taken.add(record.name);
    if (isNew) this.#made.push(record.name);
    return record.name;
  }

  settle<T>(work: () => T): T {
    const result = this.#table.settle([...this.#taken], 'ready', work);
    this.#made.length = 0;
    return result;
  }

  [Symbol.dispose](): void {
    this.#forget();
    this.#taken.clear();
    for (const name of this.#made.splice(0)) {
      const row = this.#table.get(name);
      if (row?.status === 'pending' && !this.#volumes.isHeld(name)) this.#volumes.finishRemoval(name);
    }
  }
}
