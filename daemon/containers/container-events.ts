// Events about containers, with the attributes that Docker gives them: the labels, the image as typed, the name, and what the action adds.

import { parseNetworkMode } from '../networks/network-mode.ts';
import { localDriver } from '../volumes/volume-record.ts';
import type { Container } from './container.ts';
import type { Services } from './services.ts';

export function publishContainerEvent(
  { events }: Services,
  container: Container,
  action: string,
  extra: Readonly<Record<string, string>> = {},
): void {
  const { config, name } = container.record;
  events.publish('container', action, container.id, {
    ...config.Labels,
    image: config.Image,
    name,
    ...extra,
  });
}

export function publishVolumeEvent(
  { events }: Services,
  container: Container,
  name: string,
  action: string,
  extra: Readonly<Record<string, string>>,
): void {
  events.publish('volume', action, name, { container: container.id, driver: localDriver, ...extra });
}

/** Connection to one of the fixed networks; sharing another container's network is no connection. */
export function publishNetworkEvent({ events, networks }: Services, container: Container, action: string): void {
  const mode = parseNetworkMode(container.record.hostConfig.NetworkMode ?? '');
  if (mode.kind === 'container') return;
  events.publish('network', action, networks.idOf(mode.kind), {
    container: container.id,
    name: mode.kind,
    type: networks.driverOf(mode.kind),
  });
}
