// Whether a container can have handed a descriptor of its files to somebody who outlives it. Such a descriptor keeps its overlay alive and
// writes into its upper directory, so that directory must never become another container's.
import type { Container } from '../container.ts';

/**
 * True only for containers that shared nothing with anyone: descriptors travel over unix sockets (a shared directory, network or IPC
 * namespace), through ptrace (a shared pid namespace), and stay in devices and what capabilities beyond the default set allow.
 */
export function isSealed({ spec, wasShared }: Container): boolean {
  const { network, namespaces, security, devices, mounts } = spec;
  const sharesNamespace = [network, namespaces.pid, namespaces.ipc].some(
    ({ kind }) => kind === 'host' || kind === 'container',
  );
  const hasMore =
    security.isPrivileged ||
    security.capabilities.add.length > 0 ||
    security.seccomp.kind !== 'default' ||
    security.hasOpenSystemPaths ||
    security.hasWritableCgroups ||
    devices.mappings.length > 0 ||
    devices.rules.length > 0;
  return !wasShared && !sharesNamespace && !hasMore && mounts.every(({ type }) => type === 'tmpfs');
}
