// What an image holds, read from an archive of it: its layers are put over each other here, by the test's own rules.
import type { Served } from '../containers.ts';
import { type ReadEntry, readTar } from '../tars.ts';

export interface ImageFile {
  kind: 'file' | 'directory' | 'symlink' | 'device' | 'fifo';
  /** Octal, with the bits above rwx. */
  mode: string;
  owner: string;
  /** Of a file; where a symbolic link leads to. */
  text: string;
  data: Buffer;
  xattrs: Record<string, string>;
}

/** By path without leading slash. */
export type ImageFiles = Map<string, ImageFile>;

export interface ImageConfig {
  architecture: string;
  os: string;
  config: Record<string, unknown>;
  history: { created_by?: string; comment?: string; empty_layer?: boolean; author?: string; created?: string }[];
  rootfs: { diff_ids: string[] };
  [field: string]: unknown;
}

export interface ImageContent {
  config: ImageConfig;
  layers: ReadEntry[][];
}

/** Reads the image's archive, which the engine makes. */
export async function imageContent({ api }: Served, image: string): Promise<ImageContent> {
  const answer = await api.send('GET', `/images/${encodeURIComponent(image)}/get`, { timeoutMs: 120_000 });
  if (answer.status !== 200) throw new Error(`save ${image}: ${answer.status} ${answer.text}`);
  const parts = new Map(readTar(answer.body).map((entry) => [entry.name, entry.data]));
  const part = (name: string) => {
    const data = parts.get(name);
    if (data === undefined) throw new Error(`the archive of ${image} lacks ${name}`);
    return data;
  };
  const [manifest]: { Config: string; Layers: string[] }[] = JSON.parse(part('manifest.json').toString());
  if (manifest === undefined) throw new Error(`the archive of ${image} has no manifest`);
  const config: ImageConfig = JSON.parse(part(manifest.Config).toString());
  return { config, layers: manifest.Layers.map((name) => readTar(part(name))) };
}

const kinds: Record<string, ImageFile['kind']> = { 2: 'symlink', 3: 'device', 4: 'device', 5: 'directory', 6: 'fifo' };

const trimmed = (name: string) => name.replace(/^(\.?\/)+/, '').replace(/\/$/, '');

export function stackLayers(layers: readonly (readonly ReadEntry[])[]): ImageFiles {
  const files: ImageFiles = new Map();
  const drop = (path: string) => {
    for (const name of files.keys()) if (name === path || name.startsWith(`${path}/`)) files.delete(name);
  };
  const empty = (path: string) => {
    for (const name of files.keys()) if (name.startsWith(`${path}/`)) files.delete(name);
  };
  for (const layer of layers) {
    for (const { name } of layer) {
      const [, dir = '', gone = ''] = /^(.*\/)?\.wh\.([^/]+)$/.exec(trimmed(name)) ?? [];
      if (gone === '.wh..opq') empty(dir.slice(0, -1));
      else if (gone !== '') drop(dir + gone);
    }
    for (const entry of layer) {
      const path = trimmed(entry.name);
      if (path === '' || path.split('/').at(-1)?.startsWith('.wh.')) continue;
      const kind = kinds[entry.flag] ?? 'file';
      if (kind !== 'directory' || files.get(path)?.kind !== 'directory') drop(path);
      const target = entry.flag === '1' ? files.get(trimmed(entry.linkname)) : undefined;
      const data = target?.data ?? entry.data;
      files.set(path, {
        kind,
        mode: entry.mode.toString(8),
        owner: `${entry.uid}:${entry.gid}`,
        text: kind === 'symlink' ? entry.linkname : data.toString(),
        data,
        xattrs: xattrsOf(entry),
      });
    }
  }
  return files;
}

function xattrsOf({ pax }: ReadEntry): Record<string, string> {
  const found = Object.entries(pax).filter(([key]) => key.startsWith('SCHILY.xattr.'));
  return Object.fromEntries(found.map(([key, value]) => [key.slice('SCHILY.xattr.'.length), value]));
}

/** Everything in the image. */
export async function imageFiles(engine: Served, image: string): Promise<ImageFiles> {
  return stackLayers((await imageContent(engine, image)).layers);
}

/** Paths of what is below a directory, relative to it, sorted; directories with a trailing slash. */
export function listBelow(files: ImageFiles, dir = ''): string[] {
  const top = dir === '' ? '' : `${dir}/`;
  return [...files]
    .filter(([path]) => path.startsWith(top) && path !== dir)
    .map(([path, { kind }]) => `${path.slice(top.length)}${kind === 'directory' ? '/' : ''}`)
    .sort();
}

/** `Config` of the image as inspect shows it. */
export async function imageConfig({ api }: Served, image: string): Promise<Record<string, unknown>> {
  const { Config } = await api.get<{ Config: Record<string, unknown> }>(`/images/${image}/json`);
  return Config;
}
