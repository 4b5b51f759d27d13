// Whether what was stored is a spec. Values that can be told apart are told apart; what a text says is for who reads it.
import type {
  CapabilityChoice,
  ContainerSpec,
  DeviceMapping,
  DeviceRule,
  DevicesSpec,
  DnsSpec,
  ExtraHost,
  HealthCheck,
  IpcMode,
  Link,
  LogChoice,
  NamespaceMode,
  NamespaceModes,
  ProcessSpec,
  RestartPolicy,
  Rlimit,
  SeccompChoice,
  SecuritySpec,
  StopSpec,
} from './container-spec.ts';
import type { DeviceLimit, Limits } from './limits.ts';
import type { ResolvedMount, VolumeSource } from './mount.ts';
import type { NetworkMode } from './network-mode.ts';
import type { PortRange, PortRequest, PortsSpec } from './ports.ts';
import type { ProfileCondition, ProfileRule, SeccompArgument, SeccompProfile } from './seccomp-rules.ts';
import {
  either,
  isBoolean,
  isInteger,
  isNumber,
  isOneOf,
  isText,
  isTexts,
  listOf,
  mapOf,
  objectOf,
  optional,
  type Shape,
} from './shapes.ts';

const isTextMap = mapOf(isText);

const isMount = objectOf<ResolvedMount>({
  type: isOneOf('bind', 'tmpfs', 'volume', 'image'),
  source: isText,
  target: isText,
  readonly: isBoolean,
  recursive: isBoolean,
  recursiveReadonly: isBoolean,
  propagation: isOneOf('private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared'),
  mode: isText,
  createSource: isBoolean,
  tmpfsOptions: isTexts,
  volume: optional(
    objectOf<VolumeSource>({
      name: isText,
      driver: isText,
      isAnonymous: isBoolean,
      copiesUp: isBoolean,
      labels: either(isTextMap, isOneOf(null)),
      options: either(isTextMap, isOneOf(null)),
    }),
  ),
  imageName: optional(isText),
  subpath: optional(isText),
  isUnlisted: optional(isBoolean),
});

const isDeviceLimits = optional(listOf(objectOf<DeviceLimit>({ path: isText, value: isNumber })));
const isLimits = objectOf<Limits>({
  memoryBytes: optional(isInteger),
  memorySwapBytes: optional(either(isInteger, isOneOf('max'))),
  memoryReservationBytes: optional(isInteger),
  swappiness: optional(isInteger),
  oomKillDisable: optional(isBoolean),
  nanoCpus: optional(isInteger),
  cpuShares: optional(isInteger),
  cpuPeriodUs: optional(isInteger),
  cpuQuotaUs: optional(isInteger),
  cpusetCpus: optional(isText),
  cpusetMems: optional(isText),
  pids: optional(either(isInteger, isOneOf('max'))),
  blkioWeight: optional(isInteger),
  blkioWeightDevices: isDeviceLimits,
  blkioReadBps: isDeviceLimits,
  blkioWriteBps: isDeviceLimits,
  blkioReadIops: isDeviceLimits,
  blkioWriteIops: isDeviceLimits,
});

const isProcess = objectOf<ProcessSpec>({
  args: isTexts,
  env: isTexts,
  workingDir: isText,
  user: isText,
  groups: isTexts,
  hasTerminal: isBoolean,
  consoleSize: optional(objectOf({ height: isInteger, width: isInteger })),
  stdin: isOneOf('none', 'first', 'open'),
  hasInit: isBoolean,
  rlimits: listOf(objectOf<Rlimit>({ name: isText, soft: isInteger, hard: isInteger })),
  oomScoreAdj: isInteger,
});

const isJoined = objectOf<Extract<NamespaceMode, { kind: 'container' }>>({ kind: isOneOf('container'), ref: isText });
const isNamespaceMode: Shape<NamespaceMode> = either(
  objectOf({ kind: isOneOf('private', 'host') }),
  isJoined,
) as Shape<NamespaceMode>;
const hasMemory = objectOf<Pick<IpcMode, 'shmBytes' | 'isShareable'>>({ shmBytes: isInteger, isShareable: isBoolean });
const isNamespaces = objectOf<NamespaceModes>({
  pid: isNamespaceMode,
  ipc: (value): value is IpcMode => isNamespaceMode(value) && hasMemory(value),
  uts: objectOf({ kind: isOneOf('private', 'host') }) as Shape<NamespaceModes['uts']>,
  cgroup: optional(isOneOf('private', 'host')),
});
const isNetwork = either(
  objectOf({ kind: isOneOf('none', 'bridge', 'host') }),
  objectOf({ kind: isOneOf('container', 'network'), ref: isText }),
) as Shape<NetworkMode>;

