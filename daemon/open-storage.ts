// Opens what lies below the data root, apart from the images' catalogue: the jail, content, layers, the implementation of snapshots. Recovery
// happens here: what a killed daemon left half-made goes to the trash before anything else can see it.
import { ContentStore } from './content/content-store.ts';
import { openDataRoot } from './data-root.ts';
import { JailedArchive } from './jail/archive.ts';
import type { Archive } from './jail/archive-service.ts';
import { Jail } from './jail/jail.ts';
import { Trash } from './jail/trash.ts';
import { LayerFiles } from './snapshots/layer-files.ts';
import { LayerStore } from './snapshots/layer-store.ts';
import { OverlaySnapshots } from './snapshots/overlay-snapshots.ts';
import type { Snapshots } from './snapshots/snapshots.ts';
import type { Database } from './state/database.ts';
import type { Strays } from './state/strays.ts';

export interface StorageOptions {
  /** Absolute. The caller holds its lock. */
  dataRoot: string;
  database: Database;
  /** What is left alone though no row knows it. */
  strays?: Strays;
  /** The disk cannot be written: nothing is thrown away. */
  isReadOnly?: boolean;
  /** What went wrong in the background (emptying the trash). */
  onError?: (error: unknown) => void;
}

export interface Storage {
  readonly jail: Jail;
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly files: LayerFiles;
  readonly snapshots: Snapshots;
  readonly archive: Archive;
  readonly trash: Trash;
  /** For what is being made; on the same file system as content and layers. */
  readonly staging: string;
  /** Ends the workers. What is in the trash stays for the next start. */
  close(): Promise<void>;
}

export function openStorage({ dataRoot, database, strays, isReadOnly, onError }: StorageOptions): Storage {
  const root = openDataRoot(dataRoot);
  const jail = new Jail(root.staging);
  const trash = new Trash(root.trash, jail, onError ?? (() => undefined), undefined, isReadOnly);
  const layers = new LayerStore(root, database, trash, strays);
  const content = new ContentStore(root.content, root.staging);
  const snapshots = new OverlaySnapshots(root, layers, trash, jail);
  trash.emptySoon();
  return {
    jail,
    content,
    layers,
    files: new LayerFiles(jail, layers),
    snapshots,
    archive: new JailedArchive(jail),
    trash,
    staging: root.staging,
    close: async () => {
      trash.close();
      try {
        layers.close();
      } finally {
        await jail.close();
      }
    },
  };
}
