// What no container can be, by Docker's body alone: what this engine does not have is refused by name instead of being passed over, and what
// does not go together in Docker's words. The words themselves: from-docker.ts. What the host cannot do: runtime and cgroups.
import type { ResolvedConfig } from '../../docker-types/container-config.ts';
import type { HostConfig } from '../../docker-types/host-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseRestartPolicy, restartsUnhealthy } from './parse-restart.ts';

const MAX_LIST = 1024;
const RUNTIMES: ReadonlySet<string> = new Set(['', 'runc', 'io.containerd.runc.v2', 'tsdocker']);

/** Throws EngineError 'invalid' or 'not-implemented'. */
export function checkHostConfig(hostConfig: HostConfig, config: Pick<ResolvedConfig, 'Hostname' | 'Domainname'>): void {
  refuseMissing(hostConfig);
  checkNumbers(hostConfig);
  checkRestart(hostConfig);
  checkPaths(hostConfig);
  checkCombinations(hostConfig, config);
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
  const { kind } = parseRestartPolicy(hostConfig.RestartPolicy);
  if (!hostConfig.AutoRemove) return;
  if (kind !== 'no') throw new EngineError('invalid', "can't create 'AutoRemove' container with restart policy");
  if (restartsUnhealthy(hostConfig)) {
    throw new EngineError('invalid', "can't create 'AutoRemove' container with RestartUnhealthy");
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

function checkCombinations(hostConfig: HostConfig, config: Pick<ResolvedConfig, 'Hostname' | 'Domainname'>): void {
  if (hostConfig.UTSMode === 'host' && (config.Hostname !== '' || config.Domainname !== '')) {
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
