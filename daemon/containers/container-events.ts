// Events about containers, with the attributes that Docker gives them: the labels, the image as typed, the name, and what the action adds.

import type { NetworkRecord } from '../networks/network-record.ts';
import type { EventLog } from '../state/event-log.ts';
import { localDriver } from '../volumes/volume-record.ts';
import type { Container } from './container.ts';
import type { Needs } from './needs.ts';

/** See needs.ts. */
export type ContainerEventsNeeds = Needs<'events.publish'>;

export function publishContainerEvent(
  { events }: ContainerEventsNeeds,
  container: Container,
  action: string,
  extra: Readonly<Record<string, string>> = {},
): void {
  const { spec, name } = container.record;
  events.publish('container', action, container.id, { image: spec.imageName, name, ...extra }, spec.labels);
}

export function publishVolumeEvent(
  { events }: ContainerEventsNeeds,
  container: Container,
  name: string,
  action: string,
  extra: Readonly<Record<string, string>>,
): void {
  events.publish('volume', action, name, { container: container.id, driver: localDriver, ...extra });
}

export function publishNetworkChange(events: EventLog, action: string, network: NetworkRecord | undefined): void {
  events.publish(
    'network',
    action,
    network?.id ?? '',
    network === undefined ? { reclaimed: '0' } : { name: network.name, type: network.driver },
  );
}

export function publishNetworkEvent(
  { events }: ContainerEventsNeeds,
  container: Container,
  action: 'connect' | 'disconnect',
  network: NetworkRecord,
): void {
  events.publish('network', action, network.id, {
    container: container.id,
    name: network.name,
    type: network.driver,
  });
}
