// Docker's GET /info.
import type { SeenSystem } from '../../containers/system-service.ts';
import type { SystemInfo } from '../../docker-types/system.ts';
import type { RegistryFacts } from '../../registry/registry-session.ts';
import { defaultRuntime } from '../../spec/docker/normalise-host-config.ts';

export function systemInfoView(system: SeenSystem): SystemInfo {
  const { containers, cgroups, host, registries, forwarding } = system;
  const { features } = cgroups;
  return {
    ID: system.engineId,
    Containers: containers.all,
    ContainersRunning: containers.running,
    ContainersPaused: containers.paused,
    ContainersStopped: containers.all - containers.running - containers.paused,
    Images: system.images,
    Driver: 'overlay2',
    DriverStatus: [
      ['Supports d_type', 'true'],
      ['Native Overlay Diff', 'true'],
      ['userxattr', 'false'],
    ],
    Plugins: {
      Volume: ['local'],
      Network: [...system.networkDrivers],
      Authorization: null,
      Log: [...system.logDrivers],
    },
    MemoryLimit: features.MemoryLimit,
    SwapLimit: features.SwapLimit,
    CpuCfsPeriod: features.CpuCfsPeriod,
    CpuCfsQuota: features.CpuCfsQuota,
    CPUShares: features.CPUShares,
    CPUSet: features.CPUSet,
    PidsLimit: features.PidsLimit,
    IPv4Forwarding: forwarding.ipv4Forwarding,
    BridgeNfIptables: forwarding.bridgeNfIptables ?? false,
    BridgeNfIp6tables: forwarding.bridgeNfIp6tables ?? false,
    Debug: system.isDebug,
    NFd: system.openFiles,
    OomKillDisable: features.OomKillDisable,
    NGoroutines: 0,
    SystemTime: system.time.toISOString(),
    LoggingDriver: system.logDriver,
    CgroupDriver: cgroups.driver,
    CgroupVersion: String(cgroups.version),
    NEventsListener: system.eventListeners,
    KernelVersion: host.kernelVersion,
    OperatingSystem: host.osName ?? 'Linux',
    OSVersion: host.osVersion ?? '',
    OSType: 'linux',
    Architecture: machineName(host.architecture),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(registries),
    NCPU: host.processors,
    MemTotal: host.memoryBytes,
    GenericResources: null,
    DockerRootDir: system.dataRoot,
    HttpProxy: registries.proxies.HTTP_PROXY ?? '',
    HttpsProxy: registries.proxies.HTTPS_PROXY ?? '',
    NoProxy: registries.proxies.NO_PROXY ?? '',
    Name: host.name,
    Labels: [...system.labels],
    ExperimentalBuild: false,
    ServerVersion: system.version,
    Runtimes: { [defaultRuntime]: { path: 'tsdocker-launcher' } },
    DefaultRuntime: defaultRuntime,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: 'tsdocker-launcher',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: [
      ...(host.hasSeccomp ? ['name=seccomp,profile=builtin'] : []),
      ...(cgroups.version === 2 ? ['name=cgroupns'] : []),
    ],
    CDISpecDirs: [],
    Warnings: [...system.warnings],
  };
}

/** As uname has it. */
function machineName(architecture: string): string {
  return architecture === 'x64' ? 'x86_64' : architecture === 'arm64' ? 'aarch64' : architecture;
}

function registryConfig({ insecureCidrs, insecureHosts, mirrors }: RegistryFacts): SystemInfo['RegistryConfig'] {
  const insecure = insecureHosts.map((Name) => [Name, { Name, Mirrors: [], Secure: false, Official: false }] as const);
  return {
    InsecureRegistryCIDRs: insecureCidrs,
    IndexConfigs: Object.fromEntries([
      ['docker.io', { Name: 'docker.io', Mirrors: mirrors, Secure: true, Official: true }],
      ...insecure,
    ]),
    Mirrors: mirrors,
  };
}
