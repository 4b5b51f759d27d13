// Turns the flags of `run` and `create` into the body of POST /containers/create. Docker's shape, field by field, so that no
// flag is lost: what the daemon does not have yet, it says.
import type { ContainerCreateRequest } from '../../daemon/docker-types/container-actions.ts';
import type { HealthConfig } from '../../daemon/docker-types/container-config.ts';
import type { HostConfig } from '../../daemon/docker-types/host-config.ts';
import type { FlagValues } from '../../daemon/protocols/flags/flag.ts';
import { CliError } from '../errors.ts';
import type { containerFlags } from './container-flags.ts';
import { isCdiDevice, parseDevice } from './devices.ts';
import { splitVolumes, tmpfsMounts } from './mount.ts';
import { endpointSettings, isMacAddress } from './network.ts';
import { parsePorts } from './ports.ts';
import { parseSecurityOptions } from './security.ts';
import { parseRestartPolicy, toMap } from './validators.ts';
import { collectLabels, collectVariables } from './variables.ts';

export type ContainerFlagValues = FlagValues<typeof containerFlags>;

export interface RequestInput {
  flags: ContainerFlagValues;
  changed: ReadonlySet<string>;
  image: string;
  command: readonly string[];
  /** Variables that the client's configuration adds (proxies). */
  extraEnvironment: readonly string[];
}

/** Null where nothing was given, as docker sends it. */
const orNull = <T>(list: readonly T[]): T[] | null => (list.length > 0 ? [...list] : null);

export function containerRequest(input: RequestInput): ContainerCreateRequest {
  const { flags } = input;
  check(input);
  const ports = parsePorts(flags.publish, flags.expose);
  const { binds, volumes } = splitVolumes(flags.volume);
  const networks = [...flags.net, ...flags.network];
  return {
    ...containerConfig(input, ports.exposed, volumes),
    HostConfig: hostConfig(input, binds, ports.bindings, networks[0]?.target ?? 'default'),
    NetworkingConfig: {
      EndpointsConfig: endpointSettings(networks, {
        aliases: [...flags.netAlias, ...flags.networkAlias],
        links: flags.link,
        ipv4: flags.ip,
        ipv6: flags.ip6,
        linkLocalIps: flags.linkLocalIp,
        macAddress: flags.macAddress,
      }) as Record<string, Record<string, unknown>>,
    },
  };
}

/** With the prefix that the kernel's names have, each once, sorted. */
function capabilities(names: readonly string[]): string[] {
  const full = names.map((name) => {
    const upper = name.trim().toUpperCase();
    return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  });
  return full.includes('ALL') ? ['ALL'] : [...new Set(full)].sort();
}

function check({ flags, changed }: RequestInput): void {
  const fail = (message: string) => new CliError(message);
  if (flags.macAddress !== '' && !isMacAddress(flags.macAddress)) {
    throw fail(`${flags.macAddress} is not a valid mac address`);
  }
  const { memorySwappiness } = flags;
  if (memorySwappiness !== -1 && (memorySwappiness < 0 || memorySwappiness > 100)) {
    throw fail(`invalid value: ${memorySwappiness}. Valid memory swappiness range is 0-100`);
  }
  const namespace = /^container:.+/;
  if (!['', 'host'].includes(flags.pid) && !namespace.test(flags.pid)) throw fail('--pid: invalid PID mode');
  if (!['', 'host'].includes(flags.uts)) throw fail('--uts: invalid UTS mode');
  if (!['', 'host'].includes(flags.userns)) throw fail('--userns: invalid USER mode');
  if (!['', 'host', 'private'].includes(flags.cgroupns)) throw fail('--cgroupns: invalid CGROUP mode');
  if (flags.logDriver === 'none' && flags.logOpt.length > 0) throw fail('invalid logging opts for driver none');
  if (flags.useApiSocket) throw fail('--use-api-socket is not there yet: mount the socket with -v');
  if (changed.has('kernel-memory') && flags.kernelMemory > 0) {
    throw fail('--kernel-memory is not supported by kernels and cgroups of this time: use --memory');
  }
}

