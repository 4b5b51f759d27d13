// Every field of HostConfig that shapes what a container is: wrong values are refused with Docker's words when the container is made,
// and what this engine does not have is refused by name instead of being passed over. Limits of control groups: daemon/cgroups.
import type { ResolvedConfig } from '../docker-types/container-config.ts';
import type { HostConfig } from '../docker-types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { ResolvedMount } from '../spec/mount.ts';
import { securityOptions } from '../spec/security-options.ts';
import { effectiveCapabilities } from './capabilities.ts';
import { deviceWarnings, type ResolvedDevice, resolveDevices } from './devices.ts';
import type { HostFacts } from './host-facts.ts';
import { parseMounts } from './mounts.ts';
import { type NamespaceModes, parseNamespaceModes } from './namespaces.ts';
import { resolveUlimits } from './rlimits.ts';
import { resolveSysctls } from './sysctls.ts';

export interface ValidatedHostConfig {
  warnings: string[];
  modes: NamespaceModes;
  mounts: ResolvedMount[];
  devices: ResolvedDevice[];
}

const RESTART_POLICIES: ReadonlySet<string> = new Set(['', 'no', 'always', 'on-failure', 'unless-stopped']);
const MAX_LIST = 1024;
const RUNTIMES: ReadonlySet<string> = new Set(['', 'runc', 'io.containerd.runc.v2', 'tsdocker']);

/** Throws EngineError 'invalid' or 'not-implemented'. Reads the host for devices and for sources of --mount. */
export function validateHostConfig(
  hostConfig: HostConfig,
  config: ResolvedConfig,
  facts: HostFacts,
  cgroupVersion: 1 | 2,
  /** What --volumes-from brings. */
  inherited: readonly ResolvedMount[] = [],
): ValidatedHostConfig {
  refuseMissing(hostConfig);
  checkNumbers(hostConfig);
  checkRestart(hostConfig);
  checkPaths(hostConfig);
  const modes = parseNamespaceModes(hostConfig, cgroupVersion);
  checkCombinations(hostConfig, config, modes);
  effectiveCapabilities(
    { add: hostConfig.CapAdd ?? [], drop: hostConfig.CapDrop ?? [], privileged: hostConfig.Privileged === true },
    facts.capabilities,
  );
  const security = securityOptions(hostConfig);
  if (security.seccomp !== undefined && security.seccomp !== 'unconfined' && !facts.seccomp) {
    throw new EngineError('invalid', 'seccomp is not enabled in your kernel, cannot run a custom seccomp profile');
  }
  const isHostNetwork = hostConfig.NetworkMode === 'host';
  resolveSysctls(hostConfig, {
    network: !isHostNetwork,
    ipc: modes.ipc.kind !== 'host',
    uts: modes.uts.kind !== 'host',
    ownNetwork: !isHostNetwork,
  });
  const { warnings } = resolveUlimits(hostConfig, facts);
  const mounts = parseMounts(hostConfig, config, inherited);
  const devices = resolveDevices(hostConfig);
  return { warnings: [...warnings, ...deviceWarnings(devices, mounts)], modes, mounts, devices };
}

/** What Docker has and this engine does not: named, never passed over. */
function refuseMissing(hostConfig: HostConfig): void {
  const missing = (what: string): never => {
    throw new EngineError('not-implemented', `${what}: not there yet in this engine: leave it out`);
  };
  if (!['', 'host'].includes(hostConfig.UsernsMode ?? '')) missing(`--userns=${hostConfig.UsernsMode}`);
  if (hostConfig.DeviceRequests?.length) missing('device requests (--gpus)');
  if (!RUNTIMES.has(hostConfig.Runtime ?? '')) {
    throw new EngineError('invalid', `unknown or invalid runtime name: ${hostConfig.Runtime}`);
  }
  if (Object.keys(hostConfig.StorageOpt ?? {}).length > 0) missing('--storage-opt');
  if (hostConfig.CpuRealtimePeriod || hostConfig.CpuRealtimeRuntime) missing('--cpu-rt-period and --cpu-rt-runtime');
  if (!['', 'default'].includes(hostConfig.Isolation ?? '')) {
    throw new EngineError('invalid', `invalid isolation '${hostConfig.Isolation}' on linux`);
  }
  if (hostConfig.CpuCount || hostConfig.CpuPercent || hostConfig.IOMaximumIOps || hostConfig.IOMaximumBandwidth) {
    throw new EngineError('invalid', 'CpuCount, CpuPercent, IOMaximumIOps and IOMaximumBandwidth are for Windows only');
  }
  if (hostConfig.Cgroup) missing(`Cgroup "${hostConfig.Cgroup}"`);
}

function checkNumbers(hostConfig: HostConfig): void {
  const { ShmSize = 0, OomScoreAdj = 0, CgroupParent } = hostConfig;
  if (CgroupParent && (!/^[^\p{Cc}]{1,1000}$/u.test(CgroupParent) || CgroupParent.split('/').includes('..'))) {
    throw new EngineError('invalid', `invalid cgroup parent ${JSON.stringify(CgroupParent)}: it must not contain ".."`);
  }
  if (ShmSize < 0) throw new EngineError('invalid', 'SHM size can not be less than 0');
  if (OomScoreAdj < -1000 || OomScoreAdj > 1000) {
    throw new EngineError('invalid', `Invalid value ${OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  for (const [name, list] of Object.entries(hostConfig)) {
    if (Array.isArray(list) && list.length > MAX_LIST) {
      throw new EngineError('invalid', `${name} has more than ${MAX_LIST} entries`);
    }
  }
}

function checkRestart(hostConfig: HostConfig): void {
  const { Name: name = '', MaximumRetryCount: retries = 0 } = hostConfig.RestartPolicy ?? {};
  if (!RESTART_POLICIES.has(name)) {
    throw new EngineError(
      'invalid',
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (retries !== 0 && name !== 'on-failure') {
    throw new EngineError('invalid', "invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (retries < 0) throw new EngineError('invalid', 'invalid restart policy: maximum retry count cannot be negative');
  if (hostConfig.AutoRemove && name !== '' && name !== 'no') {
    throw new EngineError('invalid', "can't create 'AutoRemove' container with restart policy");
  }
}

/** Masked and read-only paths of the user's: absolute, of a sane length. */
function checkPaths(hostConfig: HostConfig): void {
  for (const path of [...(hostConfig.MaskedPaths ?? []), ...(hostConfig.ReadonlyPaths ?? [])]) {
    if (!path.startsWith('/') || path.includes('\0') || path.split('/').includes('..') || path.length > 4095) {
      throw new EngineError(
        'invalid',
        `masked or read-only path ${JSON.stringify(path)} must be absolute, without ".."`,
      );
    }
  }
}

function checkCombinations(hostConfig: HostConfig, config: ResolvedConfig, modes: NamespaceModes): void {
  if (modes.uts.kind === 'host' && (config.Hostname !== '' || config.Domainname !== '')) {
    throw new EngineError('invalid', 'conflicting options: hostname and the UTS mode');
  }
  const shares = hostConfig.NetworkMode?.startsWith('container:') === true;
  if (shares && hostConfig.ExtraHosts?.length) {
    throw new EngineError('invalid', 'conflicting options: custom host-to-IP mapping and the network mode');
  }
  if (shares && hostConfig.Dns?.length) {
    throw new EngineError('invalid', 'conflicting options: dns and the network mode');
  }
}
