// The rows of images, tags and digests. Reads and writes only; what may be removed is decided in remove-image.ts.
import type { Database, Row } from '../state/database.ts';

export interface ImageRow {
  readonly id: string;
  readonly parentId: string | undefined;
  readonly topLayer: number | undefined;
  readonly sizeBytes: number;
  /** RFC 3339; empty when it never had a name. */
  readonly taggedAt: string;
}

export interface ImageName {
  /** Full, "docker.io/library/busybox". */
  readonly repository: string;
  /** One of both. */
  readonly tag?: string;
  readonly digest?: string;
}

export class ImageTables {
  readonly #db: Database;
  readonly #onNames: () => void;

  /** `onNames`: names came or went. */
  constructor(db: Database, onNames: () => void = () => undefined) {
    this.#db = db;
    this.#onNames = onNames;
  }

  transaction<T>(work: () => T): T {
    return this.#db.transaction(work);
  }

  all(): ImageRow[] {
    return this.#db.all('SELECT * FROM images').map(rowOf);
  }

  get(id: string): ImageRow | undefined {
    const row = this.#db.get('SELECT * FROM images WHERE id = ?', id);
    return row === undefined ? undefined : rowOf(row);
  }

  count(): number {
    return Number(this.#db.get('SELECT count(*) AS n FROM images')?.n ?? 0);
  }

  /** Up to two ids that begin so: one is an answer, two are ambiguous. `hex` has no "sha256:". */
  idsWithPrefix(hex: string): string[] {
    const rows = this.#db.all(
      "SELECT id FROM images WHERE id >= ? AND id < ? || 'g' LIMIT 2",
      `sha256:${hex}`,
      `sha256:${hex}`,
    );
    return rows.map((row) => String(row.id));
  }

  childrenOf(id: string): string[] {
    return this.#db.all('SELECT id FROM images WHERE parent_id = ?', id).map((row) => String(row.id));
  }

  /** False when it was there already. */
  insert(image: Omit<ImageRow, 'taggedAt'>): boolean {
    const added = this.#db.run(
      "INSERT OR IGNORE INTO images (id, parent_id, top_layer, size_bytes, tagged_at) VALUES (?, ?, ?, ?, '')",
      image.id,
      image.parentId ?? null,
      image.topLayer ?? null,
      image.sizeBytes,
    );
    return added > 0;
  }

  delete(id: string): void {
    this.#db.run('DELETE FROM images WHERE id = ?', id);
  }

  /** For an image whose own layers have lost their files. */
  setTopLayer(id: string, topLayer: number | undefined): void {
    this.#db.run('UPDATE images SET top_layer = ? WHERE id = ?', topLayer ?? null, id);
  }

  setParent(id: string, parentId: string): void {
    this.#db.run('UPDATE images SET parent_id = ? WHERE id = ?', parentId, id);
  }

  /** The name goes from the image that had it. `nowText`: it is given here; not when a name comes with its image from elsewhere. */
  setTag(repository: string, tag: string, imageId: string, nowText?: string): void {
    this.#db.transaction(() => {
      this.#db.run(
        'INSERT INTO image_tags (repository, tag, image_id) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET image_id = excluded.image_id',
        repository,
        tag,
        imageId,
      );
      if (nowText !== undefined) this.#db.run('UPDATE images SET tagged_at = ? WHERE id = ?', nowText, imageId);
    });
    this.#onNames();
  }

  /** The image is what a repository has under this digest: it goes from the image that was that before. */
  setDigest(repository: string, digest: string, imageId: string): void {
    this.#db.run(
      'INSERT INTO image_digests (repository, digest, image_id) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET image_id = excluded.image_id',
      repository,
      digest,
      imageId,
    );
    this.#onNames();
  }

  /** Every name that is a tag, with its image. */
  allTags(): { repository: string; tag: string; imageId: string }[] {
    return this.#db
      .all('SELECT repository, tag, image_id FROM image_tags ORDER BY 1, 2')
      .map((row) => ({ repository: String(row.repository), tag: String(row.tag), imageId: String(row.image_id) }));
  }

  removeName(name: ImageName): boolean {
    this.#onNames();
    if (name.tag !== undefined) {
      return this.#db.run('DELETE FROM image_tags WHERE repository = ? AND tag = ?', name.repository, name.tag) > 0;
    }
    return (
      this.#db.run(
        'DELETE FROM image_digests WHERE repository = ? AND digest = ?',
        name.repository,
        name.digest ?? '',
      ) > 0
    );
  }

  byTag(repository: string, tag: string): string | undefined {
    const row = this.#db.get('SELECT image_id FROM image_tags WHERE repository = ? AND tag = ?', repository, tag);
    return row === undefined ? undefined : String(row.image_id);
  }

  byDigest(repository: string, digest: string): string | undefined {
    const row = this.#db.get(
      'SELECT image_id FROM image_digests WHERE repository = ? AND digest = ?',
      repository,
      digest,
    );
    return row === undefined ? undefined : String(row.image_id);
  }

  /** Of one image, tags first, each sorted. */
  namesOf(id: string): ImageName[] {
    return this.#names(
      'SELECT repository, tag, NULL AS digest FROM image_tags WHERE image_id = ? ORDER BY 1, 2',
      'SELECT repository, NULL AS tag, digest FROM image_digests WHERE image_id = ? ORDER BY 1, 3',
      id,
    );
  }

  #names(tags: string, digests: string, id: string): ImageName[] {
    return [...this.#db.all(tags, id), ...this.#db.all(digests, id)].map((row) => ({
      repository: String(row.repository),
      ...(row.tag === null ? { digest: String(row.digest) } : { tag: String(row.tag) }),
    }));
  }
}

function rowOf(row: Row): ImageRow {
  return {
    id: String(row.id),
    parentId: row.parent_id === null ? undefined : String(row.parent_id),
    topLayer: row.top_layer === null ? undefined : Number(row.top_layer),
    sizeBytes: Number(row.size_bytes),
    taggedAt: String(row.tagged_at),
  };
}
