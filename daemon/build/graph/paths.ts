// Paths in an image, as Go's path package joins and cleans them. They are text here: nothing is looked up.
import { posix } from 'node:path';
import { withoutTrailing } from '../../protocols/without-trailing.ts';

/** Absolute and cleaned; `..` ends at the root. */
export function absolute(path: string): string {
  const clean = withoutTrailing(posix.normalize(`/${path}`), '/');
  return clean === '' ? '/' : clean;
}

export function joined(directory: string, path: string): string {
  return path.startsWith('/') ? absolute(path) : absolute(`${directory}/${path}`);
}

/** Where a copy goes: a slash at the end (or `.`) says that it is a directory. */
export function destinationPath(workingDir: string, path: string): string {
  const clean = joined(workingDir, path);
  return /(?:^|\/)\.?$/.test(path) && clean !== '/' ? `${clean}/` : clean;
}

export function hasWildcards(path: string): boolean {
  for (let at = 0; at < path.length; at++) {
    const char = path[at];
    if (char === '*' || char === '?' || char === '[') return true;
    if (char === '\\') at++;
  }
  return false;
}

/** Paths as a transfer follows them: none when everything is needed. */
export function followed(paths: ReadonlySet<string>): string[] {
  return paths.has('/') ? [] : [...paths].map((path) => path.replace(/^\/+/, '')).sort();
}
