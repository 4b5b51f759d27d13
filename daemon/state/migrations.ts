// The database's history: an append-only list. Each entry runs once, in order, in one transaction with the note that it ran.
// Never change or reorder an entry that was released; add a new one. The names are kept in the database.

export interface Migration {
  /** Unique for ever, e.g. `0001-containers`. */
  readonly name: string;
  readonly sql: string;
}

export const migrations: readonly Migration[] = [
  {
    name: '0001-containers',
    sql: `
      CREATE TABLE containers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created_ns TEXT NOT NULL,
        image_id TEXT NOT NULL,
        record TEXT NOT NULL,
        state TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX containers_by_image ON containers (image_id);
      CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    `,
  },
  {
    name: '0002-images',
    sql: `
      CREATE TABLE layers (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        key TEXT NOT NULL UNIQUE,
        parent INTEGER REFERENCES layers (number),
        diff_id TEXT NOT NULL,
        size_bytes INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE images (
        id TEXT PRIMARY KEY,
        parent_id TEXT,
        top_layer INTEGER REFERENCES layers (number),
        size_bytes INTEGER NOT NULL,
        tagged_at TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE image_tags (
        repository TEXT NOT NULL,
        tag TEXT NOT NULL,
        image_id TEXT NOT NULL REFERENCES images (id),
        PRIMARY KEY (repository, tag)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE image_digests (
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        image_id TEXT NOT NULL REFERENCES images (id),
        PRIMARY KEY (repository, digest)
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    name: '0003-image-content',
    sql: `
      CREATE TABLE layer_blobs (
        diff_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        media_type TEXT NOT NULL,
        PRIMARY KEY (diff_id, digest)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX layer_blobs_by_digest ON layer_blobs (digest);
      CREATE TABLE blob_repositories (
        digest TEXT NOT NULL,
        repository TEXT NOT NULL,
        PRIMARY KEY (digest, repository)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE image_manifests (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        media_type TEXT NOT NULL,
        UNIQUE (image_id, digest)
      ) STRICT;
      ALTER TABLE layers ADD COLUMN tar_bytes INTEGER;
      ALTER TABLE layers ADD COLUMN disk_bytes INTEGER;
    `,
  },
  {
    name: '0004-volumes',
    sql: `
      CREATE TABLE volumes (
        name TEXT PRIMARY KEY,
        status TEXT NOT NULL,
        record TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    name: '0005-networks',
    sql: `
      CREATE TABLE networks (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created TEXT NOT NULL,
        record TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
    `,
  },
  // Nothing but the note: an engine that does not keep the copies in step (row-copies.ts) must not write.
  { name: '0006-row-copies', sql: '' },
];
