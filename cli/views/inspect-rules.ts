// How templates see what `inspect` shows. Docker renders them on its own types first and on the plain JSON second, so a field
// that the JSON leaves out because it is empty still has its zero value, and an unknown one is an error.
import type { EvaluationOptions } from '../template/evaluate.ts';

/** Fields that the API omits when they are empty, with what they are then. */
const omitted = new Map<string, unknown>(
  Object.entries({
    Health: null,
    Healthcheck: null,
    StopTimeout: null,
    StopSignal: '',
    MacAddress: '',
    NetworkDisabled: false,
    ArgsEscaped: false,
    ExposedPorts: null,
    Shell: null,
    SizeRw: null,
    SizeRootFs: null,
    Tmpfs: null,
    Sysctls: null,
    StorageOpt: null,
    Annotations: null,
    Mounts: null,
    Init: null,
    Runtime: '',
    ImageManifestDescriptor: null,
    Variant: '',
    OsVersion: '',
    Layers: null,
    Options: null,
    Containers: null,
  }),
);

const lists = new Set(
  `Binds CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links SecurityOpt VolumesFrom Env Cmd Entrypoint OnBuild
DeviceCgroupRules DeviceRequests Devices Ulimits MaskedPaths ReadonlyPaths ExecIDs Mounts Args Shell BlkioWeightDevice
BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps RepoTags RepoDigests Layers Aliases DNSNames
SecondaryIPAddresses SecondaryIPv6Addresses Log`.split(/\s+/),
);
const maps = new Set(
  'Volumes ExposedPorts Labels Tmpfs Sysctls StorageOpt Annotations PortBindings DriverOpts Options Data'.split(' '),
);
/** Maps whose keys are the user's: one that is missing has no value rather than being a mistake. */
const freeMaps = new Set(
  'Labels Annotations Sysctls StorageOpt Options DriverOpts Tmpfs Networks Ports PortBindings'.split(' '),
);

export const inspectRules: Omit<EvaluationOptions, 'functions'> = {
  missingKey(key, path) {
    if (freeMaps.has(path.at(-1) ?? '')) return undefined;
    if (omitted.has(key)) return omitted.get(key);
    throw new Error(`map has no entry for key ${JSON.stringify(key)}`);
  },
  nullText: (field) => (lists.has(field) ? '[]' : maps.has(field) ? 'map[]' : undefined),
};

/** Go's types call the id of a thing ID, its JSON calls it Id: both names work. */
export function withBothIds(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { Id } = value as { Id?: unknown };
  // Not enumerable: it can be named, but is not printed twice.
  if (Id !== undefined && !('ID' in value)) Object.defineProperty(value, 'ID', { value: Id, enumerable: false });
  return value;
}
