// What of a container depends on this host, looked at when it is made or changed: a start would refuse the same, too late.

import { EngineError } from '../errors/engine-error.ts';
import type { ContainerSpec } from '../spec/container-spec.ts';
import { effectiveCapabilities } from './capabilities.ts';
import { deviceWarnings, type ResolvedDevice, resolveDevices } from './devices.ts';
import type { HostFacts } from './host-facts.ts';
import { resolveRlimits } from './rlimits.ts';
import { resolveSysctls } from './sysctls.ts';

/** Throws EngineError 'invalid' in Docker's words. Reads the host for devices. */
export function checkOnHost(
  { security, network, namespaces, sysctls, process, devices: asked, mounts }: ContainerSpec,
  facts: HostFacts,
): { warnings: string[]; devices: ResolvedDevice[] } {
  effectiveCapabilities(security, facts.capabilities);
  if (security.seccomp.kind === 'profile' && !facts.seccomp) {
    throw new EngineError('invalid', 'seccomp is not enabled in your kernel, cannot run a custom seccomp profile');
  }
  const hasNetwork = network.kind !== 'host';
  resolveSysctls(sysctls, {
    network: hasNetwork,
    ipc: namespaces.ipc.kind !== 'host',
    uts: namespaces.uts.kind !== 'host',
    ownNetwork: hasNetwork,
  });
  const { warnings } = resolveRlimits(process.rlimits, facts);
  const devices = resolveDevices(asked.mappings);
  return { warnings: [...warnings, ...deviceWarnings(devices, mounts)], devices };
}
