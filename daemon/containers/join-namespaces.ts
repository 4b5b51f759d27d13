// Which namespaces a container gets of its own and which it shares, with whom: HostConfig's modes, resolved at the time of the start.
import { EngineError } from '../errors/engine-error.ts';
import type { NamespacePlan } from '../runtime/container-input.ts';
import { type NamespaceMode, parseNamespaceModes } from '../runtime/namespaces.ts';
import { networkModeOf } from '../spec/network-mode.ts';
import type { Container } from './container.ts';
import type { ContainerRecord } from './container-record.ts';
import type { ContainerStore } from './container-store.ts';
import type { Services } from './services.ts';

/** `own`: the network namespace that was built for it; without one it gets an empty one. Throws 'not-found' or 'conflict' when the container to share with is not there or does not run. */
export function planNamespaces(
  { store, defaults }: Services,
  container: Pick<ContainerRecord, 'config' | 'hostConfig'>,
  own?: { readonly fd: number },
): NamespacePlan {
  const network = networkModeOf(container);
  const modes = parseNamespaceModes(container.hostConfig, defaults.cgroupVersion);
  return {
    pid: shared(store, modes.pid, 'PID namespace'),
    ipc: shared(store, modes.ipc, 'IPC', checkShareable),
    uts: shared(store, modes.uts, 'UTS namespace'),
    network:
      network.kind === 'host'
        ? 'host'
        : network.kind === 'container'
          ? { pid: runningPid(store, network.ref, 'network') }
          : (own ?? 'private'),
    cgroup: modes.cgroup,
  };
}

/** The container whose network this one shares, if it does. Throws 'not-found' when that one is gone. */
export function networkDonor(
  store: ContainerStore,
  container: Pick<ContainerRecord, 'config' | 'hostConfig'>,
): Container | undefined {
  const network = networkModeOf(container);
  return network.kind === 'container' ? store.get(network.ref) : undefined;
}

/** Whoever shares a container's network has its host name too: the hosts file that both read knows no other. From the start on, as docker. */
export function takeHostname({ store }: Services, container: Container): void {
  const donor = networkDonor(store, container.record);
  if (donor === undefined) return;
  const { Hostname, Domainname } = sharedNames(donor);
  const { config } = container.record;
  if (config.Hostname === Hostname && config.Domainname === Domainname) return;
  container.record.config = { ...config, Hostname, Domainname };
  try {
    store.saveRecord(container);
  } catch (error) {
    container.record.config = config;
    throw error;
  }
}

/** What comes with a container's network. */
export function sharedNames({ record }: Container): Pick<ContainerRecord['config'], 'Hostname' | 'Domainname'> {
  const { Hostname, Domainname } = record.config;
  return { Hostname, Domainname };
}

function shared(
  store: ContainerStore,
  mode: NamespaceMode,
  what: string,
  check?: (donor: Container) => void,
): 'private' | 'host' | { pid: number } {
  return mode.kind === 'container' ? { pid: runningPid(store, mode.ref, what, check) } : mode.kind;
}

function runningPid(store: ContainerStore, ref: string, what: string, check?: (donor: Container) => void): number {
  const donor = store.get(ref);
  if (!donor.isRunning || donor.state.pid === 0) {
    throw new EngineError('conflict', `cannot join ${what} of a non running container: ${ref}`);
  }
  check?.(donor);
  donor.wasShared = true;
  return donor.state.pid;
}

function checkShareable(donor: Container): void {
  const mode = donor.record.hostConfig.IpcMode ?? '';
  if (mode !== 'shareable' && mode !== 'host' && !mode.startsWith('container:')) {
    throw new EngineError(
      'conflict',
      `cannot join IPC of container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
}
