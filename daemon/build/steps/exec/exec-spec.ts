// From an exec operation to the container's spec that the runtime makes processes of: the posture is that of `run`. Pure.

import type { ContainerSpec, SecuritySpec } from '../../../spec/container-spec.ts';
import type { HostDefaults } from '../../../spec/host-defaults.ts';
import type { Limits } from '../../../spec/limits.ts';
import type { ResolvedMount } from '../../../spec/mount.ts';
import type { ExecOperation } from '../../graph/operation.ts';
import type { ExecSettings } from '../step.ts';
import { checkSecurity, networkOfStep, type StepNetworkMode } from './exec-rights.ts';

/** BuildKit's name for the machine that a step sees. */
const defaultHostname = 'buildkitsandbox';

/** A step's spec but for what is only there when its mounts are open. */
export interface PlannedExec extends Omit<ContainerSpec, 'mounts' | 'network'> {
  readonly network: StepNetworkMode;
}

/** Throws 'invalid' and 'forbidden' for what cannot be or is not allowed. */
export function planExec(operation: ExecOperation, settings: ExecSettings, defaults: HostDefaults): PlannedExec {
  checkSecurity(operation, settings);
  const [root] = operation.mounts;
  return {
    imageName: '',
    labels: {},
    annotations: {},
    hostname: operation.hostname || defaultHostname,
    domainname: '',
    process: {
      args: operation.args,
      env: [],
      workingDir: operation.workingDir,
      user: operation.user,
      groups: [],
      hasTerminal: false,
      stdin: 'none',
      hasInit: false,
      rlimits: settings.rlimits,
      oomScoreAdj: 0,
    },
    isRootReadonly: root?.type === 'bind' && root.isReadonly,
    namespaces: {
      pid: { kind: 'private' },
      ipc: { kind: 'private', shmBytes: settings.shmBytes || defaults.shmSizeBytes, isShareable: false },
      uts: { kind: 'private' },
    },
    network: networkOfStep(operation, settings),
    isNetworkDisabled: false,
    dns: { servers: [], search: [], options: [] },
    extraHosts: settings.extraHosts,
    links: [],
    ports: { published: [], exposed: [], publishesExposed: false },
    security: securityOf(operation, settings, defaults),
    devices: { mappings: [], rules: [] },
    limits: limitsOf(settings, defaults),
    cgroupParent: settings.cgroupParent,
    sysctls: {},
    log: { driver: 'json-file', options: {} },
    restart: { kind: 'no' },
    restartsUnhealthy: false,
    removesItself: false,
    stop: {},
  };
}

export function withSurroundings(
  plan: PlannedExec,
  mounts: readonly ResolvedMount[],
  env: readonly string[],
): ContainerSpec {
  return { ...plan, mounts, process: { ...plan.process, env } };
}

/** NAME=value, later ones win. The runtime's own HOSTNAME is none of a build's: a name alone takes it away. */
export function execEnvironment(
  { env, proxyEnv }: Pick<ExecOperation, 'env' | 'proxyEnv'>,
  more: readonly string[],
): string[] {
  return ['HOSTNAME', ...env, ...proxyEnv, ...more];
}

function securityOf({ security }: ExecOperation, settings: ExecSettings, defaults: HostDefaults): SecuritySpec {
  const isPrivileged = security === 'insecure';
  const isOpen = isPrivileged || settings.security.hasOpenSystemPaths;
  return {
    isPrivileged,
    capabilities: { add: [], drop: [] },
    maskedPaths: isOpen ? [] : defaults.maskedPaths,
    readonlyPaths: isOpen ? [] : defaults.readonlyPaths,
    ...settings.security,
  };
}

/** Zero and empty are nothing asked for. */
function limitsOf(settings: ExecSettings, { pidsLimit }: HostDefaults): Limits {
  const { memoryBytes, memorySwapBytes, cpuShares, cpuPeriodUs, cpuQuotaUs, cpusetCpus, cpusetMems } = settings;
  return {
    ...(memoryBytes ? { memoryBytes } : {}),
    ...(memorySwapBytes ? { memorySwapBytes: memorySwapBytes < 0 ? 'max' : memorySwapBytes } : {}),
    ...(cpuShares ? { cpuShares } : {}),
    ...(cpuPeriodUs ? { cpuPeriodUs } : {}),
    ...(cpuQuotaUs ? { cpuQuotaUs } : {}),
    ...(cpusetCpus ? { cpusetCpus } : {}),
    ...(cpusetMems ? { cpusetMems } : {}),
    ...(pidsLimit === undefined ? {} : { pids: pidsLimit }),
  };
}