function containerConfig(input: RequestInput, exposed: Record<string, object>, volumes: Record<string, object>) {
  const { flags, changed, command } = input;
  const attaches = (stream: string) =>
    flags.attach.includes(stream) || (flags.attach.length === 0 && stream !== 'stdin');
  const attachStdin = flags.interactive || flags.attach.includes('stdin');
  const health = healthcheck(flags);
  return {
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    AttachStdin: attachStdin,
    AttachStdout: attaches('stdout'),
    AttachStderr: attaches('stderr'),
    ...(Object.keys(exposed).length > 0 ? { ExposedPorts: exposed } : {}),
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: flags.interactive && attachStdin,
    Env: orNull([...collectVariables(flags.envFile, flags.env), ...input.extraEnvironment]),
    Cmd: orNull(command),
    ...(health ? { Healthcheck: health } : {}),
    Image: input.image,
    Volumes: volumes,
    WorkingDir: flags.workdir,
    Entrypoint: changed.has('entrypoint') ? [flags.entrypoint] : null,
    OnBuild: null,
    Labels: collectLabels(flags.labelFile, flags.label),
    ...(changed.has('stop-signal') ? { StopSignal: flags.stopSignal } : {}),
    ...(changed.has('stop-timeout') ? { StopTimeout: flags.stopTimeout } : {}),
  };
}

