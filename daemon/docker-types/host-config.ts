// The part of a container that belongs to this host: Docker's `HostConfig` object. Keys and meanings are the Engine API's.
import { type Static, Type } from '@sinclair/typebox';

const opt = Type.Optional;
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
const strings = opt(nullable(Type.Array(Type.String())));
const stringMap = opt(nullable(Type.Record(Type.String(), Type.String())));
/** Whole numbers that JSON.parse keeps exact. */
const int = opt(Type.Integer({ minimum: -9007199254740991, maximum: 9007199254740991 }));
const bool = opt(Type.Boolean());
const text = opt(Type.String());

export const DeviceMapping = Type.Object({ PathOnHost: text, PathInContainer: text, CgroupPermissions: text });
export const ThrottleDevice = Type.Object({ Path: Type.String(), Rate: Type.Integer({ minimum: 0 }) });
export const WeightDevice = Type.Object({ Path: Type.String(), Weight: Type.Integer({ minimum: 0 }) });
export const Ulimit = Type.Object({ Name: Type.String(), Soft: Type.Integer(), Hard: Type.Integer() });
export const PortBinding = Type.Object({ HostIp: text, HostPort: text });
export const MountPropagation = Type.String();
export const Mount = Type.Object({
  Type: text,
  Source: text,
  Target: text,
  ReadOnly: bool,
  Consistency: text,
  BindOptions: opt(
    nullable(
      Type.Object({
        Propagation: opt(MountPropagation),
        NonRecursive: bool,
        CreateMountpoint: bool,
        ReadOnlyNonRecursive: bool,
        ReadOnlyForceRecursive: bool,
      }),
    ),
  ),
  VolumeOptions: opt(
    nullable(
      Type.Object({
        NoCopy: bool,
        Labels: stringMap,
        DriverConfig: opt(nullable(Type.Object({ Name: text, Options: stringMap }))),
        Subpath: text,
      }),
    ),
  ),
  TmpfsOptions: opt(
    nullable(Type.Object({ SizeBytes: int, Mode: int, Options: opt(nullable(Type.Array(Type.Array(Type.String())))) })),
  ),
  ImageOptions: opt(nullable(Type.Object({ Subpath: text }))),
});
export type Mount = Static<typeof Mount>;

export const HostConfigProperties = {
  Binds: strings,
  ContainerIDFile: text,
  LogConfig: opt(nullable(Type.Object({ Type: text, Config: stringMap }))),
  NetworkMode: text,
  PortBindings: opt(nullable(Type.Record(Type.String(), nullable(Type.Array(PortBinding))))),
  RestartPolicy: opt(nullable(Type.Object({ Name: text, MaximumRetryCount: int }))),
  /** Of our own: what turns unhealthy is restarted. */
  RestartUnhealthy: bool,
  AutoRemove: bool,
  VolumeDriver: text,
  VolumesFrom: strings,
  ConsoleSize: opt(nullable(Type.Array(Type.Integer({ minimum: 0 }), { minItems: 2, maxItems: 2 }))),
  Annotations: stringMap,
  CapAdd: strings,
  CapDrop: strings,
  CgroupnsMode: text,
  Dns: strings,
  DnsOptions: strings,
  DnsSearch: strings,
  ExtraHosts: strings,
  GroupAdd: strings,
  IpcMode: text,
  Cgroup: text,
  Links: strings,
  OomScoreAdj: int,
  PidMode: text,
  Privileged: bool,
  PublishAllPorts: bool,
  ReadonlyRootfs: bool,
  SecurityOpt: strings,
  StorageOpt: stringMap,
  Tmpfs: stringMap,
  UTSMode: text,
  UsernsMode: text,
  ShmSize: int,
  Sysctls: stringMap,
  Runtime: text,
  Isolation: text,
  CpuShares: int,
  Memory: int,
  NanoCpus: int,
  CgroupParent: text,
  BlkioWeight: int,
  BlkioWeightDevice: opt(nullable(Type.Array(WeightDevice))),
  BlkioDeviceReadBps: opt(nullable(Type.Array(ThrottleDevice))),
  BlkioDeviceWriteBps: opt(nullable(Type.Array(ThrottleDevice))),
  BlkioDeviceReadIOps: opt(nullable(Type.Array(ThrottleDevice))),
  BlkioDeviceWriteIOps: opt(nullable(Type.Array(ThrottleDevice))),
  CpuPeriod: int,
  CpuQuota: int,
  CpuRealtimePeriod: int,
  CpuRealtimeRuntime: int,
  CpusetCpus: text,
  CpusetMems: text,
  Devices: opt(nullable(Type.Array(DeviceMapping))),
  DeviceCgroupRules: strings,
  DeviceRequests: opt(nullable(Type.Array(Type.Object({}, { additionalProperties: true })))),
  MemoryReservation: int,
  MemorySwap: int,
  MemorySwappiness: opt(nullable(Type.Integer())),
  OomKillDisable: opt(nullable(Type.Boolean())),
  PidsLimit: opt(nullable(Type.Integer())),
  Ulimits: opt(nullable(Type.Array(Ulimit))),
  CpuCount: int,
  CpuPercent: int,
  IOMaximumIOps: int,
  IOMaximumBandwidth: int,
  Mounts: opt(nullable(Type.Array(Mount))),
  MaskedPaths: strings,
  ReadonlyPaths: strings,
  Init: opt(nullable(Type.Boolean())),
};
export const HostConfig = Type.Object(HostConfigProperties);
export type HostConfig = Static<typeof HostConfig>;
