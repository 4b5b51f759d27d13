// What a container's mounts need before it is stored: volumes are found or made and held, and empty ones get what the image has there.

import { fstatSync } from 'node:fs';
import { EngineError } from '../../errors/engine-error.ts';
import type { MountPoint } from '../../jail/file-facts.ts';
import { isInDev, resolveDevices } from '../../runtime/devices.ts';
import { mountPoints } from '../../runtime/mounts.ts';
import type { ResolvedMount } from '../../spec/mount.ts';
import type { VolumeClaim } from '../../volumes/volume-service.ts';
import type { Needs } from '../needs.ts';
import { type OpenSourcesNeeds, openSource } from '../start/open-sources.ts';
import type { PlannedContainer } from '../start/plan-container.ts';

/** See needs.ts. */
export type PrepareMountsNeeds = Needs<
  'images.openFiles' | 'images.topLayer' | 'volumes.copyUp' | 'volumes.mountpoint'
> &
  OpenSourcesNeeds;

/** In every init layer unasked: containers without mounts of their own share one. */
const alwaysThere: ReadonlySet<string> = new Set(['/dev', '/proc', '/sys']);

export interface PreparedMounts {
  readonly mounts: readonly ResolvedMount[];
  /** What the init layer has to hold. */
  readonly points: readonly MountPoint[];
}

/** The claim is the caller's: it holds the volumes until the container is stored. */
export async function prepareMounts(
  services: PrepareMountsNeeds,
  plan: PlannedContainer,
  claim: VolumeClaim,
): Promise<PreparedMounts> {
  const mounts = plan.spec.mounts.map((mount) => {
    if (mount.volume === undefined) return mount;
    const name = claim.take(mount.volume);
    return { ...mount, source: services.volumes.mountpoint(name), volume: { ...mount.volume, name } };
  });
  for (const mount of mounts) await copyUp(services, plan.image.id, mount);
  const files = new Set<string>();
  for (const mount of mounts) {
    if (mount.subpath !== undefined && (await isFile(services, mount))) files.add(mount.target);
  }
  const outerDevices = resolveDevices(plan.spec.devices.mappings).filter(({ path }) => !isInDev(path));
  const points = [
    ...mountPoints(mounts, {}, files).filter(({ path }) => !alwaysThere.has(path)),
    ...outerDevices.map(({ path }): MountPoint => ({ path, kind: 'file' })),
  ];
  return { mounts, points };
}

async function copyUp(
  services: PrepareMountsNeeds,
  imageId: string,
  { target, volume, mode }: ResolvedMount,
): Promise<void> {
  if (volume === undefined) return;
  const isOfImage = volume.isAnonymous && mode === '';
  if (!volume.copiesUp || services.images.topLayer(imageId) === undefined) return;
  const found = await services.volumes.copyUp(volume.name, target, () => services.images.openFiles(imageId));
  if (found === 'file' && isOfImage) {
    throw new EngineError('invalid', `cannot mount volume over existing file, file exists ${target}`);
  }
}

/** What is not there yet shows at the start, and is told then. */
async function isFile(services: PrepareMountsNeeds, mount: ResolvedMount): Promise<boolean> {
  try {
    using source = await openSource(services, mount);
    return !fstatSync(source.fd).isDirectory();
  } catch {
    return false;
  }
}
