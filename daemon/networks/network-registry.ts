// All networks: in memory by id and name, the made ones in the database. The database's UNIQUE constraint on names is what makes two
// networks of one name impossible; memory follows it.
import { createHash } from 'node:crypto';
import { EngineError } from '../errors/engine-error.ts';
import { parseSubnet, type Subnet } from '../protocols/addresses/ip-address.ts';
import { type Database, isUniqueViolation } from '../state/database.ts';
import type { NetworkDrivers } from './drivers/network-drivers.ts';
import { NetworkEntry } from './network-entry.ts';
import type { NetworkRecord } from './network-record.ts';

export class NetworkRegistry {
  readonly #db: Database;
  readonly #drivers: NetworkDrivers;
  readonly #byId = new Map<string, NetworkEntry>();
  readonly #byName = new Map<string, NetworkEntry>();
  /** Names by id. */
  readonly #unreadable = new Map<string, string>();

  constructor(db: Database, drivers: NetworkDrivers) {
    this.#db = db;
    this.#drivers = drivers;
  }

  /** Reads the database. A row that cannot be read, or whose driver is not there, is left alone there, until it is removed, and its id returned, for a warning. */
  load(): { unreadable: string[] } {
    const unreadable: string[] = [];
    for (const row of this.#db.all('SELECT id, name, record FROM networks ORDER BY created')) {
      try {
        const record = JSON.parse(String(row.record)) as NetworkRecord;
        if (record.id !== row.id) throw new Error('the record is of another network');
        if (typeof record.name !== 'string' || !Array.isArray(record.pools)) throw new Error('no record of a network');
        this.#index(record);
      } catch {
        unreadable.push(String(row.id));
        this.#unreadable.set(String(row.id), String(row.name));
      }
    }
    return { unreadable };
  }

  /** host and none: the same on every start, and in no table. */
  addFixed(record: NetworkRecord): void {
    this.#index(record);
  }

  /** Throws 'conflict' in docker's words when the name is in use. */
  insert(record: NetworkRecord): NetworkEntry {
    this.checkNameIsFree(record.name);
    try {
      this.#db.run(
        'INSERT INTO networks (id, name, created, record) VALUES (?, ?, ?, ?)',
        record.id,
        record.name,
        record.created,
        JSON.stringify(record),
      );
    } catch (error) {
      if (isUniqueViolation(error)) throw nameConflict(record.name);
      throw error;
    }
    return this.#index(record);
  }

  /** The default bridge, whose subnet is chosen anew when the host's routes have come to cover it. Nobody is connected. */
  put(record: NetworkRecord): NetworkEntry {
    this.#db.run(
      'INSERT OR REPLACE INTO networks (id, name, created, record) VALUES (?, ?, ?, ?)',
      record.id,
      record.name,
      record.created,
      JSON.stringify(record),
    );
    return this.#index(record);
  }

  delete(entry: NetworkEntry): void {
    const { record } = entry;
    this.#db.run('DELETE FROM networks WHERE id = ?', record.id);
    entry.isRemoved = true;
    this.#byId.delete(record.id);
    if (this.#byName.get(record.name)?.record.id === record.id) this.#byName.delete(record.name);
  }

  /** Removes a row that cannot be read, by its full id or its name; false when there is none such. */
  dropUnreadable(ref: string): boolean {
    const found = [...this.#unreadable].find(([id, name]) => id === ref || name === ref);
    if (found === undefined) return false;
    this.#db.run('DELETE FROM networks WHERE id = ?', found[0]);
    return this.#unreadable.delete(found[0]);
  }

  checkNameIsFree(name: string): void {
    if (this.#byName.has(name)) throw nameConflict(name);
  }

  all(): NetworkEntry[] {
    return [...this.#byId.values()];
  }

  byId(id: string): NetworkEntry | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): NetworkEntry | undefined {
    return this.#byName.get(name);
  }

  /** Docker's order: full id, exact name, unique id prefix. Throws 'not-found', or 'invalid' for an ambiguous prefix. */
  get(ref: string): NetworkEntry {
    const exact = this.#byId.get(ref) ?? this.#byName.get(ref);
    if (exact !== undefined) return exact;
    const matches = /^[0-9a-f]{1,63}$/.test(ref) ? this.all().filter(({ record }) => record.id.startsWith(ref)) : [];
    const [only] = matches;
    if (only === undefined) throw new EngineError('not-found', `network ${ref} not found`);
    if (matches.length > 1) {
      throw new EngineError(
        'invalid',
        `network ${ref} is ambiguous (${matches.length} matches found based on ID prefix)`,
      );
    }
    return only;
  }

  /** False also for a reference that several networks may be meant by. */
  has(ref: string): boolean {
    try {
      return this.get(ref) !== undefined;
    } catch (error) {
      if (error instanceof EngineError) return false;
      throw error;
    }
  }

  /** Of all networks but one. */
  subnets(exceptId = ''): Subnet[] {
    return this.all()
      .filter(({ record }) => record.id !== exceptId)
      .flatMap(({ record }) => record.pools.map(({ subnet }) => parseSubnet(subnet)))
      .filter((subnet) => subnet !== undefined);
  }

  #index(record: NetworkRecord): NetworkEntry {
    const entry = new NetworkEntry(record, this.#drivers.get(record.driver));
    this.#byId.set(record.id, entry);
    this.#byName.set(record.name, entry);
    return entry;
  }
}

function nameConflict(name: string): EngineError {
  return new EngineError('conflict', `network with name ${name} already exists`);
}

/** Ids of the networks that are always there: stable over restarts, different on each host. */
export function fixedId(engineId: string, name: string): string {
  return createHash('sha256').update(`${engineId} ${name}`).digest('hex');
}
