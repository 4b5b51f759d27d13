// The request bodies of this API that are not a type of their own in types/.
import { Type } from '@sinclair/typebox';
import { ContainerConfig, ContainerConfigProperties } from '../../docker-types/container-config.ts';
import { HostConfig } from '../../docker-types/host-config.ts';
import { EndpointRequest } from '../../docker-types/network.ts';
import { bodyNeeded } from './body-schema.ts';

const optional = Type.Optional;
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
/** Rows, columns. */
const ConsoleSize = optional(
  nullable(Type.Array(Type.Integer({ minimum: 0, maximum: 65535 }), { minItems: 2, maxItems: 2 })),
);

/** POST /containers/create: the container's config with its host config beside it. */
export const CreateBody = Type.Object(
  {
    ...ContainerConfigProperties,
    HostConfig: optional(nullable(HostConfig)),
    NetworkingConfig: optional(
      nullable(
        Type.Object({ EndpointsConfig: optional(nullable(Type.Record(Type.String(), nullable(EndpointRequest)))) }),
      ),
    ),
  },
  { description: 'Docker calls this ContainerCreateRequest.', [bodyNeeded]: true },
);

/** POST /containers/{id}/update: limits and the restart policy. Whatever else of HostConfig is sent is passed over, as docker does. */
export const UpdateBody = Type.Pick(HostConfig, [
  ...['CpuShares', 'CpuPeriod', 'CpuQuota', 'CpuRealtimePeriod', 'CpuRealtimeRuntime', 'NanoCpus', 'CpuPercent'],
  ...['CpusetCpus', 'CpusetMems', 'Memory', 'MemoryReservation', 'MemorySwap', 'OomKillDisable', 'PidsLimit'],
  ...['BlkioWeight', 'BlkioWeightDevice', 'BlkioDeviceReadBps', 'BlkioDeviceWriteBps', 'BlkioDeviceReadIOps'],
  ...['BlkioDeviceWriteIOps', 'IOMaximumIOps', 'IOMaximumBandwidth', 'RestartPolicy', 'RestartUnhealthy'],
] as const);

/** POST /commit: what the image shall say; may be absent. */
export const CommitBody = Type.Union([ContainerConfig, Type.Null()]);

export const ExecBody = Type.Object({
  AttachStdin: optional(Type.Boolean()),
  AttachStdout: optional(Type.Boolean()),
  AttachStderr: optional(Type.Boolean()),
  DetachKeys: optional(Type.String()),
  Tty: optional(Type.Boolean()),
  Env: optional(nullable(Type.Array(Type.String()))),
  Cmd: optional(nullable(Type.Array(Type.String()))),
  Privileged: optional(Type.Boolean()),
  User: optional(Type.String()),
  WorkingDir: optional(Type.String()),
  ConsoleSize,
});

export const ExecStartBody = Type.Object({
  Detach: optional(Type.Boolean()),
  Tty: optional(Type.Boolean()),
  ConsoleSize,
});
