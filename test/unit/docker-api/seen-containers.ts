// What the service tells of containers, for tests.
import type { ContainerRecord } from '../../../daemon/containers/container-record.ts';
import type { ContainerState } from '../../../daemon/containers/lifecycle/container-state.ts';
import type { InspectedContainer, ListedContainer } from '../../../daemon/containers/seen/seen-container.ts';
import { plainEndpoint } from '../../../daemon/networks/endpoint-config.ts';
import { containerOf } from '../containers/container-of.ts';

export const seenId = 'c'.repeat(64);

export function listed(
  record: Partial<ContainerRecord> = {},
  state: Partial<ContainerState> = {},
  seen: Partial<ListedContainer> = {},
): ListedContainer {
  const container = containerOf({ id: seenId, name: 'web', endpoints: [plainEndpoint('bridge')], ...record }, state);
  return {
    ...{ record: container.record, state: container.state },
    ...{ isRunning: container.isRunning, hasStarted: container.hasStarted, isRemoving: false },
    ...{ sandbox: undefined, volumePaths: new Map(), linkNames: [], imageName: undefined },
    ...seen,
  };
}

export function inspected(container: ListedContainer, seen: Partial<InspectedContainer> = {}): InspectedContainer {
  return {
    ...{ ...container, links: [], runningExecIds: [], layer: undefined, defaultBridge: undefined },
    files: { resolvConf: '/d/resolv.conf', hostname: '/d/hostname', hosts: '/d/hosts', log: '/d' },
    ...seen,
  };
}
