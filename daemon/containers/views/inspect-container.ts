// GET /containers/{id}/json: a container as Docker shows it.

import type { ContainerInspectResponse, MountPoint } from '../../docker-types/container.ts';
import { formatTime } from '../../protocols/units/rfc3339.ts';
import { inspectedBody } from '../../spec/docker/to-docker.ts';
import type { ResolvedMount } from '../../spec/mount.ts';
import { localDriver } from '../../volumes/volume-record.ts';
import type { Container } from '../container.ts';
import { wireHealth } from '../health/health.ts';
import type { Needs } from '../needs.ts';
import { linkTexts } from '../network/links.ts';
import { networkDonor } from '../start/join-namespaces.ts';
import { type NetworkSettingsNeeds, networkSettings } from './network-settings.ts';

/** See needs.ts. */
export type InspectContainerNeeds = Needs<
  'images.byId' | 'layers.dirs' | 'layers.usage' | 'paths.logs' | 'paths.managedFile' | 'store' | 'volumes.mountpoint'
> &
  NetworkSettingsNeeds;

export async function inspectContainer(
  services: InspectContainerNeeds,
  ref: string,
  options: { size: boolean },
): Promise<ContainerInspectResponse> {
  const container = services.store.get(ref);
  const { record, state, id } = container;
  const { paths } = services;
  const command = record.spec.process.args;
  const sizes = options.size ? await sizesOf(services, container) : {};
  const filesOf = donorId(services, container) ?? id;
  // What a start makes has no place before the first.
  const madeByStart = (path: string) => (container.hasStarted ? path : '');
  return {
    Id: id,
    Created: formatTime(BigInt(record.createdNs)),
    Path: command[0] ?? '',
    Args: command.slice(1),
    State: {
      Status: state.status,
      Running: container.isRunning || state.status === 'restarting',
      Paused: state.status === 'paused',
      Restarting: state.status === 'restarting',
      OOMKilled: state.oomKilled,
      Dead: state.status === 'dead',
      Pid: state.pid,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: formatTime(BigInt(state.startedNs)),
      FinishedAt: formatTime(BigInt(state.finishedNs)),
      ...(state.health === undefined ? {} : { Health: wireHealth(state.health) }),
    },
    Image: record.imageId,
    ResolvConfPath: madeByStart(paths.managedFile(filesOf, 'resolv.conf')),
    HostnamePath: madeByStart(paths.managedFile(filesOf, 'hostname')),
    HostsPath: madeByStart(paths.managedFile(filesOf, 'hosts')),
    LogPath: madeByStart(paths.logs(id)),
    Name: `/${record.name}`,
    RestartCount: state.restartCount,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: container.execs.size === 0 ? null : runningExecs(container),
    ...inspectedBody(record.body, linkTexts(services.store, container)),
    GraphDriver: { Name: 'overlay2', Data: graphData(services, id) },
    ...sizes,
    Mounts: mountPoints(services, record.spec.mounts),
    NetworkSettings: networkSettings(services, container),
  };
}

function runningExecs(container: Container): string[] | null {
  const ids = [...container.execs.values()].filter((exec) => exec.isRunning).map((exec) => exec.id);
  return ids.length === 0 ? null : ids;
}

function donorId(services: InspectContainerNeeds, container: Container): string | undefined {
  try {
    return networkDonor(services.store, container.spec)?.id;
  } catch {
    return undefined;
  }
}

async function sizesOf(
  services: InspectContainerNeeds,
  container: Container,
): Promise<{ SizeRw: number; SizeRootFs: number }> {
  // Its files may have gone meanwhile, or be lost.
  const written = await services.layers.usage(container.id, 'size').catch(() => 0);
  return { SizeRw: written, SizeRootFs: imageBytes(services, container.record.imageId) + written };
}

export function imageBytes({ images }: Needs<'images.byId'>, id: string): number {
  try {
    return images.byId(id)?.sizeBytes ?? 0;
  } catch {
    return 0;
  }
}

function graphData(services: InspectContainerNeeds, id: string): Record<string, string> | null {
  try {
    const { lower, upper, work } = services.layers.dirs(id);
    return { LowerDir: lower.join(':'), UpperDir: upper, WorkDir: work };
  } catch {
    return null;
  }
}

export function mountPoints({ volumes }: Needs<'volumes.mountpoint'>, mounts: readonly ResolvedMount[]): MountPoint[] {
  return mounts
    .filter(({ isUnlisted }) => !isUnlisted)
    .map((mount) => ({
      Type: mount.type,
      ...(mount.volume === undefined ? {} : { Name: mount.volume.name }),
      ...(mount.imageName === undefined ? {} : { Name: mount.imageName }),
      Source: mount.volume === undefined ? mount.source : volumes.mountpoint(mount.volume.name),
      Destination: mount.target,
      ...(mount.volume === undefined ? {} : { Driver: localDriver }),
      Mode: mount.mode,
      RW: !mount.readonly,
      Propagation: mount.type === 'bind' ? mount.propagation : '',
    }));
}
