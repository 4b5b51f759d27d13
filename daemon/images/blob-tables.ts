// The rows that say what blobs are: which archive belongs to which layer, where a registry has it, by which manifests an image is known.
// Reads and writes only. A blob that no row names (and nobody holds) is garbage: see collect-content.ts.

import type { Descriptor } from '../content/digest.ts';
import type { Database, Row } from '../state/database.ts';

/** So many repositories are remembered for one blob: any of them can be asked to mount it from. */
const MAX_REPOSITORIES = 16;

export class BlobTables {
  readonly #db: Database;
  /** Grows when a blob comes or goes. */
  version = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  /** `blob` holds the layer whose plain archive has the digest `diffId`. Both were verified. */
  addLayerBlob(diffId: string, { digest, size, mediaType }: Descriptor): void {
    this.version++;
    this.#db.run(
      'INSERT OR IGNORE INTO layer_blobs (diff_id, digest, size_bytes, media_type) VALUES (?, ?, ?, ?)',
      diffId,
      digest,
      size,
      mediaType,
    );
  }

  removeLayerBlob(diffId: string, digest: string): void {
    this.version++;
    this.#db.run('DELETE FROM layer_blobs WHERE diff_id = ? AND digest = ?', diffId, digest);
  }

  /** The archives of one layer: the same files, packed in several ways. */
  layerBlobs(diffId: string): Descriptor[] {
    return this.#db.all('SELECT * FROM layer_blobs WHERE diff_id = ? ORDER BY digest', diffId).map(descriptorOf);
  }

  /** What a blob unpacks to, when it was unpacked here before. */
  diffIdOf(digest: string): string | undefined {
    const row = this.#db.get('SELECT diff_id FROM layer_blobs WHERE digest = ?', digest);
    return row === undefined ? undefined : String(row.diff_id);
  }

  /** A registry was seen to have the blob in this repository (full name). */
  seenIn(digest: string, repository: string): void {
    this.#db.run('INSERT OR IGNORE INTO blob_repositories (digest, repository) VALUES (?, ?)', digest, repository);
    this.#db.run(
      `DELETE FROM blob_repositories WHERE digest = ? AND repository <> ? AND repository NOT IN
         (SELECT repository FROM blob_repositories WHERE digest = ? ORDER BY repository LIMIT ?)`,
      digest,
      repository,
      digest,
      MAX_REPOSITORIES,
    );
  }

  /** It is not there any more. */
  goneFrom(digest: string, repository: string): void {
    this.#db.run('DELETE FROM blob_repositories WHERE digest = ? AND repository = ?', digest, repository);
  }

  repositoriesOf(digest: string): string[] {
    return this.#db
      .all('SELECT repository FROM blob_repositories WHERE digest = ? ORDER BY repository', digest)
      .map((row) => String(row.repository));
  }

  /** The bytes of the manifest are in the content store; it becomes the image's newest. */
  addManifest(imageId: string, { digest, size, mediaType }: Descriptor): void {
    this.version++;
    this.#db.run(
      'INSERT OR REPLACE INTO image_manifests (image_id, digest, size_bytes, media_type) VALUES (?, ?, ?, ?)',
      imageId,
      digest,
      size,
      mediaType,
    );
  }

  /** Newest first. */
  manifestsOf(imageId: string): Descriptor[] {
    return this.#db
      .all('SELECT * FROM image_manifests WHERE image_id = ? ORDER BY number DESC', imageId)
      .map(descriptorOf);
  }

  /** Forgets the archives of layers that are not there any more. */
  dropUnused(): void {
    this.#db.transaction(() => {
      this.version += this.#db.run('DELETE FROM layer_blobs WHERE diff_id NOT IN (SELECT diff_id FROM layers)');
      this.#db.run('DELETE FROM blob_repositories WHERE digest NOT IN (SELECT digest FROM layer_blobs)');
    });
  }

  /** Digests of all blobs that a row names. */
  used(): Set<string> {
    const rows = this.#db.all(`
      SELECT id AS digest FROM images
      UNION SELECT digest FROM image_digests
      UNION SELECT digest FROM image_manifests
      UNION SELECT digest FROM layer_blobs`);
    return new Set(rows.map(({ digest }) => String(digest)));
  }
}

function descriptorOf(row: Row): Descriptor {
  return { digest: String(row.digest), size: Number(row.size_bytes), mediaType: String(row.media_type) };
}
