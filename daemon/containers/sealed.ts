// Whether a container can have handed a descriptor of its files to somebody who outlives it. Such a descriptor keeps its overlay alive and
// writes into its upper directory, so that directory must never become another container's.
import type { Container } from './container.ts';

/**
 * True only for containers that shared nothing with anyone: descriptors travel over unix sockets (a shared directory, network or IPC
 * namespace), through ptrace (a shared pid namespace), and stay in devices and what capabilities beyond the default set allow.
 */
export function isSealed({ record, wasShared }: Container): boolean {
  const { hostConfig, mounts } = record;
  const sharesNamespace = [hostConfig.NetworkMode, hostConfig.PidMode, hostConfig.IpcMode].some(
    (mode) => mode === 'host' || (mode ?? '').startsWith('container:'),
  );
  const hasMore =
    hostConfig.Privileged ||
    (hostConfig.CapAdd ?? []).length > 0 ||
    (hostConfig.Devices ?? []).length > 0 ||
    (hostConfig.DeviceCgroupRules ?? []).length > 0 ||
    (hostConfig.SecurityOpt ?? []).length > 0;
  return !wasShared && !sharesNamespace && !hasMore && mounts.every(({ type }) => type === 'tmpfs');
}