function healthcheck(flags: ContainerFlagValues): HealthConfig | undefined {
  const times = {
    Interval: flags.healthInterval,
    Timeout: flags.healthTimeout,
    StartPeriod: flags.healthStartPeriod,
    StartInterval: flags.healthStartInterval,
    Retries: flags.healthRetries,
  };
  const given = Object.entries(times).filter(([, value]) => value !== 0);
  const isGiven = given.length > 0 || flags.healthCmd !== '';
  if (flags.noHealthcheck) {
    if (isGiven) throw new CliError('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!isGiven) return undefined;
  for (const [key, value] of given) {
    const name = key.replace(/(?<!^)[A-Z]/g, '-$&').toLowerCase();
    if (value < 0) throw new CliError(`--health-${name} cannot be negative`);
  }
  return { ...(flags.healthCmd ? { Test: ['CMD-SHELL', flags.healthCmd] } : {}), ...Object.fromEntries(given) };
}

function hostConfig(
  { flags, changed }: RequestInput,
  binds: string[],
  portBindings: NonNullable<HostConfig['PortBindings']>,
  networkMode: string,
): HostConfig {
  const restartPolicy = parseRestartPolicy(flags.restart);
  if (flags.rm && !['', 'no'].includes(restartPolicy.Name)) {
    throw new CliError('conflicting options: cannot specify both --restart and --rm');
  }
  if (flags.rm && flags.restartUnhealthy) {
    throw new CliError('conflicting options: cannot specify both --restart-unhealthy and --rm');
  }
  return {
    Binds: orNull(binds),
    ContainerIDFile: flags.cidfile,
    LogConfig: { Type: flags.logDriver, Config: toMap(flags.logOpt) },
    NetworkMode: networkMode,
    PortBindings: portBindings,
    RestartPolicy: restartPolicy,
    ...(flags.restartUnhealthy ? { RestartUnhealthy: true } : {}),
    AutoRemove: flags.rm,
    VolumeDriver: flags.volumeDriver,
    VolumesFrom: orNull(flags.volumesFrom),
    ConsoleSize: [0, 0],
    ...(flags.annotation.length > 0 ? { Annotations: toMap(flags.annotation) } : {}),
    CapAdd: orNull(capabilities(flags.capAdd)),
    CapDrop: orNull(capabilities(flags.capDrop)),
    CgroupnsMode: flags.cgroupns,
    Dns: flags.dns,
    DnsOptions: [...flags.dnsOpt, ...flags.dnsOption],
    DnsSearch: flags.dnsSearch,
    ExtraHosts: orNull(flags.addHost),
    GroupAdd: orNull(flags.groupAdd),
    IpcMode: flags.ipc,
    Cgroup: '',
    Links: orNull(flags.link),
    OomScoreAdj: flags.oomScoreAdj,
    PidMode: flags.pid,
    Privileged: flags.privileged,
    PublishAllPorts: flags.publishAll,
    ReadonlyRootfs: flags.readOnly,
    ...securityAndStorage(flags),
    UTSMode: flags.uts,
    UsernsMode: flags.userns,
    ShmSize: flags.shmSize,
    ...(flags.sysctl.length > 0 ? { Sysctls: toMap(flags.sysctl) } : {}),
    ...(flags.runtime === '' ? {} : { Runtime: flags.runtime }),
    Isolation: flags.isolation,
    ...resources(flags),
    ...(flags.mount.length > 0 ? { Mounts: flags.mount } : {}),
    ...(changed.has('init') ? { Init: flags.init } : {}),
  };
}

function securityAndStorage(flags: ContainerFlagValues) {
  const storage = flags.storageOpt.map((option) => {
    if (!option.includes('=')) throw new CliError('invalid storage option');
    return option;
  });
  return {
    ...parseSecurityOptions(flags.securityOpt),
    ...(storage.length > 0 ? { StorageOpt: toMap(storage) } : {}),
    ...(flags.tmpfs.length > 0 ? { Tmpfs: tmpfsMounts(flags.tmpfs) } : {}),
  };
}

function resources(flags: ContainerFlagValues): HostConfig {
  const cdi = flags.device.filter(isCdiDevice);
  const devices = flags.device.filter((device) => !isCdiDevice(device)).map(parseDevice);
  const cdiRequest = { Driver: 'cdi', Count: 0, DeviceIDs: cdi, Capabilities: null, Options: null };
  const ulimits = [...new Map(flags.ulimit.map((ulimit) => [ulimit.Name, ulimit])).values()];
  return {
    CpuShares: flags.cpuShares,
    Memory: flags.memory,
    NanoCpus: flags.cpus,
    CgroupParent: flags.cgroupParent,
    BlkioWeight: flags.blkioWeight,
    BlkioWeightDevice: flags.blkioWeightDevice,
    BlkioDeviceReadBps: flags.deviceReadBps,
    BlkioDeviceWriteBps: flags.deviceWriteBps,
    BlkioDeviceReadIOps: flags.deviceReadIops,
    BlkioDeviceWriteIOps: flags.deviceWriteIops,
    CpuPeriod: flags.cpuPeriod,
    CpuQuota: flags.cpuQuota,
    CpuRealtimePeriod: flags.cpuRtPeriod,
    CpuRealtimeRuntime: flags.cpuRtRuntime,
    CpusetCpus: flags.cpusetCpus,
    CpusetMems: flags.cpusetMems,
    Devices: devices,
    DeviceCgroupRules: orNull(flags.deviceCgroupRule),
    DeviceRequests: orNull([...flags.gpus, ...(cdi.length > 0 ? [cdiRequest] : [])]),
    MemoryReservation: flags.memoryReservation,
    MemorySwap: flags.memorySwap,
    MemorySwappiness: flags.memorySwappiness,
    OomKillDisable: flags.oomKillDisable,
    PidsLimit: flags.pidsLimit,
    Ulimits: ulimits.sort((a, b) => (a.Name < b.Name ? -1 : 1)),
    CpuCount: flags.cpuCount,
    CpuPercent: flags.cpuPercent,
    IOMaximumIOps: flags.ioMaxiops,
    IOMaximumBandwidth: flags.ioMaxbandwidth,
  };
}
