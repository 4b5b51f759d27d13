// What a container's mounts need before they are made: missing sources, places in the image. The list itself is made in daemon/spec; the
// kernel's part is in compile-mounts.ts.
import { mkdirSync, statSync } from 'node:fs';
import { EngineError } from '../errors/engine-error.ts';
import type { ResolvedMount } from '../spec/mount.ts';
import type { ManagedFiles } from './container-input.ts';

/** Makes what -v names and is missing, as Docker does: a directory that belongs to root. */
export function createMissingSources(mounts: readonly ResolvedMount[]): void {
  for (const { type, source, createSource } of mounts) {
    if (type !== 'bind' || !createSource) continue;
    try {
      if (statSync(source, { throwIfNoEntry: false }) === undefined)
        mkdirSync(source, { recursive: true, mode: 0o755 });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new EngineError('invalid', `error while creating mount source path '${source}': ${why}`, { cause: error });
    }
  }
}

export interface MountPoint {
  path: string;
  kind: 'directory' | 'file';
}

/**
 * Every path that something is mounted on, for the init layer: images need not have them. `fileTargets` are those where a file of a volume or
 * an image goes.
 */
export function mountPoints(
  mounts: readonly ResolvedMount[],
  managed: ManagedFiles,
  fileTargets: ReadonlySet<string> = new Set(),
): MountPoint[] {
  const points: MountPoint[] = ['/dev', '/proc', '/sys'].map((dir) => ({ path: dir, kind: 'directory' }));
  const files: [string, string | undefined][] = [
    ['/etc/hosts', managed.hosts],
    ['/etc/hostname', managed.hostname],
    ['/etc/resolv.conf', managed.resolvConf],
  ];
  const users = new Set(mounts.map(({ target }) => target));
  for (const [file, source] of files)
    if (source !== undefined && !users.has(file)) points.push({ path: file, kind: 'file' });
  for (const { type, source, target } of mounts) {
    if (/^\/(dev|proc|sys)(\/|$)/.test(target)) continue;
    const isFile =
      fileTargets.has(target) ||
      (type === 'bind' && statSync(source, { throwIfNoEntry: false })?.isDirectory() === false);
    points.push({ path: target, kind: isFile ? 'file' : 'directory' });
  }
  return points;
}
