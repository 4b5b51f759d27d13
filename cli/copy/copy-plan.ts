// Where a copied tree lands: docker cp's rules, which are those of `cp -a` with one twist (a source ending in `/.` stands for
// what is inside it). Pure; both directions use it.
import { posix } from 'node:path';
import { CliError } from '../errors.ts';

export interface CopySource {
  path: string;
  isDirectory: boolean;
  /** What the tree is called in the copy, when a link was followed to something named otherwise. */
  rebaseName: string;
}

export interface CopyDestination {
  path: string;
  exists: boolean;
  isDirectory: boolean;
}

export interface CopyPlan {
  /** The existing directory that the archive is unpacked in. */
  directory: string;
  /** First components of the archive's names are changed from the one to the other. */
  rename: { from: string; to: string } | undefined;
}

export function planCopy(source: CopySource, destination: CopyDestination): CopyPlan {
  const sourceBase = splitPath(source.path).base;
  const target = splitPath(destination.path);
  const renameTo = (to: string) => ({ from: source.rebaseName || sourceBase, to });
  const own = source.rebaseName ? { from: sourceBase, to: source.rebaseName } : undefined;
  if (destination.exists && destination.isDirectory) return { directory: destination.path, rename: own };
  if (destination.exists && source.isDirectory) throw new CliError('cannot copy directory');
  if (!destination.exists && !source.isDirectory && assertsDirectory(destination.path)) {
    throw new CliError('no such directory');
  }
  const from = own ? sourceBase : renameTo('').from;
  return { directory: target.directory, rename: { from, to: target.base } };
}

/** `a/b/` and `a/b/.` can only be directories. */
export function assertsDirectory(path: string): boolean {
  return path.endsWith('/') || path === '.' || path.endsWith('/.');
}

/** Directory and last component; the component is `.` when the path stands for what is inside. */
export function splitPath(path: string): { directory: string; base: string } {
  const isInside = path.endsWith('/.') || path === '.';
  const clean = posix.normalize(path).replace(/(.)\/+$/, '$1');
  if (isInside) return { directory: clean, base: '.' };
  if (clean === '/') return { directory: '/', base: '/' };
  return { directory: posix.dirname(clean), base: posix.basename(clean) };
}

/** Keeps a trailing `/` or `/.`, which path.resolve drops. */
export function keepEnding(resolved: string, given: string): string {
  if (given === '.' || given.endsWith('/.')) return `${resolved.replace(/\/$/, '')}/.`;
  return given.endsWith('/') && !resolved.endsWith('/') ? `${resolved}/` : resolved;
}

export function renameEntry(name: string, rename: CopyPlan['rename']): string {
  if (!rename) return name;
  const [, start = '', rest = ''] = /^(?:\.\/)?([^/]*)(.*)$/s.exec(name) ?? [];
  if (rename.from === '/' || (rename.from === '.' && start !== rename.to)) {
    const inner = name.replace(/^\.?\/*/, '');
    return inner === '' ? `${rename.to}/` : `${rename.to}/${inner}`;
  }
  return start === rename.from ? rename.to + rest : name;
}
