// The rows of the volumes, with a copy in memory: a volume is there when its row is, whatever lies on the disk.
import type { Database } from '../state/database.ts';
import { decodeVolume, type VolumeRecord, type VolumeStatus } from './volume-record.ts';

export interface VolumeRow {
  readonly record: VolumeRecord;
  status: VolumeStatus;
  /** What was stored cannot be read, so that nobody knows what it is: it can be removed, and no more. */
  readonly isUnreadable?: true;
}

export class VolumeTable {
  readonly #db: Database;
  readonly #rows = new Map<string, VolumeRow>();

  constructor(db: Database) {
    this.#db = db;
    for (const row of db.all('SELECT name, status, record FROM volumes ORDER BY name')) {
      const name = String(row.name);
      const record = decodeVolume(name, String(row.record));
      const status = String(row.status) as VolumeStatus;
      if (record !== undefined) this.#rows.set(name, { record, status });
      else {
        const unknown = { name, createdNs: '0', labels: null, options: null };
        // Its files stay, whatever its status was.
        this.#rows.set(name, { record: unknown, status: 'ready', isUnreadable: true });
      }
    }
  }

  get(name: string): VolumeRow | undefined {
    return this.#rows.get(name);
  }

  all(): VolumeRow[] {
    return [...this.#rows.values()];
  }

  insert(record: VolumeRecord, status: VolumeStatus): void {
    this.#db.run(
      'INSERT INTO volumes (name, status, record) VALUES (?, ?, ?)',
      record.name,
      status,
      JSON.stringify(record),
    );
    this.#rows.set(record.name, { record, status });
  }

  delete(name: string): void {
    this.#db.run('DELETE FROM volumes WHERE name = ?', name);
    this.#rows.delete(name);
  }

  /** Sets the status of rows in one transaction with what `work` writes; when that throws nothing has changed. */
  settle<T>(names: readonly string[], status: VolumeStatus, work: () => T): T {
    const changed = names.filter((name) => {
      const row = this.#rows.get(name);
      return row !== undefined && row.status !== status;
    });
    // A transaction of one statement is only a cost.
    const result = changed.length === 0 ? work() : this.#db.transaction(() => this.#write(changed, status, work));
    for (const name of changed) {
      const row = this.#rows.get(name);
      if (row !== undefined) row.status = status;
    }
    return result;
  }

  #write<T>(names: readonly string[], status: VolumeStatus, work: () => T): T {
    for (const name of names) this.#db.run('UPDATE volumes SET status = ? WHERE name = ?', status, name);
    return work();
  }
}