const isProtocol = isOneOf('tcp', 'udp', 'sctp');
const isPorts = objectOf<PortsSpec>({
  exposed: listOf(objectOf<PortRange>({ first: isInteger, last: isInteger, protocol: isProtocol })),
  published: listOf(
    objectOf<PortRequest>({
      protocol: isProtocol,
      containerPort: isInteger,
      hostIp: isText,
      hostPorts: optional(objectOf({ first: isInteger, last: isInteger })),
    }),
  ),
  publishesExposed: isBoolean,
});

const isTextsOrNull = optional(either(isTexts, isOneOf(null)));
const isCondition = optional(
  objectOf<ProfileCondition>({
    caps: isTextsOrNull,
    arches: isTextsOrNull,
    minKernel: optional(either(isText, isOneOf(null))),
  }),
);
const isProfile = objectOf<SeccompProfile>({
  defaultAction: isText,
  defaultErrnoRet: optional(isInteger),
  architectures: listOf(objectOf({ architecture: isText, subArchitectures: isTexts })),
  flags: optional(isTexts),
  syscalls: listOf(
    objectOf<ProfileRule>({
      names: isTexts,
      action: isText,
      errnoRet: optional(isInteger),
      args: optional(
        listOf(
          objectOf<SeccompArgument>({ index: isInteger, value: isNumber, valueTwo: optional(isNumber), op: isText }),
        ),
      ),
      includes: isCondition,
      excludes: isCondition,
    }),
  ),
});
const isSecurity = objectOf<SecuritySpec>({
  isPrivileged: isBoolean,
  capabilities: objectOf<CapabilityChoice>({ add: isTexts, drop: isTexts }),
  noNewPrivileges: isBoolean,
  seccomp: either(
    objectOf({ kind: isOneOf('default', 'unconfined') }),
    objectOf({ kind: isOneOf('profile'), profile: isProfile }),
  ) as Shape<SeccompChoice>,
  maskedPaths: isTexts,
  readonlyPaths: isTexts,
  hasWritableCgroups: isBoolean,
  hasOpenSystemPaths: isBoolean,
});

const isDeviceNumber = either(isInteger, isOneOf('all'));
const isDevices = objectOf<DevicesSpec>({
  mappings: listOf(objectOf<DeviceMapping>({ hostPath: isText, containerPath: isText, access: isText })),
  rules: listOf(
    objectOf<DeviceRule>({ type: isOneOf('b', 'c'), major: isDeviceNumber, minor: isDeviceNumber, access: isText }),
  ),
});

const isRestart = either(
  objectOf({ kind: isOneOf('no', 'always', 'unless-stopped') }),
  objectOf({ kind: isOneOf('on-failure'), maxRetries: isInteger }),
) as Shape<RestartPolicy>;

export const isSpec: Shape<ContainerSpec> = objectOf<ContainerSpec>({
  imageName: isText,
  labels: isTextMap,
  annotations: isTextMap,
  hostname: isText,
  domainname: isText,
  process: isProcess,
  isRootReadonly: isBoolean,
  mounts: listOf(isMount),
  namespaces: isNamespaces,
  network: isNetwork,
  isNetworkDisabled: isBoolean,
  dns: objectOf<DnsSpec>({ servers: isTexts, search: isTexts, options: isTexts }),
  extraHosts: listOf(objectOf<ExtraHost>({ name: isText, address: isText })),
  links: listOf(objectOf<Link>({ target: isText, alias: isText })),
  ports: isPorts,
  security: isSecurity,
  devices: isDevices,
  limits: isLimits,
  cgroupParent: isText,
  sysctls: isTextMap,
  log: objectOf<LogChoice>({ driver: isText, options: isTextMap }),
  healthCheck: optional(
    objectOf<HealthCheck>({
      args: isTexts,
      intervalMs: isNumber,
      timeoutMs: isNumber,
      startPeriodMs: isNumber,
      startIntervalMs: isNumber,
      retries: isInteger,
    }),
  ),
  restart: isRestart,
  restartsUnhealthy: isBoolean,
  removesItself: isBoolean,
  stop: objectOf<StopSpec>({ signal: optional(isText), timeoutSeconds: optional(isInteger) }),
});
