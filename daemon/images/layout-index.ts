// content/index.json: one entry for each name of an image, so that other tools read the store as an OCI image layout. It is derived from the
// database, written shortly after names change and at every start, and never read here.
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../native-bindings/errno.ts';
import type { Descriptor } from '../content/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../content/media-types.ts';
import { familiar } from '../registry/reference.ts';
import { isFullDisk } from './full-disk.ts';
import { type ImageManifest, makeManifest, recordedManifest } from './image-manifest.ts';
import type { ImageParts } from './image-parts.ts';
import { OCI_PLAIN_LAYER, packingOf } from './layer-archives.ts';

/** Names often change several at a time. */
const WRITE_AFTER_MS = 20;

export class LayoutIndex {
  readonly #parts: Pick<ImageParts, 'tables' | 'blobs' | 'layers' | 'content' | 'archives'>;
  readonly #path: string;
  readonly #staging: string;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  /** By image; true as long as no blob came or went. */
  #made = new Map<string, Descriptor>();
  #madeAt = -1;
  readonly #damaged = new Set<string>();
  /** Of the manifests that were made for it and that no row names. */
  #held: Disposable | undefined;

  constructor(
    parts: Pick<ImageParts, 'tables' | 'blobs' | 'layers' | 'content' | 'archives'>,
    contentPath: string,
    staging: string,
    onError: (error: unknown) => void,
  ) {
    this.#parts = parts;
    this.#path = join(contentPath, 'index.json');
    this.#staging = staging;
    this.#onError = onError;
  }

  /** Something changed. */
  writeSoon(): void {
    this.#timer ??= setTimeout(() => this.write(), WRITE_AFTER_MS).unref();
  }

  /** Writes what is to be written, and no more after that. */
  close(): void {
    if (this.#timer !== undefined) this.write();
  }

  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      this.#write();
    } catch (error) {
      // A full disk, say: the names count, and they are in the database.
      this.#onError(error);
    }
  }

  #write(): void {
    const manifests: object[] = [];
    const known = this.#madeAt === this.#parts.blobs.version ? this.#made : new Map<string, Descriptor>();
    const made = new Map<string, Descriptor>();
    for (const { repository, tag, imageId } of this.#parts.tables.allTags()) {
      const manifest = made.get(imageId) ?? known.get(imageId) ?? this.#tryManifest(imageId);
      if (manifest === undefined) continue;
      made.set(imageId, manifest);
      const name = familiar({ repository, tag, digest: undefined });
      manifests.push({
        ...manifest,
        annotations: { 'io.containerd.image.name': `${repository}:${tag}`, 'org.opencontainers.image.ref.name': name },
      });
    }
    this.#keep(made);
    const text = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
    if (text === readOrEmpty(this.#path)) return;
    const aside = join(this.#staging, randomBytes(8).toString('hex'));
    try {
      writeFileSync(aside, text, { mode: 0o600 });
      renameSync(aside, this.#path);
    } catch (error) {
      rmSync(aside, { force: true });
      throw error;
    }
  }

  /** Holds the manifests that the index names, and takes away those that it does not name any more. */
  #keep(made: Map<string, Descriptor>): void {
    const { content, blobs } = this.#parts;
    const digests = new Set([...made.values()].map(({ digest }) => digest));
    const stale = [...this.#made.values()].filter(({ digest }) => !digests.has(digest));
    const held = content.hold(digests);
    this.#held?.[Symbol.dispose]();
    this.#held = held;
    this.#made = made;
    this.#madeAt = blobs.version;
    if (stale.length === 0) return;
    const used = blobs.used();
    for (const { digest } of stale) if (!used.has(digest) && !content.isHeld(digest)) content.remove(digest);
  }

  /** undefined, and told once, for an image that is damaged: the others are there. */
  #tryManifest(imageId: string): Descriptor | undefined {
    try {
      return this.#manifestOf(imageId).descriptor;
    } catch (error) {
      if (isFullDisk(error)) throw error;
      if (!this.#damaged.has(imageId)) this.#onError(error);
      this.#damaged.add(imageId);
      return undefined;
    }
  }

  /** Readers of a layout see OCI manifests only: for one in Docker's form another is made, of the same blobs. */
  #manifestOf(imageId: string): ImageManifest {
    const { content, layers, tables, archives } = this.#parts;
    const recorded = recordedManifest(this.#parts, imageId);
    if (recorded?.descriptor.mediaType === OCI_MANIFEST) return recorded;
    const descriptors = layers
      .chain(tables.get(imageId)?.topLayer)
      .reverse()
      .map(({ diffId, tarBytes }): Descriptor => {
        const [stored] = archives.stored(diffId);
        // A layer that was made here has no archive before it is pushed: its plain one would be this.
        return stored === undefined
          ? { mediaType: OCI_PLAIN_LAYER, digest: diffId, size: tarBytes ?? 0 }
          : { ...stored, mediaType: ociType(stored) };
      });
    const manifest = makeManifest('oci', { digest: imageId, size: content.sizeOf(imageId) }, descriptors);
    content.put(manifest.bytes);
    return manifest;
  }
}

function ociType(blob: Descriptor): string {
  const packing = packingOf(blob);
  return packing !== 'none' ? `${OCI_PLAIN_LAYER}+${packing}` : OCI_PLAIN_LAYER;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}
