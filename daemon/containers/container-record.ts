// What is kept of a container in the database: two JSON texts, one that only create, rename and update change, one for the state: see
// lifecycle/container-state.ts.
// Times are decimal nanoseconds since 1970 as text: JSON numbers are too coarse.
import type { ResolvedConfig } from '../docker-types/container-config.ts';
import type { HostConfig } from '../docker-types/host-config.ts';
import { type EndpointConfig, plainEndpoint } from '../networks/endpoint-config.ts';
import type { ResolvedMount } from '../spec/mount.ts';
import { networkOfMode, parseNetworkMode } from '../spec/network-mode.ts';

export interface ContainerRecord {
  /** 64 hex digits. Immutable. */
  readonly id: string;
  /** Without the leading slash. Changed by rename. */
  name: string;
  /** Immutable. */
  readonly createdNs: string;
  /** "sha256:…" of the image. Immutable. */
  readonly imageId: string;
  /** Merged with the image's. Immutable but for the host's names: see takeHostname. */
  config: ResolvedConfig;
  /** Complete, with docker's defaults filled in. Limits and restart policy are changed by update. */
  hostConfig: HostConfig;
  /** As resolved at create. Immutable. */
  readonly mounts: readonly ResolvedMount[];
  /** The networks that it is or shall be on, the mode's own first. Changed by connect and disconnect. */
  endpoints: readonly EndpointConfig[];
}

/**
 * JSON that cannot set prototypes: `__proto__` in a label stays an own key, as JSON.parse makes it. What earlier versions wrote is brought to
 * what this one means. Throws TypeError for what is no record.
 */
export function decodeRecord(text: string): ContainerRecord {
  const found = JSON.parse(text) as ContainerRecord;
  for (const key of ['id', 'name', 'createdNs', 'imageId'] as const) {
    if (typeof found?.[key] !== 'string') throw new TypeError(`a container's record without ${key}`);
  }
  for (const key of ['config', 'hostConfig'] as const) {
    if (typeof found[key] !== 'object' || found[key] === null)
      throw new TypeError(`a container's record without ${key}`);
  }
  if (!Array.isArray(found.mounts)) throw new TypeError("a container's record without mounts");
  return Array.isArray(found.endpoints) ? found : { ...found, endpoints: endpointsOfOld(found) };
}

/** Before there were networks it was an object, name to aliases, that nobody read; aliases are for networks of the user's, which were not there. */
function endpointsOfOld({ endpoints, hostConfig }: { endpoints: unknown; hostConfig: HostConfig }): EndpointConfig[] {
  const names = Object.keys((endpoints ?? {}) as object).map((name) => (name === 'default' ? 'bridge' : name));
  const main = networkOfMode(parseNetworkMode(hostConfig.NetworkMode ?? ''));
  if (main === undefined) return [];
  return (names.length > 0 ? names : [main]).map((name) => plainEndpoint(name));
}

/** What stands for a record that cannot be read, so that its container is seen, and can be removed. */
export function unreadableRecord(row: {
  id: string;
  name: string;
  createdNs: string;
  imageId: string;
}): ContainerRecord {
  return {
    ...row,
    config: {
      Hostname: '',
      Domainname: '',
      User: '',
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      Env: [],
      Cmd: null,
      Image: row.imageId,
      Volumes: null,
      WorkingDir: '',
      Entrypoint: null,
      OnBuild: null,
      Labels: {},
    },
    hostConfig: { NetworkMode: 'none', LogConfig: { Type: 'json-file', Config: {} }, RestartPolicy: { Name: 'no' } },
    mounts: [],
    endpoints: [],
  };
}
