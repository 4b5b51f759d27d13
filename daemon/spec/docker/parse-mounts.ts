// All mounts of a container as one list: those of --volumes-from, of -v, --mount and --tmpfs, and the image's VOLUMEs.

import type { ResolvedConfig } from '../../docker-types/container-config.ts';
import type { HostConfig } from '../../docker-types/host-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { ResolvedMount } from '../mount.ts';
import { checkTarget } from '../mount-target.ts';
import { tmpfsMount, volumeMount } from './new-mount.ts';
import { parseBind } from './parse-bind.ts';
import { parseMount } from './parse-mount.ts';

const MAX_MOUNTS = 400;

/**
 * `inherited` are the mounts of the containers that --volumes-from names: the container's own go before them, and both before the image's.
 * Checks sources of --mount on the host, as Docker does at create. Throws 400 in Docker's words.
 */
export function parseMounts(
  hostConfig: HostConfig,
  config: Pick<ResolvedConfig, 'Volumes'>,
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
