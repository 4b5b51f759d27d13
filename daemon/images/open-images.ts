// Puts the images' side together: stores below the data root, the jail, the archive operations. Recovery happens here: what a killed daemon
// left half-made goes to the trash before anything else can see it.

import { ContentStore } from '../content/content-store.ts';
import { JailedArchive } from '../jail/archive.ts';
import type { Archive } from '../jail/archive-service.ts';
import { Jail } from '../jail/jail.ts';
import { Trash } from '../jail/trash.ts';
import { LayerFiles } from '../snapshots/layer-files.ts';
import { LayerStore } from '../snapshots/layer-store.ts';
import { OverlaySnapshots } from '../snapshots/overlay-snapshots.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import type { Database } from '../state/database.ts';
import type { Strays } from '../state/strays.ts';
import { BlobTables } from './blob-tables.ts';
import { Catalogue } from './catalogue.ts';
import { openDataRoot } from './data-root.ts';
import type { ImageEvent } from './image-parts.ts';
import type { ImageStore, UsersOfImage } from './image-service.ts';
import { LocalImageStore } from './image-store.ts';
import { ImageTables } from './image-tables.ts';
import { LayerArchives } from './layer-archives.ts';
import { LayoutIndex } from './layout-index.ts';
import { openRegistry, type RegistrySide, type RegistrySideOptions } from './open-registry.ts';
import { Slots } from './pull/slots.ts';

export interface ImagesOptions {
  registry?: RegistrySideOptions;
  /** Absolute. The caller holds its lock. */
  dataRoot: string;
  database: Database;
  /** What is left alone though no row knows it. */
  strays?: Strays;
  /** The disk cannot be written: nothing is thrown away. */
  isReadOnly?: boolean;
  usersOfImage: UsersOfImage;
  onEvent?: (event: ImageEvent) => void;
  /** What went wrong in the background (emptying the trash). */
  onError?: (error: unknown) => void;
}

export interface Images {
  readonly store: ImageStore;
  /** What is behind it. */
  readonly catalogue: Catalogue;
  readonly registry: RegistrySide;
  readonly snapshots: Snapshots;
  readonly archive: Archive;
  readonly jail: Jail;
  /** Ends the workers. What is in the trash stays for the next start. */
  close(): Promise<void>;
}

/** How often it is looked for what failed pulls and pushes have left. */
const RECLAIM_MS = 3600_000;
/** Each has buffers of some megabytes, and they share the disk. */
const LOADS = 2;

export function openImages(options: ImagesOptions): Images {
  const onError = options.onError ?? (() => undefined);
  const root = openDataRoot(options.dataRoot);
  const jail = new Jail(root.staging);
  const trash = new Trash(root.trash, jail, onError, undefined, options.isReadOnly);
  const layers = new LayerStore(root, options.database, trash, options.strays);
  const content = new ContentStore(root.content, root.staging);
  const blobs = new BlobTables(options.database);
  const tables = new ImageTables(options.database, () => {
    if (!options.isReadOnly) index.writeSoon();
  });
  const files = new LayerFiles(jail, layers);
  const archives = new LayerArchives({ layers, files, content, blobs, jail });
  const index: LayoutIndex = new LayoutIndex(
    { tables, blobs, layers, content, archives },
    root.content,
    root.staging,
    onError,
  );
  const snapshots = new OverlaySnapshots(root, layers, trash, jail);
  const catalogue: Catalogue = new Catalogue({
    tables,
    layers,
    files,
    snapshots,
    content,
    blobs,
    staging: root.staging,
    archives,
    jail,
    loads: new Slots(LOADS),
    usersOf: options.usersOfImage,
    onEvent: ({ action, id, attributes }) =>
      options.onEvent?.({ action, id, attributes: { ...catalogue.labelsOf(id), ...attributes } }),
  });
  if (!options.isReadOnly) {
    catalogue.collect();
    index.writeSoon();
    trash.emptySoon();
  }
  const reclaiming = setInterval(() => {
    if (options.isReadOnly) return;
    try {
      catalogue.reclaim();
    } catch (error) {
      onError(error);
    }
  }, RECLAIM_MS).unref();
  const registry = openRegistry(catalogue, options.registry ?? {}, () => trash.empty());
  return {
    store: new LocalImageStore(catalogue),
    catalogue,
    registry,
    snapshots,
    archive: new JailedArchive(jail),
    jail,
    close: async () => {
      clearInterval(reclaiming);
      index.close();
      trash.close();
      await jail.close();
    },
  };
}
