// Puts the images together: the catalogue, what is derived of it, and what pulls and pushes with it. What nobody uses any more goes at the start.
import type { ContentStore } from '../content/content-store.ts';
import type { Jail } from '../jail/jail.ts';
import type { LayerFiles } from '../snapshots/layer-files.ts';
import type { LayerStore } from '../snapshots/layer-store.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import type { Database } from '../state/database.ts';
import { BlobTables } from './blob-tables.ts';
import { Catalogue } from './catalogue.ts';
import type { ImageEvent } from './image-parts.ts';
import type { ImageStore, UsersOfImage } from './image-service.ts';
import { LocalImageStore } from './image-store.ts';
import { ImageTables } from './image-tables.ts';
import { LayerArchives } from './layer-archives.ts';
import { LayoutIndex } from './layout-index.ts';
import { openRegistry, type RegistrySide, type RegistrySideOptions } from './open-registry.ts';
import { Slots } from './pull/slots.ts';

/** Where the files of images are: opened by the caller, who closes it afterwards. */
export interface ImageStorage {
  readonly jail: Jail;
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly files: LayerFiles;
  readonly snapshots: Snapshots;
  /** For what is being made; on the same file system as the content. */
  readonly staging: string;
}

export interface ImagesOptions {
  registry?: RegistrySideOptions;
  storage: ImageStorage;
  database: Database;
  /** The disk cannot be written: nothing is thrown away. */
  isReadOnly?: boolean;
  usersOfImage: UsersOfImage;
  onEvent?: (event: ImageEvent, labels: Readonly<Record<string, string>>) => void;
  /** What went wrong in the background. */
  onError?: (error: unknown) => void;
}

export interface Images {
  readonly store: ImageStore;
  /** What is behind it. */
  readonly catalogue: Catalogue;
  readonly registry: RegistrySide;
  /** Writes what is to be written. */
  close(): void;
}

/** How often it is looked for what failed pulls and pushes have left. */
const RECLAIM_MS = 3600_000;
/** Each has buffers of some megabytes, and they share the disk. */
const LOADS = 2;

export function openImages(options: ImagesOptions): Images {
  const onError = options.onError ?? (() => undefined);
  const { jail, content, layers, files, snapshots, staging } = options.storage;
  const blobs = new BlobTables(options.database);
  const tables = new ImageTables(options.database, () => {
    if (!options.isReadOnly) index.writeSoon();
  });
  const archives = new LayerArchives({ layers, files, content, blobs, jail });
  const index: LayoutIndex = new LayoutIndex(
    { tables, blobs, layers, content, archives },
    content.path,
    staging,
    onError,
  );
  const catalogue: Catalogue = new Catalogue({
    tables,
    layers,
    files,
    snapshots,
    content,
    blobs,
    staging,
    archives,
    jail,
    loads: new Slots(LOADS),
    usersOf: options.usersOfImage,
    onEvent: (event) => options.onEvent?.(event, catalogue.labelsOf(event.id)),
  });
  if (!options.isReadOnly) {
    catalogue.collect();
    index.writeSoon();
  }
  const reclaiming = setInterval(() => {
    if (options.isReadOnly) return;
    try {
      catalogue.reclaim();
    } catch (error) {
      onError(error);
    }
  }, RECLAIM_MS).unref();
  const registry = openRegistry(catalogue, options.registry ?? {}, () => snapshots.makeRoom());
  return {
    store: new LocalImageStore(catalogue),
    catalogue,
    registry,
    close: () => {
      clearInterval(reclaiming);
      index.close();
    },
  };
}
