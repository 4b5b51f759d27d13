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
  {
    name: '0007-adopted-layers',
    sql: `
      ALTER TABLE layers ADD COLUMN directory INTEGER;
      ALTER TABLE layers ADD COLUMN boot TEXT;
    `,
  },
  {
    name: '0008-build-results',
    sql: `
      CREATE TABLE build_results (
        key TEXT PRIMARY KEY,
        identity TEXT NOT NULL,
        description TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        used_ms INTEGER NOT NULL,
        uses INTEGER NOT NULL,
        outputs INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE build_layers (
        key TEXT NOT NULL REFERENCES build_results (key) ON DELETE CASCADE,
        output INTEGER NOT NULL,
        layer INTEGER REFERENCES layers (number) ON DELETE CASCADE,
        PRIMARY KEY (key, output)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX build_layers_by_layer ON build_layers (layer);
      CREATE TABLE build_keys (
        name TEXT PRIMARY KEY,
        key TEXT NOT NULL REFERENCES build_results (key) ON DELETE CASCADE,
        inputs TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX build_keys_by_key ON build_keys (key);
    `,
  },
];
