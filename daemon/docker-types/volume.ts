// What the routes of volumes take and answer, under the names of Docker's API description.
import { type Static, Type } from '@sinclair/typebox';

const opt = Type.Optional;
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
const stringMap = opt(nullable(Type.Record(Type.String(), Type.String())));

/** Body of POST /volumes/create. */
export const VolumeCreateRequest = Type.Object({
  Name: opt(Type.String({ description: 'Generated when empty' })),
  Driver: opt(Type.String({ description: 'local' })),
  DriverOpts: stringMap,
  Labels: stringMap,
  ClusterVolumeSpec: opt(nullable(Type.Object({}, { additionalProperties: true }))),
});
export type VolumeCreateRequest = Static<typeof VolumeCreateRequest>;
/** Nothing asks for a volume without a name. */
export const VolumeCreateBody = Type.Union([VolumeCreateRequest, Type.Null()]);

export interface Volume {
  Name: string;
  Driver: string;
  Mountpoint: string;
  CreatedAt?: string;
  Labels: Record<string, string> | null;
  Scope: string;
  Options: Record<string, string> | null;
  /** Bytes (-1: not known) and the number of containers; only in GET /system/df. */
  UsageData?: { Size: number; RefCount: number } | null;
}

export interface VolumeListResponse {
  Volumes: Volume[];
  Warnings: string[] | null;
}

export interface VolumePruneResponse {
  VolumesDeleted: string[] | null;
  /** Bytes. */
  SpaceReclaimed: number;
}
