// The part of a container that travels with an image: Docker's `Config` object. Keys and meanings are the Engine API's.
import { type Static, Type } from '@sinclair/typebox';

const StringMap = Type.Record(Type.String(), Type.String());
const EmptyObjectMap = Type.Record(Type.String(), Type.Object({}));
const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
/** Docker accepts `"Cmd": "x"` as well as `["x"]`. */
const StringOrList = Type.Union([Type.String(), Type.Array(Type.String()), Type.Null()]);

/** HEALTHCHECK: durations in nanoseconds, 0 inherits. */
export const HealthConfig = Type.Object({
  Test: Type.Optional(Nullable(Type.Array(Type.String()))),
  Interval: Type.Optional(Type.Integer()),
  Timeout: Type.Optional(Type.Integer()),
  StartPeriod: Type.Optional(Type.Integer()),
  StartInterval: Type.Optional(Type.Integer()),
  Retries: Type.Optional(Type.Integer()),
});
export type HealthConfig = Static<typeof HealthConfig>;

export const ContainerConfigProperties = {
  Hostname: Type.Optional(Type.String()),
  Domainname: Type.Optional(Type.String()),
  User: Type.Optional(Type.String()),
  AttachStdin: Type.Optional(Type.Boolean()),
  AttachStdout: Type.Optional(Type.Boolean()),
  AttachStderr: Type.Optional(Type.Boolean()),
  ExposedPorts: Type.Optional(Nullable(EmptyObjectMap)),
  Tty: Type.Optional(Type.Boolean()),
  OpenStdin: Type.Optional(Type.Boolean()),
  StdinOnce: Type.Optional(Type.Boolean()),
  Env: Type.Optional(Nullable(Type.Array(Type.String()))),
  Cmd: Type.Optional(StringOrList),
  Healthcheck: Type.Optional(Nullable(HealthConfig)),
  ArgsEscaped: Type.Optional(Type.Boolean()),
  Image: Type.Optional(Type.String()),
  Volumes: Type.Optional(Nullable(EmptyObjectMap)),
  WorkingDir: Type.Optional(Type.String()),
  Entrypoint: Type.Optional(StringOrList),
  NetworkDisabled: Type.Optional(Type.Boolean()),
  MacAddress: Type.Optional(Type.String()),
  OnBuild: Type.Optional(Nullable(Type.Array(Type.String()))),
  Labels: Type.Optional(Nullable(StringMap)),
  StopSignal: Type.Optional(Type.String()),
  StopTimeout: Type.Optional(Nullable(Type.Integer())),
  Shell: Type.Optional(Nullable(Type.Array(Type.String()))),
};
export const ContainerConfig = Type.Object(ContainerConfigProperties);
/** As it comes from a client. */
export type ContainerConfig = Static<typeof ContainerConfig>;

/** As the engine keeps it: lists normalised, maps never null, image defaults merged in. */
export interface ResolvedConfig {
  Hostname: string;
  Domainname: string;
  User: string;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  ExposedPorts?: Record<string, Record<string, never>>;
  Tty: boolean;
  OpenStdin: boolean;
  StdinOnce: boolean;
  Env: string[];
  Cmd: string[] | null;
  Healthcheck?: HealthConfig;
  Image: string;
  Volumes: Record<string, Record<string, never>> | null;
  WorkingDir: string;
  Entrypoint: string[] | null;
  NetworkDisabled?: boolean;
  MacAddress?: string;
  OnBuild: string[] | null;
  Labels: Record<string, string>;
  StopSignal?: string;
  StopTimeout?: number;
  Shell?: string[];
}
