// Which namespaces a container gets of its own and which it shares, with whom: its modes, resolved at the time of the start.
import { EngineError } from '../../errors/engine-error.ts';
import type { NamespacePlan } from '../../runtime/container-input.ts';
import type { ContainerSpec, NamespaceMode } from '../../spec/container-spec.ts';
import { withNames } from '../../spec/docker/to-docker.ts';
import type { Container } from '../container.ts';
import type { ContainerStore } from '../container-store.ts';
import type { Needs } from '../needs.ts';

/** See needs.ts. */
export type JoinNamespacesNeeds = Needs<'defaults.cgroupVersion' | 'store'>;

/** `own`: the network namespace that was built for it; without one it gets an empty one. Throws 'not-found' or 'conflict' when the container to share with is not there or does not run. */
export function planNamespaces(
  { store, defaults }: JoinNamespacesNeeds,
  { network, namespaces: modes }: Pick<ContainerSpec, 'network' | 'namespaces'>,
  own?: { readonly fd: number },
): NamespacePlan {
  return {
    pid: shared(store, modes.pid, 'PID namespace'),
    ipc: shared(store, modes.ipc, 'IPC', checkShareable),
    uts: modes.uts.kind,
    network:
      network.kind === 'host'
        ? 'host'
        : network.kind === 'container'
          ? { pid: runningPid(store, network.ref, 'network') }
          : (own ?? 'private'),
    cgroup: modes.cgroup ?? (defaults.cgroupVersion === 2 ? 'private' : 'host'),
  };
}

/** The container whose network this one shares, if it does. Throws 'not-found' when that one is gone. */
export function networkDonor(
  store: ContainerStore,
  { network }: Pick<ContainerSpec, 'network'>,
): Container | undefined {
  return network.kind === 'container' ? store.get(network.ref) : undefined;
}

/** Whoever shares a container's network has its host name too: the hosts file that both read knows no other. From the start on, as docker. */
export function takeHostname({ store }: JoinNamespacesNeeds, container: Container): void {
  const donor = networkDonor(store, container.spec);
  if (donor === undefined) return;
  const names = sharedNames(donor);
  const { spec, body } = container.record;
  if (spec.hostname === names.hostname && spec.domainname === names.domainname) return;
  store.change(container, withNames({ spec, body }, names));
}

/** What comes with a container's network. */
export function sharedNames({ spec }: Container): Pick<ContainerSpec, 'hostname' | 'domainname'> {
  const { hostname, domainname } = spec;
  return { hostname, domainname };
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
  if (!donor.spec.namespaces.ipc.isShareable) {
    throw new EngineError(
      'conflict',
      `cannot join IPC of container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
}
