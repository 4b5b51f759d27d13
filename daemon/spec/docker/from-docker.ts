// The one place where Docker's body becomes a container's spec. Pure, and it asks no host; the wrong word is refused in Docker's words. What
// may not stand together, and what this engine does not have, is refused before, in check-host-config.ts.
import type { ResolvedConfig } from '../../docker-types/container-config.ts';
import type { HostConfig } from '../../docker-types/host-config.ts';
import type { ContainerSpec, ProcessSpec, SecuritySpec } from '../container-spec.ts';
import type { ResolvedMount } from '../mount.ts';
import type { NetworkMode } from '../network-mode.ts';
import { DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS } from '../system-paths.ts';
import { limitsFromDocker } from './docker-limits.ts';
import { parseDevice, parseDeviceRule } from './parse-device.ts';
import { parseHealthCheck } from './parse-health.ts';
import { parseExtraHost, parseLink } from './parse-names.ts';
import { parseNamespaceModes } from './parse-namespaces.ts';
import { parseNetworkMode } from './parse-network-mode.ts';
import { parsePorts } from './parse-ports.ts';
import { parseRestartPolicy, restartsUnhealthy } from './parse-restart.ts';
import { parseCapability, parseUlimits } from './parse-rights.ts';
import { parseSecurityOptions } from './security-options.ts';

/** A container as Docker has it: what inspect shows again. */
export interface DockerBody {
  /** Merged with the image's. */
  readonly config: ResolvedConfig;
  readonly hostConfig: HostConfig;
}

/**
 * `mounts`: parse-mounts.ts. Fields of the config may be missing, as in records of earlier versions. Throws EngineError 'invalid' or
 * 'not-implemented'.
 */
export function specFromDocker(
  { config, hostConfig }: { readonly config: Partial<ResolvedConfig>; readonly hostConfig: HostConfig },
  mounts: readonly ResolvedMount[],
): ContainerSpec {
  const healthCheck = parseHealthCheck(config.Healthcheck, config.Shell);
  return {
    imageName: config.Image ?? '',
    labels: config.Labels ?? {},
    annotations: hostConfig.Annotations ?? {},
    hostname: config.Hostname ?? '',
    domainname: config.Domainname ?? '',
    process: processOf(config, hostConfig),
    isRootReadonly: hostConfig.ReadonlyRootfs ?? false,
    mounts,
    namespaces: parseNamespaceModes(hostConfig),
    network: networkModeOf(config, hostConfig),
    isNetworkDisabled: config.NetworkDisabled ?? false,
    dns: {
      servers: hostConfig.Dns ?? [],
      search: hostConfig.DnsSearch ?? [],
      options: hostConfig.DnsOptions ?? [],
    },
    extraHosts: (hostConfig.ExtraHosts ?? []).map(parseExtraHost),
    links: (hostConfig.Links ?? []).map(parseLink),
    ports: parsePorts({
      exposed: config.ExposedPorts,
      bindings: hostConfig.PortBindings,
      publishAll: hostConfig.PublishAllPorts ?? false,
    }),
    security: securityOf(hostConfig),
    devices: {
      mappings: (hostConfig.Devices ?? []).map(parseDevice),
      rules: (hostConfig.DeviceCgroupRules ?? []).flatMap(parseDeviceRule),
    },
    limits: limitsFromDocker(hostConfig),
    cgroupParent: hostConfig.CgroupParent ?? '',
    sysctls: hostConfig.Sysctls ?? {},
    log: { driver: hostConfig.LogConfig?.Type || 'json-file', options: hostConfig.LogConfig?.Config ?? {} },
    ...(healthCheck === undefined ? {} : { healthCheck }),
    restart: parseRestartPolicy(hostConfig.RestartPolicy),
    restartsUnhealthy: restartsUnhealthy(hostConfig),
    removesItself: hostConfig.AutoRemove ?? false,
    stop: {
      ...(config.StopSignal ? { signal: config.StopSignal } : {}),
      ...(typeof config.StopTimeout === 'number' ? { timeoutSeconds: config.StopTimeout } : {}),
    },
  };
}

function processOf(config: Partial<ResolvedConfig>, hostConfig: HostConfig): ProcessSpec {
  const [height = 0, width = 0] = hostConfig.ConsoleSize ?? [];
  return {
    args: [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])],
    env: config.Env ?? [],
    workingDir: config.WorkingDir ?? '',
    user: config.User ?? '',
    groups: hostConfig.GroupAdd ?? [],
    hasTerminal: config.Tty ?? false,
    ...(height > 0 && width > 0 ? { consoleSize: { height, width } } : {}),
    stdin: !config.OpenStdin ? 'none' : config.StdinOnce ? 'first' : 'open',
    hasInit: hostConfig.Init ?? false,
    rlimits: parseUlimits(hostConfig.Ulimits),
    oomScoreAdj: hostConfig.OomScoreAdj ?? 0,
  };
}

/** With NetworkDisabled nothing but loopback, whatever the mode says. */
function networkModeOf(config: Partial<ResolvedConfig>, hostConfig: HostConfig): NetworkMode {
  const mode = parseNetworkMode(hostConfig.NetworkMode ?? '');
  return config.NetworkDisabled ? { kind: 'none' } : mode;
}

/** For paths, null and [] differ: null stands for the default, which privileged containers and systempaths=unconfined do not have. */
function securityOf(hostConfig: HostConfig): SecuritySpec {
  const isPrivileged = hostConfig.Privileged ?? false;
  const options = parseSecurityOptions(hostConfig.SecurityOpt ?? []);
  const isOpen = isPrivileged || options.systemPathsUnconfined;
  return {
    isPrivileged,
    // A privileged container has all there are: what else is said of them is not even read, as in Docker.
    capabilities: isPrivileged
      ? { add: [], drop: [] }
      : {
          add: (hostConfig.CapAdd ?? []).map((name) => parseCapability(name, 'CapAdd')),
          drop: (hostConfig.CapDrop ?? []).map((name) => parseCapability(name, 'CapDrop')),
        },
    noNewPrivileges: options.noNewPrivileges,
    seccomp: options.seccomp,
    maskedPaths: hostConfig.MaskedPaths ?? (isOpen ? [] : DEFAULT_MASKED_PATHS),
    readonlyPaths: hostConfig.ReadonlyPaths ?? (isOpen ? [] : DEFAULT_READONLY_PATHS),
    hasWritableCgroups: options.writableCgroups,
    hasOpenSystemPaths: options.systemPathsUnconfined,
  };
}
