// Paths of /proc and /sys that a container must not see or write: what each one is on this kernel. A masked file
// is covered by a null device of the container's own, a masked directory by an empty read-only tmpfs.
import { readdirSync, statSync } from 'node:fs';

export type PathKind = 'file' | 'directory' | 'missing';

/** True for a path of the procfs or sysfs that the engine mounts itself: what is there is the kernel's doing, the same on the host. */
export function isKernelPath(path: string): boolean {
  return path.startsWith('/proc/') || path.startsWith('/sys/');
}

/** How long an answer about /proc and /sys holds: a module that is loaded later brings new files. */
const PROBE_LIFETIME_MS = 10_000;

/** Says what masked and read-only paths are on this kernel; remembers for some seconds. */
export class PathProbe {
  readonly #kinds = new Map<string, PathKind>();
  #thermal: readonly string[] = [];
  #expiresMs = 0;

  kind(path: string): PathKind {
    this.#refresh();
    let kind = this.#kinds.get(path);
    if (kind === undefined) {
      kind = statKind(path);
      this.#kinds.set(path, kind);
    }
    return kind;
  }

  /** Directories whose counters tell one tenant about another's load: one per processor, where the processor has them. */
  thermalThrottlePaths(): readonly string[] {
    this.#refresh();
    return this.#thermal;
  }

  #refresh(): void {
    const nowMs = performance.now();
    if (nowMs < this.#expiresMs) return;
    this.#expiresMs = nowMs + PROBE_LIFETIME_MS;
    this.#kinds.clear();
    const base = '/sys/devices/system/cpu';
    this.#thermal = listDirectory(base)
      .filter((name) => /^cpu\d+$/.test(name))
      .map((name) => `${base}/${name}/thermal_throttle`)
      .filter((path) => statKind(path) === 'directory');
  }
}

function statKind(path: string): PathKind {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 'missing';
  return stats.isDirectory() ? 'directory' : 'file';
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
