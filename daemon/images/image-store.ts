// The images as the rest of the engine has them: the catalogue for what is found and named, a use case for everything else.
import type { Readable } from 'node:stream';
import { EngineError } from '../errors/engine-error.ts';
import type { Filters } from '../state/filters.ts';
import { loadImages } from './archives/load-images.ts';
import { saveImages } from './archives/save-images.ts';
import type { Catalogue } from './catalogue.ts';
import { imagesDiskUsage } from './disk-usage.ts';
import { type Platform, requirePlatform } from './documents/platform.ts';
import { fullDiskError } from './full-disk.ts';
import { imageHistory } from './image-history.ts';
import type {
  CommitImageOptions,
  HistoryStep,
  ImageRecord,
  ImageStore,
  ImagesDiskUsage,
  ImportOptions,
  ListedImage,
  ListImagesOptions,
  LoadOptions,
  PrunedImages,
  RemovedPart,
  SaveOptions,
  SeenImage,
} from './image-service.ts';
import { inspectImage } from './inspect-image.ts';
import { listImages } from './list-images.ts';
import { commitImage } from './make/commit-image.ts';
import { importFromUrl, importImage } from './make/import-image.ts';
import type { ProgressSink } from './progress.ts';
import { pruneImages } from './prune-images.ts';
import { removeImage } from './remove-image.ts';

export class LocalImageStore implements ImageStore {
  readonly #catalogue: Catalogue;

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  resolve(ref: string): ImageRecord | undefined {
    return this.#catalogue.resolve(ref);
  }

  get(ref: string): ImageRecord {
    return this.#catalogue.get(ref);
  }

  byId(id: string): ImageRecord | undefined {
    return this.#catalogue.byId(id);
  }

  topLayer(id: string): number | undefined {
    return this.#catalogue.topLayer(id);
  }

  openFiles(id: string): number {
    const top = this.#catalogue.topLayer(id);
    if (top === undefined) throw new EngineError('invalid', `the image ${id} has no files`);
    return this.#catalogue.parts.snapshots.view(top);
  }

  list(options: ListImagesOptions): ListedImage[] {
    return listImages(this.#catalogue, options);
  }

  inspect(ref: string, platform?: Platform): SeenImage {
    return inspectImage(this.#catalogue, this.#getFor(ref, platform));
  }

  history(ref: string, platform?: Platform): HistoryStep[] {
    return imageHistory(this.#catalogue, this.#getFor(ref, platform));
  }

  tag(ref: string, repo: string, tag: string): void {
    this.#catalogue.setTag(this.get(ref).id, repo, tag);
  }

  save(refs: readonly string[], options: SaveOptions): Promise<Readable> {
    return saveImages(this.#catalogue, refs, options);
  }

  load(archive: Readable, options: LoadOptions): Promise<void> {
    return loadImages(this.#catalogue, archive, options).catch((error: unknown) => {
      // Its layers' blobs are in the store already.
      this.#catalogue.reclaim();
      throw fullDiskError(error, 'load images');
    });
  }

  remove(ref: string, options: { force: boolean; noPrune: boolean; platform?: Platform }): Promise<RemovedPart[]> {
    if (options.platform !== undefined) this.#getFor(ref, options.platform);
    return removeImage(this.#catalogue, ref, options);
  }

  prune(filters: Filters): Promise<PrunedImages> {
    return pruneImages(this.#catalogue, filters);
  }

  importTar(tar: Readable, options: ImportOptions): Promise<string> {
    return importImage(this.#catalogue, tar, options);
  }

  importFrom(url: string, options: ImportOptions, tell: ProgressSink): Promise<string> {
    return importFromUrl(this.#catalogue, url, options, tell);
  }

  commit(options: CommitImageOptions): Promise<string> {
    return commitImage(this.#catalogue, options);
  }

  diskUsage(): Promise<ImagesDiskUsage> {
    return imagesDiskUsage(this.#catalogue);
  }

  count(): number {
    return this.#catalogue.parts.tables.count();
  }

  #getFor(ref: string, platform: Platform | undefined): ImageRecord {
    const image = this.get(ref);
    requirePlatform(ref, image.config, platform);
    return image;
  }
}
