// Puts the volumes together, and brings rows and directories back into step after a daemon that was killed.
import type { Jail } from '../jail/jail.ts';
import type { Database } from '../state/database.ts';
import { LocalVolumes } from './local-volumes.ts';
import { VolatileMounts } from './volatile-mounts.ts';
import { VolumeDirectories } from './volume-directories.ts';
import type { VolumeUser } from './volume-service.ts';
import { VolumeTable } from './volume-table.ts';

export interface VolumesOptions {
  /** Directory of the volumes; made when missing. The caller holds the data root's lock. */
  root: string;
  database: Database;
  jail: Jail;
  usersOf: (name: string) => readonly VolumeUser[];
  onEvent: (action: 'create' | 'destroy' | 'prune', id: string, attributes: Record<string, string>) => void;
  nowNs: () => bigint;
  /** What went wrong in the background, and what was found at the start. */
  onError: (error: unknown) => void;
  onNote: (fields: object, message: string) => void;
}

export interface Volumes {
  readonly volumes: LocalVolumes;
  close(): void;
}

export function openVolumes(options: VolumesOptions): Volumes {
  const { jail, usersOf, onEvent, nowNs } = options;
  const table = new VolumeTable(options.database);
  const directories = new VolumeDirectories(options.root, jail, options.onError);
  recover(table, directories, nowNs, options.onNote);
  directories.emptyTrashSoon();
  const volatile = new VolatileMounts(jail);
  const volumes = new LocalVolumes({ table, directories, volatile, jail, usersOf, onEvent, nowNs });
  return { volumes, close: () => directories.close() };
}

function recover(
  table: VolumeTable,
  directories: VolumeDirectories,
  nowNs: () => bigint,
  note: VolumesOptions['onNote'],
): void {
  for (const { record, status, isUnreadable } of table.all()) {
    if (isUnreadable)
      note(
        { volume: record.name },
        'the record of a volume cannot be read: it can be removed, and its files stay until then',
      );
    if (status === 'ready') continue;
    // Being made for a container that never came to be, or being removed.
    directories.discard(record.name);
    table.delete(record.name);
  }
  for (const { record } of table.all()) directories.ensure(record.name);
  for (const name of directories.names()) {
    if (table.get(name) !== undefined) directories.recover(name);
    else if (!directories.dropEmpty(name)) {
      // Files are never thrown away because a row is missing: the database may be an older copy.
      note({ volume: name }, 'a volume without a record: taken in');
      table.insert({ name, createdNs: nowNs().toString(), labels: null, options: null }, 'ready');
      directories.recover(name);
    }
  }
}
