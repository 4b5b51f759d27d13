// A whole image store on a data root of its own, with containers as directories: no daemon.
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import {
  historyView,
  inspectView,
  pruneView,
  removedView,
  summaryView,
} from '../../../daemon/docker-api/views/image-view.ts';
import type {
  HistoryResponseItem,
  ImageDeleteResponseItem,
  ImageInspect,
  ImagePruneResponse,
  ImageSummary,
} from '../../../daemon/docker-types/image.ts';
import type { ImageEvent } from '../../../daemon/images/image-parts.ts';
import type { CommitImageOptions, ImageUser, ListImagesOptions } from '../../../daemon/images/image-service.ts';
import { type Images, openImages } from '../../../daemon/images/open-images.ts';
import type { RootView, ViewMount } from '../../../daemon/jail/archive-service.ts';
import type { Change } from '../../../daemon/jail/file-facts.ts';
import { openStorage, type Storage } from '../../../daemon/open-storage.ts';
import { Database } from '../../../daemon/state/database.ts';
import type { Filters } from '../../../daemon/state/filters.ts';
import { fchdir } from '../../../native-bindings/namespaces.ts';
import { type RawEntry, rawTarStream } from '../jail/raw-tar.ts';

export class StoreFixture {
  readonly path = mkdtempSync(join(tmpdir(), 'tsdocker-images-'));
  readonly users = new Map<string, ImageUser[]>();
  readonly events: ImageEvent[] = [];
  readonly errors: unknown[] = [];
  database: Database;
  storage: Storage;
  images: Images;

  constructor() {
    this.database = Database.open(join(this.path, 'state.db'));
    this.storage = this.#openStorage();
    this.images = this.#open();
  }

  /** What is behind the interface. */
  get catalogue() {
    return this.images.catalogue;
  }

  get store() {
    return this.images.store;
  }

  get containers() {
    return this.storage.snapshots;
  }

  /** As after a restart of the daemon. */
  async restart(): Promise<void> {
    await this.#shut();
    this.database.close();
    this.database = Database.open(join(this.path, 'state.db'));
    this.storage = this.#openStorage();
    this.images = this.#open();
  }

  async close(): Promise<void> {
    await this.#shut();
    this.database.close();
    rmSync(this.path, { recursive: true, force: true });
  }

  /** As docker's clients see it. */
  inspect(ref: string): ImageInspect {
    return inspectView(this.store.inspect(ref));
  }

  /** As docker's clients see it. */
  history(ref: string): HistoryResponseItem[] {
    return this.store.history(ref).map(historyView);
  }

  /** As docker's clients see it. */
  list(options: ListImagesOptions): ImageSummary[] {
    return this.store.list(options).map(summaryView);
  }

  /** As docker's clients see it. */
  async remove(ref: string, options: { force: boolean; noPrune: boolean }): Promise<ImageDeleteResponseItem[]> {
    return (await this.store.remove(ref, options)).map(removedView);
  }

  /** As docker's clients see it. */
  async prune(filters: Filters): Promise<ImagePruneResponse> {
    return pruneView(await this.store.prune(filters));
  }

  import(entries: readonly RawEntry[], name = '', changes: string[] = []): Promise<string> {
    return this.importStream(rawTarStream(entries), name, changes);
  }

  importStream(tar: Readable, name = '', changes: string[] = []): Promise<string> {
    const [, repo = '', tag = ''] = /^(.*?)(?::([^/:]*))?$/.exec(name) ?? [];
    return this.store.importTar(tar, { repo, tag, message: 'imported', changes, platform: '' });
  }

  async create(imageId: string, mountPoints: { path: string; kind: 'directory' | 'file' }[] = []): Promise<string> {
    const id = randomBytes(32).toString('hex');
    await this.containers.prepare(id, this.store.topLayer(imageId), { mountPoints });
    return id;
  }

  async changes(id: string): Promise<Change[] | null> {
    return (await json(await this.containers.diff(id))) as Change[] | null;
  }

  /** Runs with the container's root as the working directory: what a process in it would do, through the overlay. */
  inRoot<T>(id: string, work: () => T): T {
    const fd = this.containers.mount(id);
    const home = process.cwd();
    try {
      fchdir(fd);
      return work();
    } finally {
      process.chdir(home);
      closeSync(fd);
    }
  }

  stopped(id: string, mounts: ViewMount[] = [], readOnlyRoot = false): RootView {
    return { kind: 'stopped', ref: 'box', rootFd: this.containers.mount(id), mounts, readOnlyRoot };
  }

  commit(containerId: string, imageId: string, more: Partial<CommitImageOptions> = {}): Promise<string> {
    const containerConfig = { Cmd: ['sh', '-c', 'true'], Entrypoint: null } as CommitImageOptions['containerConfig'];
    return this.store.commit({
      containerId,
      imageId,
      containerConfig,
      config: {},
      changes: [],
      author: '',
      comment: '',
      repo: '',
      tag: '',
      ...more,
    });
  }

  async #shut(): Promise<void> {
    this.images.close();
    await this.storage.close();
  }

  #openStorage(): Storage {
    return openStorage({
      dataRoot: this.path,
      database: this.database,
      onError: (error) => this.errors.push(error),
    });
  }

  #open(): Images {
    return openImages({
      storage: this.storage,
      database: this.database,
      usersOfImage: (id) => this.users.get(id) ?? [],
      onEvent: (event) => this.events.push(event),
      onError: (error) => this.errors.push(error),
    });
  }
}

export async function contentOf(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Writes a file of the working directory, with its parents. */
export function put(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
