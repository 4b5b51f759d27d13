// All containers: in memory by id and name, in the database for the next start of the daemon. The database's UNIQUE constraint on
// names is what makes two concurrent creations with one name impossible; memory follows it.

import { EngineError } from '../errors/engine-error.ts';
import { type Database, isUniqueViolation, type Row } from '../state/database.ts';
import type { LockedContainer } from './container.ts';
import { Container } from './container.ts';
import {
  type ContainerRecord,
  decodeRecord,
  encodeRecord,
  type RecordChange,
  unreadableRecord,
} from './container-record.ts';
import { type ContainerState, decodeState, encodeState, newState } from './lifecycle/container-state.ts';

/** The exit code of a run whose end nobody knows. */
const unseenEnd = 255;

/** Runs a write of the database. */
type Within = (write: () => unknown) => void;
const alone: Within = (write) => void write();

export class ContainerStore {
  readonly #db: Database;
  readonly #byId = new Map<string, Container>();
  readonly #byName = new Map<string, Container>();

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Reads the database. A record that cannot be read becomes a dead container, which can be removed and no more; a state that cannot be, one of
   * which nobody knows how it ended. Returns what is wrong, by id, for warnings.
   */
  load(): { unreadable: Map<string, unknown>; stateless: Map<string, unknown>; mended: Set<string> } {
    const unreadable = new Map<string, unknown>();
    const stateless = new Map<string, unknown>();
    const mended = new Set<string>();
    const columns = 'id, name, created_ns, image_id, record, state';
    for (const row of this.#db.all(`SELECT ${columns} FROM containers ORDER BY created_ns`)) {
      const id = String(row.id);
      const record = readRecord(row, unreadable, mended);
      const state = readState(row, unreadable, stateless);
      const reason = unreadable.get(id) ?? stateless.get(id);
      const error = reason === undefined ? state.error : `what is stored of it cannot be read: ${reason}`;
      const container = new Container(record, { ...state, error });
      // Nobody knows whom an earlier daemon has let join it.
      container.wasShared = true;
      this.#index(container);
    }
    return { unreadable, stateless, mended };
  }

  /**
   * Stores a new container and takes its name. Throws 'conflict' in docker's words when the name is in use. `within` runs the write together with
   * others: all or none.
   */
  insert(record: ContainerRecord, state: ContainerState, within: Within = alone): Container {
    try {
      within(() =>
        this.#db.run(
          'INSERT INTO containers (id, name, created_ns, image_id, record, state) VALUES (?, ?, ?, ?, ?, ?)',
          record.id,
          record.name,
          record.createdNs.padStart(20, '0'),
          record.imageId,
          encodeRecord(record),
          encodeState(state),
        ),
      );
    } catch (error) {
      if (isUniqueViolation(error)) throw this.#nameConflict(record.name);
      throw error;
    }
    const container = new Container(record, state);
    this.#index(container);
    return container;
  }

  /** `state` when the stored one is to be ahead of the one in memory. */
  saveState({ container }: LockedContainer, state: ContainerState = container.state): void {
    this.#db.run('UPDATE containers SET state = ? WHERE id = ?', encodeState(state), container.id);
  }

  /** What is stored first, what is in memory after it: together, or (when the database refuses) not at all. */
  change(container: Container, change: RecordChange): void {
    const text = encodeRecord({ ...container.record, ...change });
    this.#db.run('UPDATE containers SET record = ? WHERE id = ?', text, container.id);
    Object.assign(container.record, change);
  }

  rename(container: Container, name: string): void {
    const next: ContainerRecord = { ...container.record, name };
    try {
      this.#db.run('UPDATE containers SET name = ?, record = ? WHERE id = ?', name, encodeRecord(next), container.id);
    } catch (error) {
      if (isUniqueViolation(error)) throw this.#nameConflict(name);
      throw error;
    }
    this.#byName.delete(container.record.name);
    container.record.name = name;
    this.#byName.set(name, container);
  }

  delete(container: Container, within: Within = alone): void {
    within(() => this.#db.run('DELETE FROM containers WHERE id = ?', container.id));
    this.#byId.delete(container.id);
    if (this.#byName.get(container.record.name) === container) this.#byName.delete(container.record.name);
  }

  isNameTaken(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Throws the same 'conflict' as insert, before any work is done. */
  checkNameIsFree(name: string): void {
    if (this.#byName.has(name)) throw this.#nameConflict(name);
  }

  all(): IterableIterator<Container> {
    return this.#byId.values();
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** Docker's order: full id, exact name, unique id prefix. Throws 'not-found', or 'invalid' for an ambiguous prefix. */
  get(ref: string): Container {
    const found = this.find(ref);
    if (found === undefined) throw new EngineError('not-found', `No such container: ${ref}`);
    return found;
  }

  find(ref: string): Container | undefined {
    const name = ref.startsWith('/') ? ref.slice(1) : ref;
    const exact = this.#byId.get(ref) ?? this.#byName.get(name) ?? this.#linked(name);
    if (exact !== undefined) return exact;
    if (!/^[0-9a-f]{1,64}$/.test(ref)) return undefined;
    let found: Container | undefined;
    for (const container of this.#byId.values()) {
      if (!container.id.startsWith(ref)) continue;
      if (found !== undefined) {
        throw new EngineError('invalid', `multiple IDs found with provided prefix: ${ref}`);
      }
      found = container;
    }
    return found;
  }

  /** "parent/alias": the container that a link of the parent leads to. */
  #linked(name: string): Container | undefined {
    const at = name.indexOf('/');
    if (at < 0) return undefined;
    const alias = name.slice(at + 1);
    const link = this.#byName.get(name.slice(0, at))?.spec.links.find((one) => one.alias === alias);
    return link && (this.#byId.get(link.target) ?? this.#byName.get(link.target));
  }

  #index(container: Container): void {
    this.#byId.set(container.id, container);
    this.#byName.set(container.record.name, container);
  }

  #nameConflict(name: string): EngineError {
    const holder = this.#byName.get(name)?.id ?? 'unknown';
    return new EngineError(
      'conflict',
      `Conflict. The container name "/${name}" is already in use by container "${holder}". ` +
        'You have to remove (or rename) that container to be able to reuse that name.',
    );
  }
}

function readRecord(row: Row, unreadable: Map<string, unknown>, mended: Set<string>): ContainerRecord {
  const id = String(row.id);
  try {
    const { record, damage, isMended } = decodeRecord(String(row.record));
    if (record.id !== id) throw new TypeError('the record is of another container');
    if (damage !== undefined) unreadable.set(id, damage);
    if (isMended) mended.add(id);
    return record;
  } catch (error) {
    unreadable.set(id, error);
    const createdNs = /^\d{1,20}$/.test(String(row.created_ns)) ? BigInt(String(row.created_ns)).toString() : '0';
    return unreadableRecord({ id, name: String(row.name), createdNs, imageId: String(row.image_id) });
  }
}

/** Whether it runs is found out by whoever asks its monitor. */
function readState(
  row: Row,
  unreadable: ReadonlyMap<string, unknown>,
  stateless: Map<string, unknown>,
): ContainerState {
  const id = String(row.id);
  try {
    const state = decodeState(String(row.state));
    const runs = state.status === 'running' || state.status === 'paused';
    return unreadable.has(id) && !runs ? { ...state, status: 'dead' } : state;
  } catch (error) {
    stateless.set(id, error);
    return { ...newState(), status: unreadable.has(id) ? 'dead' : 'exited', exitCode: unseenEnd };
  }
}
