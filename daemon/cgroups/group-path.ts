// Paths of groups as users and the engine name them. Nothing may point outside the hierarchy.
import { EngineError } from '../errors/engine-error.ts';

const MAX_BYTES = 1024;
const MAX_DEPTH = 32;

/** Throws EngineError('invalid') unless `path` is absolute, normal, below the root, and of sane size. */
export function checkGroupPath(path: string): void {
  const parts = path.split('/').slice(1);
  const isGood =
    path.startsWith('/') &&
    path.length <= MAX_BYTES &&
    parts.length <= MAX_DEPTH &&
    !/[\0\n]/.test(path) &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..' && part.length <= 255);
  if (!isGood) {
    throw new EngineError(
      'invalid',
      `invalid cgroup path ${JSON.stringify(path)}: must be absolute, without "." and ".."`,
    );
  }
}

/** The groups above a group, outermost first, without the root: "/a/b/c" has "/a" and "/a/b". */
export function parentPaths(path: string): string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}
