// Which rows have a copy outside of the database, parents before those that refer to them. What is only a hint (blob_repositories) has none.

export interface CopiedTable {
  readonly name: string;
  /** Columns that say which row it is. */
  readonly key: readonly string[];
  /** Columns that the copy and the row have in common at any time. */
  readonly columns: readonly string[];
  /** Columns that change often or can be found out again: their copy comes later, and counts only when the row is lost. */
  readonly soft: readonly string[];
}

export const copiedTables: readonly CopiedTable[] = [
  { name: 'settings', key: ['key'], columns: ['value'], soft: [] },
  {
    name: 'layers',
    key: ['number'],
    columns: ['kind', 'key', 'parent', 'diff_id', 'size_bytes', 'tar_bytes', 'directory', 'boot'],
    soft: ['disk_bytes'],
  },
  { name: 'images', key: ['id'], columns: ['parent_id', 'top_layer', 'size_bytes', 'tagged_at'], soft: [] },
  { name: 'image_tags', key: ['repository', 'tag'], columns: ['image_id'], soft: [] },
  { name: 'image_digests', key: ['repository', 'digest'], columns: ['image_id'], soft: [] },
  { name: 'image_manifests', key: ['image_id', 'digest'], columns: ['size_bytes', 'media_type'], soft: [] },
  { name: 'layer_blobs', key: ['diff_id', 'digest'], columns: ['size_bytes', 'media_type'], soft: [] },
  { name: 'volumes', key: ['name'], columns: ['status', 'record'], soft: [] },
  { name: 'networks', key: ['id'], columns: ['name', 'created', 'record'], soft: [] },
  { name: 'containers', key: ['id'], columns: ['name', 'created_ns', 'image_id', 'record'], soft: ['state'] },
];

export function allColumns({ key, columns, soft }: CopiedTable): string[] {
  return [...key, ...columns, ...soft];
}
