// The files of a build's context, but for those that are left out, as the daemon is to have them: root's.
import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { ContextEntry } from '../../daemon/protocols/context-list/context-entry.ts';
import { FormatError } from '../../daemon/protocols/format-error.ts';
import { readIgnoreFile } from '../../daemon/protocols/ignore/ignore-file.ts';
import { IgnoreMatcher } from '../../daemon/protocols/ignore/ignore-matcher.ts';
import { fromBytes, toBytes } from '../../daemon/protocols/tar/tar-entry.ts';
import { CliError } from '../errors.ts';
import { systemReason } from '../options/variables.ts';
import type { DirectoryContext } from './find-context.ts';

/** Names are byte strings, see TarEntry. */
export interface ContextFile {
  readonly entry: ContextEntry;
  /** On this machine, or what is in it. */
  readonly from: string | Buffer;
}

/**
 * In the order of a context's list: a directory before what is in it, names by their bytes. Sockets and devices are left out. A directory that is left
 * out comes all the same when something in it is not. Throws CliError.
 */
export function* contextFiles(context: DirectoryContext): Generator<ContextFile> {
  const matcher = ignoreMatcher(context);
  // Always sent: the daemon needs both, and leaves them out of copies by itself.
  const dockerfile = toBytes(context.dockerfile);
  const always = new Set([dockerfile, '.dockerignore', `${dockerfile}.dockerignore`]);
  const extra = new Map(context.extra.map(({ name, bytes }) => [toBytes(name), bytes]));
  const root = toBytes(context.root);
  /** Directories that come with the first thing in them. */
  let pending: ContextFile[] = [];

  function* emit(file: ContextFile): Generator<ContextFile> {
    yield* pending;
    pending = [];
    yield file;
  }

  function* below(directory: string): Generator<ContextFile> {
    const listed = namesIn(`${root}/${directory}`);
    const names = directory === '' && extra.size > 0 ? [...new Set([...listed, ...extra.keys()])].sort() : listed;
    for (const name of names) {
      const path = directory === '' ? name : `${directory}/${name}`;
      const bytes = extra.get(path);
      if (bytes !== undefined) {
        yield* emit(extraFile(path, bytes));
        continue;
      }
      const file = fileOf(root, path);
      if (file === undefined) continue;
      const text = fromBytes(path).toString();
      const isWanted = always.has(path) || !matcher.isIgnored(text);
      if (file.entry.kind !== 'directory') {
        if (isWanted) yield* emit(file);
      } else if (isWanted) {
        yield* emit(file);
        yield* below(path);
      } else if (!matcher.isIgnoredWhole(text) || [...always].some((one) => one.startsWith(`${path}/`))) {
        const before = pending;
        pending = [...pending, file];
        yield* below(path);
        // Nothing of it was wanted.
        if (pending.at(-1) === file) pending = before;
      }
    }
  }

  yield* below('');
}

/** undefined: it went since it was listed, or is nothing that can be sent. */
function fileOf(root: string, path: string): ContextFile | undefined {
  const from = `${root}/${path}`;
  let stats: BigIntStats;
  try {
    stats = lstatSync(fromBytes(from), { bigint: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
  const mode = Number(stats.mode & 0o7777n);
  const common = { path, mode, uid: 0, gid: 0, mtimeNs: String(stats.mtimeNs) };
  if (stats.isFile()) {
    const stamp = `${stats.dev}.${stats.ino}.${stats.ctimeNs}`;
    return { from, entry: { ...common, kind: 'file', sizeBytes: Number(stats.size), stamp } };
  }
  if (stats.isDirectory()) return { from, entry: { ...common, kind: 'directory' } };
  if (stats.isFIFO()) return { from, entry: { ...common, kind: 'fifo' } };
  if (!stats.isSymbolicLink()) return undefined;
  return { from, entry: { ...common, kind: 'symlink', target: readlinkSync(fromBytes(from), 'latin1') } };
}

function extraFile(path: string, bytes: Buffer): ContextFile {
  const stamp = createHash('sha256').update(bytes).digest('hex');
  const entry = {
    kind: 'file',
    path,
    mode: 0o600,
    uid: 0,
    gid: 0,
    mtimeNs: '0',
    sizeBytes: bytes.length,
    stamp,
  } as const;
  return { entry, from: bytes };
}

function ignoreMatcher({ ignore }: DirectoryContext): IgnoreMatcher {
  try {
    return new IgnoreMatcher(ignore === undefined ? [] : readIgnoreFile(ignore));
  } catch (error) {
    throw error instanceof FormatError ? new CliError(`unable to prepare context: ${error.message}`) : error;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(fromBytes(directory), { encoding: 'latin1' }).sort();
  } catch (error) {
    throw unreadable(directory, error);
  }
}

export function unreadable(name: string, error: unknown): CliError {
  return new CliError(`error checking context: open ${fromBytes(name).toString()}: ${systemReason(error)}`);
}
