// The types behind the JSON of `inspect`, as docker's client has them (github.com/docker/docker/api/types, 28.5): fields in the order in
// which Go prints them. `Name=key` is a field with another key in JSON, `+Type` an embedded type, a field without a type a string.
import { GoTypes } from '../template/go-types.ts';

const source = `
Container: +ContainerBase Mounts:[]MountPoint Config:*Config NetworkSettings:*NetworkSettings ImageManifestDescriptor:*Descriptor
ContainerBase: ID=Id Created Path Args:[]string State:*State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount:int Driver
 Platform MountLabel ProcessLabel AppArmorProfile ExecIDs:[]string HostConfig:*HostConfig GraphDriver:DriverData SizeRw:*int SizeRootFs:*int
State: Status Running:bool Paused:bool Restarting:bool OOMKilled:bool Dead:bool Pid:int ExitCode:int Error StartedAt FinishedAt Health:*Health
Health: Status FailingStreak:int Log:[]*HealthResult
HealthResult: Start:time End:time ExitCode:int Output
DriverData: Data:map[string] Name
MountPoint: Type Name Source Destination Driver Mode RW:bool Propagation
Config: Hostname Domainname User AttachStdin:bool AttachStdout:bool AttachStderr:bool ExposedPorts:map[set] Tty:bool OpenStdin:bool
 StdinOnce:bool Env:[]string Cmd:[]string Healthcheck:*Healthcheck ArgsEscaped:bool Image Volumes:map[set] WorkingDir Entrypoint:[]string
 NetworkDisabled:bool MacAddress OnBuild:[]string Labels:map[string] StopSignal StopTimeout:*int Shell:[]string
Healthcheck: Test:[]string Interval:duration Timeout:duration StartPeriod:duration StartInterval:duration Retries:int
HostConfig: Binds:[]string ContainerIDFile LogConfig:LogConfig NetworkMode PortBindings:map[[]PortBinding] RestartPolicy:RestartPolicy
 AutoRemove:bool VolumeDriver VolumesFrom:[]string ConsoleSize:[]int Annotations:map[string] CapAdd:[]string CapDrop:[]string CgroupnsMode
 DNS=Dns:[]string DNSOptions=DnsOptions:[]string DNSSearch=DnsSearch:[]string ExtraHosts:[]string GroupAdd:[]string IpcMode Cgroup
 Links:[]string OomScoreAdj:int PidMode Privileged:bool PublishAllPorts:bool ReadonlyRootfs:bool SecurityOpt:[]string StorageOpt:map[string]
 Tmpfs:map[string] UTSMode UsernsMode ShmSize:int Sysctls:map[string] Runtime Isolation +Resources Mounts:[]Mount MaskedPaths:[]string
 ReadonlyPaths:[]string Init:*bool
LogConfig: Type Config:map[string]
PortBinding: HostIP=HostIp HostPort
RestartPolicy: Name MaximumRetryCount:int
Resources: CPUShares=CpuShares:int Memory:int NanoCPUs=NanoCpus:int CgroupParent BlkioWeight:int BlkioWeightDevice:[]weight
 BlkioDeviceReadBps:[]rate BlkioDeviceWriteBps:[]rate BlkioDeviceReadIOps:[]rate BlkioDeviceWriteIOps:[]rate CPUPeriod=CpuPeriod:int
 CPUQuota=CpuQuota:int CPURealtimePeriod=CpuRealtimePeriod:int CPURealtimeRuntime=CpuRealtimeRuntime:int CpusetCpus CpusetMems
 Devices:[]DeviceMapping DeviceCgroupRules:[]string DeviceRequests:[]DeviceRequest KernelMemory:int KernelMemoryTCP:int MemoryReservation:int
 MemorySwap:int MemorySwappiness:*int OomKillDisable:*bool PidsLimit:*int Ulimits:[]ulimit CPUCount=CpuCount:int CPUPercent=CpuPercent:int
 IOMaximumIOps:int IOMaximumBandwidth:int
DeviceMapping: PathOnHost PathInContainer CgroupPermissions
DeviceRequest: Driver Count:int DeviceIDs:[]string Capabilities:[][]string Options:map[string]
Mount: Type Source Target ReadOnly:bool Consistency BindOptions:*BindOptions VolumeOptions:*VolumeOptions ImageOptions:*ImageOptions
 TmpfsOptions:*TmpfsOptions ClusterOptions:*ClusterOptions
BindOptions: Propagation NonRecursive:bool CreateMountpoint:bool ReadOnlyNonRecursive:bool ReadOnlyForceRecursive:bool
VolumeOptions: NoCopy:bool Labels:map[string] Subpath DriverConfig:*DriverConfig
DriverConfig: Name Options:map[string]
ImageOptions: Subpath
TmpfsOptions: SizeBytes:int Mode:int Options:[][]string
ClusterOptions:
NetworkSettings: +NetworkSettingsBase +DefaultNetworkSettings Networks:map[*Endpoint]
NetworkSettingsBase: Bridge SandboxID SandboxKey Ports:map[[]PortBinding] HairpinMode:bool LinkLocalIPv6Address LinkLocalIPv6PrefixLen:int
 SecondaryIPAddresses:[]Address SecondaryIPv6Addresses:[]Address
DefaultNetworkSettings: EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen:int IPAddress IPPrefixLen:int IPv6Gateway MacAddress
Address: Addr PrefixLen:int
Endpoint: IPAMConfig:*EndpointIPAMConfig Links:[]string Aliases:[]string MacAddress DriverOpts:map[string] GwPriority:int NetworkID EndpointID
 Gateway IPAddress IPPrefixLen:int IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen:int DNSNames:[]string
EndpointIPAMConfig: IPv4Address IPv6Address LinkLocalIPs:[]string
Image: ID=Id RepoTags:[]string RepoDigests:[]string Parent Comment Created Container ContainerConfig:*Config DockerVersion Author
 Config:*ImageConfig Architecture Variant Os OsVersion Size:int VirtualSize:int GraphDriver:DriverData RootFS:RootFS Metadata:Metadata
 Descriptor:*Descriptor Manifests:[]any
ImageConfig: +OciImageConfig +DockerImageConfig
OciImageConfig: User ExposedPorts:map[set] Env:[]string Entrypoint:[]string Cmd:[]string Volumes:map[set] WorkingDir Labels:map[string]
 StopSignal ArgsEscaped:bool
DockerImageConfig: Healthcheck:*Healthcheck OnBuild:[]string Shell:[]string
RootFS: Type Layers:[]string
Metadata: LastTagTime:time
Descriptor: MediaType=mediaType Digest=digest Size=size:int URLs=urls:[]string Annotations=annotations:map[string] Data=data:[]any
 Platform=platform:*Platform ArtifactType=artifactType
Platform: Architecture=architecture OS=os OSVersion=os.version OSFeatures=os.features:[]string Variant=variant
Network: Name ID=Id Created:time Scope Driver EnableIPv4:bool EnableIPv6:bool IPAM:IPAM Internal:bool Attachable:bool Ingress:bool
 ConfigFrom:ConfigReference ConfigOnly:bool Containers:map[EndpointResource] Options:map[string] Labels:map[string] Peers:[]any
 Services:map[any]
IPAM: Driver Options:map[string] Config:[]IPAMConfig
IPAMConfig: Subnet IPRange Gateway AuxAddress=AuxiliaryAddresses:map[string]
ConfigReference: Network
EndpointResource: Name EndpointID MacAddress IPv4Address IPv6Address
Volume: ClusterVolume:*any CreatedAt Driver Labels:map[string] Mountpoint Name Options:map[string] Scope Status:map[any] UsageData:*UsageData
UsageData: RefCount:int Size:int
`;

/** Which type each kind of object has. */
const roots: Readonly<Record<string, string>> = {
  container: 'Container',
  image: 'Image',
  network: 'Network',
  volume: 'Volume',
};

/** Gives what `inspect` shows its Go types, for templates. A kind without a type stays plain JSON. */
export function typeInspected(kind: string, value: unknown): GoTypes {
  const types = new GoTypes(source);
  const root = roots[kind];
  if (root !== undefined) types.attach(value, root);
  return types;
}
