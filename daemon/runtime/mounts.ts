// All mounts of a container as one list: those of --volumes-from, of -v, --mount and --tmpfs, and the image's VOLUMEs. What mounts a
// container needs is decided here; the kernel's part is in compile-mounts.ts.
import { mkdirSync } from 'node:fs';
import type { ResolvedConfig } from '../docker-types/container-config.ts';
import type { HostConfig } from '../docker-types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { ResolvedMount } from '../spec/mount.ts';
import { checkTarget } from '../spec/mount-target.ts';
import { tmpfsMount, volumeMount } from '../spec/new-mount.ts';
import { parseBind } from '../spec/parse-bind.ts';
import { parseMount, statOf } from '../spec/parse-mount.ts';
import type { ManagedFiles } from './container-input.ts';

const MAX_MOUNTS = 400;

/**
 * `inherited` are the mounts of the containers that --volumes-from names: the container's own go before them, and both before the image's.
 * Checks sources of --mount on the host, as Docker does at create. Throws 400 in Docker's words.
 */
export function parseMounts(
  hostConfig: HostConfig,
  config: ResolvedConfig,
  inherited: readonly ResolvedMount[] = [],
): ResolvedMount[] {
  const driver = hostConfig.VolumeDriver ?? '';
  const own: ResolvedMount[] = [];
  for (const bind of hostConfig.Binds ?? []) own.push(parseBind(bind, driver));
  for (const mount of hostConfig.Mounts ?? []) own.push(parseMount(mount));
  for (const [target, options] of Object.entries(hostConfig.Tmpfs ?? {})) {
    const words = options === '' ? [] : options.split(',');
    own.push({ ...tmpfsMount(checkTarget(target), words, options), isUnlisted: true });
  }
  const byTarget = new Map(inherited.map((mount) => [mount.target, mount]));
  const targets = new Set<string>();
  for (const mount of own) {
    if (targets.has(mount.target)) throw new EngineError('invalid', `Duplicate mount point: ${mount.target}`);
    targets.add(mount.target);
    byTarget.set(mount.target, mount);
  }
  for (const path of Object.keys(config.Volumes ?? {})) {
    // Of an image it may be anything: a relative path starts at the root, and nothing leads above that.
    const target = checkTarget(`/${path}`);
    if (!byTarget.has(target)) byTarget.set(target, imageVolume(target, driver));
  }
  if (byTarget.size > MAX_MOUNTS) throw new EngineError('invalid', `more than ${MAX_MOUNTS} mounts`);
  return [...byTarget.values()];
}

function imageVolume(target: string, driver: string): ResolvedMount {
  const volume = { name: '', driver, isAnonymous: true, copiesUp: true, labels: null, options: null };
  return volumeMount(target, volume, { readonly: false, mode: '' });
}

/** Makes what -v names and is missing, as Docker does: a directory that belongs to root. */
export function createMissingSources(mounts: readonly ResolvedMount[]): void {
  for (const { type, source, createSource } of mounts) {
    if (type !== 'bind' || !createSource) continue;
    try {
      if (statOf(source) === undefined) mkdirSync(source, { recursive: true, mode: 0o755 });
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
    const isFile = fileTargets.has(target) || (type === 'bind' && statOf(source)?.isDirectory() === false);
    points.push({ path: target, kind: isFile ? 'file' : 'directory' });
  }
  return points;
}
