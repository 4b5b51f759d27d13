// A directory with caches has several by their tags, as BuildKit's clients keep them: a new one takes the place of the one with its tag only.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

interface IndexEntry {
  annotations?: Record<string, string>;
}

const REF_NAME = 'org.opencontainers.image.ref.name';

/** What index.json of a directory names besides what comes. Called before a cache is unpacked into it; the result is called afterwards. */
export async function keepOtherCaches(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'index.json');
  const before = await entriesOf(path);
  return async () => {
    const index = await indexOf(path);
    const names = new Set(index.manifests?.map(({ annotations }) => annotations?.[REF_NAME]));
    const others = before.filter(({ annotations }) => !names.has(annotations?.[REF_NAME]));
    if (others.length === 0) return;
    await writeFile(path, JSON.stringify({ ...index, manifests: [...others, ...(index.manifests ?? [])] }));
  };
}

async function entriesOf(path: string): Promise<IndexEntry[]> {
  try {
    return (await indexOf(path)).manifests ?? [];
  } catch {
    // There was none, or it was none.
    return [];
  }
}

async function indexOf(path: string): Promise<{ manifests?: IndexEntry[] }> {
  return JSON.parse(await readFile(path, 'utf8')) as { manifests?: IndexEntry[] };
}
