// Bodies and answers of what can be done to a container, under the names of Docker's API description.
import type { ContainerConfig } from './container-config.ts';
import type { HostConfig } from './host-config.ts';
import type { EndpointRequest } from './network.ts';

/** Body of POST /containers/create. */
export type ContainerCreateRequest = ContainerConfig & {
  HostConfig?: HostConfig | null;
  NetworkingConfig?: { EndpointsConfig?: Record<string, EndpointRequest | null> | null } | null;
};

export interface ContainerCreateResponse {
  Id: string;
  Warnings: string[];
}

/** Body of POST /containers/{id}/update: limits and restart policy count. */
export type ContainerUpdateRequest = HostConfig;

export interface ContainerUpdateResponse {
  Warnings: string[] | null;
}

export interface ContainerWaitResponse {
  StatusCode: number;
  Error?: { Message: string } | null;
}

export interface ContainerTopResponse {
  Titles: string[];
  Processes: string[][];
}

export interface ContainerPruneResponse {
  ContainersDeleted: string[] | null;
  /** Bytes. */
  SpaceReclaimed: number;
}

/** Of GET /containers/{id}/changes: 0 modified, 1 added, 2 deleted. */
export interface FilesystemChange {
  Path: string;
  Kind: 0 | 1 | 2;
}

/** What the header X-Docker-Container-Path-Stat holds, as base64 of JSON. `mode` is Go's os.FileMode. */
export interface ContainerPathStat {
  name: string;
  size: number;
  mode: number;
  mtime: string;
  linkTarget: string;
}

/** Answer of POST /commit and of POST /containers/{id}/exec. */
export interface IdResponse {
  Id: string;
}

export interface ErrorResponse {
  message: string;
}

/** Answer of POST /explain and GET /containers/{id}/explain, which only this engine has. */
export interface ExplainResponse {
  Text: string;
}
