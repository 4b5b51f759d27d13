// Which containers have a volume, running or not: the containers' records say it, and nothing else.
import type { VolumeUser } from '../../volumes/volume-service.ts';
import type { Container } from '../container.ts';
import { type ContainerEventsNeeds, publishVolumeEvent } from '../container-events.ts';
import type { ContainerStore } from '../container-store.ts';

/** See needs.ts. */
export type VolumeUsersNeeds = ContainerEventsNeeds;

export function volumeUsers(store: ContainerStore, name: string): VolumeUser[] {
  const users: VolumeUser[] = [];
  for (const container of store.all()) {
    const { record, state, isRunning } = container;
    const mounts = record.spec.mounts.filter(({ volume }) => volume?.name === name);
    if (mounts.length === 0) continue;
    const whole = mounts.find(({ subpath }) => subpath === undefined);
    const isSource = isRunning && state.pid > 0 && whole !== undefined;
    users.push({
      containerId: container.id,
      ...(isSource ? { running: { pid: state.pid, target: whole.target } } : {}),
    });
  }
  return users;
}

/** What `rm -v` and --rm take along, unless somebody else has it too. */
export function anonymousVolumes({ record }: Container): string[] {
  return record.spec.mounts.flatMap(({ volume }) => (volume?.isAnonymous ? [volume.name] : []));
}

export function publishVolumesMounted(services: VolumeUsersNeeds, container: Container): void {
  for (const { volume, target, readonly } of container.spec.mounts) {
    if (volume === undefined) continue;
    publishVolumeEvent(services, container, volume.name, 'mount', {
      destination: target,
      propagation: '',
      'read/write': String(!readonly),
    });
  }
}

export function publishVolumesUnmounted(services: VolumeUsersNeeds, container: Container): void {
  for (const { volume } of container.spec.mounts) {
    if (volume !== undefined) publishVolumeEvent(services, container, volume.name, 'unmount', {});
  }
}
