// What the image routes answer, under the names of Docker's API description.

import type { GraphDriver } from './container.ts';
import type { ContainerConfig } from './container-config.ts';

/** One element of GET /images/json. */
export interface ImageSummary {
  Id: string;
  ParentId: string;
  RepoTags: string[];
  RepoDigests: string[];
  /** Seconds since 1970. */
  Created: number;
  /** Bytes. */
  Size: number;
  /** Bytes; -1 when it was not counted. */
  SharedSize: number;
  /** Only for clients before 1.44. */
  VirtualSize?: number;
  Labels: Record<string, string> | null;
  /** -1 for clients before 1.51. */
  Containers: number;
}

export interface ImageInspect {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  Parent: string;
  Comment: string;
  Created: string;
  Container?: string;
  /** Docker has it before 1.45 only; docker-compose 1 needs it. */
  ContainerConfig?: ContainerConfig;
  DockerVersion: string;
  Author: string;
  Config: ContainerConfig | null;
  Architecture: string;
  Variant?: string;
  Os: string;
  OsVersion?: string;
  Size: number;
  VirtualSize?: number;
  GraphDriver: GraphDriver;
  RootFS: { Type: 'layers'; Layers?: string[] };
  Metadata: { LastTagTime: string };
}

/** One element of GET /images/{name}/history, newest first. */
export interface HistoryResponseItem {
  Id: string;
  /** Seconds since 1970. */
  Created: number;
  CreatedBy: string;
  Tags: string[] | null;
  Size: number;
  Comment: string;
}

export type ImageDeleteResponseItem = { Untagged: string } | { Deleted: string };

export interface ImagePruneResponse {
  ImagesDeleted: ImageDeleteResponseItem[] | null;
  SpaceReclaimed: number;
}

/** One line of a progress stream (create, push, load, build). */
export interface JsonMessage {
  id?: string;
  status?: string;
  stream?: string;
  progress?: string;
  progressDetail?: { current?: number; total?: number };
  aux?: Record<string, unknown>;
  error?: string;
  errorDetail?: { code?: number; message: string };
}

/** One element of GET /images/search. */
export interface SearchResult {
  name: string;
  description: string;
  star_count: number;
  is_official: boolean;
  is_automated?: boolean;
}

/** GET /distribution/{name}/json: what a registry has under a name. */
export interface DistributionInspect {
  Descriptor: { mediaType: string; digest: string; size: number };
  Platforms: { architecture: string; os: string; variant?: string; 'os.version'?: string }[];
}

/** POST /auth. */
export interface AuthResponse {
  Status: string;
  IdentityToken: string;
}
