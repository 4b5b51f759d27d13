// What everything that is done with images works with, and what it tells.
import type { ContentStore } from '../content/content-store.ts';
import type { Jail } from '../jail/jail.ts';
import type { LayerFiles } from '../snapshots/layer-files.ts';
import type { LayerStore } from '../snapshots/layer-store.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import type { BlobTables } from './blob-tables.ts';
import type { UsersOfImage } from './image-service.ts';
import type { ImageTables } from './image-tables.ts';
import type { LayerArchives } from './layer-archives.ts';
import type { Slots } from './pull/slots.ts';

export interface ImageEvent {
  action: 'create' | 'import' | 'pull' | 'save' | 'load' | 'push' | 'tag' | 'untag' | 'delete' | 'prune';
  /** The image's full id; empty for prune. */
  id: string;
  attributes: Record<string, string>;
}

/** What everything that is done with images works with. */
export interface ImageParts {
  readonly tables: ImageTables;
  readonly layers: LayerStore;
  readonly content: ContentStore;
  readonly blobs: BlobTables;
  readonly archives: LayerArchives;
  readonly files: LayerFiles;
  readonly snapshots: Snapshots;
  readonly jail: Jail;
  /** Archives of images that are received at the same time. */
  readonly loads: Slots;
  /** For what is being made; on the same file system as the content. */
  readonly staging: string;
  readonly usersOf: UsersOfImage;
  readonly onEvent: (event: ImageEvent) => void;
}
