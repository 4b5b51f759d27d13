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
];
