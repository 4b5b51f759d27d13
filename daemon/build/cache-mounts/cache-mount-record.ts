// What is known of one directory that steps keep between builds: a file beside it. One whose record cannot be read is one that nobody asks for.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CacheMountRecord {
  /** Hexadecimal: the name of its directory. */
  readonly name: string;
  /** Who finds it: see keyOf in cache-mounts.ts. */
  readonly key: string;
  /** As the Dockerfile has it, or the target. */
  readonly id: string;
  /** Of the step that made it. */
  readonly description: string;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  readonly lastUsedMs: number;
  readonly useCount: number;
  /** Bytes of the disk when it was last counted, after a use. */
  readonly sizeBytes: number;
}

const fileName = 'record.json';
const version = 1;
const texts = ['name', 'key', 'id', 'description'];
const numbers = ['createdMs', 'lastUsedMs', 'useCount', 'sizeBytes'];

/** Not synced: a power cut costs what was known of its last uses. */
export function writeRecord(directory: string, record: CacheMountRecord): void {
  const path = join(directory, fileName);
  writeFileSync(`${path}.new`, JSON.stringify({ version, ...record }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** undefined: it is not there, damaged, another's or of another version. */
export function readRecord(directory: string, name: string): CacheMountRecord | undefined {
  try {
    const found: unknown = JSON.parse(readFileSync(join(directory, fileName), 'utf8'));
    if (!isRecord(found) || found.version !== version || found.name !== name) return undefined;
    const { version: _, ...record } = found;
    return record;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is CacheMountRecord & { readonly version: unknown } {
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return (
    texts.every((name) => typeof fields.get(name) === 'string') &&
    numbers.every((name) => Number.isFinite(fields.get(name)))
  );
}
