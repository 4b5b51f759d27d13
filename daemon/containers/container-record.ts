// What is kept of a container in the database: two JSON texts, one that only create, rename and update change, one for the state.
// Times are decimal nanoseconds since 1970 as text: JSON numbers are too coarse.
import { crc32 } from 'node:zlib';
import type { ResolvedConfig } from '../docker-types/container-config.ts';
import type { HostConfig } from '../docker-types/host-config.ts';
import { type EndpointConfig, plainEndpoint } from '../networks/endpoint-config.ts';
import type { ResolvedMount } from '../spec/mount.ts';
import { networkOfMode, parseNetworkMode } from '../spec/network-mode.ts';
import type { HealthState } from './health-rules.ts';

export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

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

export interface ContainerState {
  status: ContainerStatus;
  /** The first process, as the host numbers it; 0 when there is none. */
  pid: number;
  exitCode: number;
  /** Why the last start failed, for the user. */
  error: string;
  oomKilled: boolean;
  /** How many kills of the present run were told as events. */
  oomKills: number;
  startedNs: string;
  finishedNs: string;
  /** Stopped or killed on request: restart policies leave it alone. */
  stoppedByUser: boolean;
  /** How many restarts the policy made since the last start by hand. */
  restartCount: number;
  /** What the last of them waited, in milliseconds. */
  restartDelayMs: number;
  /** Where the current (or last) run has its control group; empty before the first. */
  cgroupPath: string;
  /** Of a container with a health check that was started at least once. */
  health?: HealthState;
  /** It is being ended so that it starts again: see restart-unhealthy.ts. */
  restartAsked: boolean;
}

export function newState(): ContainerState {
  return {
    status: 'created',
    pid: 0,
    exitCode: 0,
    error: '',
    oomKilled: false,
    oomKills: 0,
    startedNs: '0',
    finishedNs: '0',
    stoppedByUser: false,
    restartCount: 0,
    restartDelayMs: 0,
    cgroupPath: '',
    restartAsked: false,
  };
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

const statuses: ReadonlySet<string> = new Set<ContainerStatus>([
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
]);

/** The text ends with a sum of itself: unlike a record, a state has no other copy that could tell that a bit of it is wrong. */
export function encodeState(state: ContainerState): string {
  const text = JSON.stringify(state);
  return `${text.slice(0, -1)},"sum":"${sumOf(text)}"}`;
}

/** Throws for what is no state, or not the one that was stored. */
export function decodeState(text: string): ContainerState {
  const [, start, sum] = /^(.*),"sum":"([0-9a-f]{8})"\}$/s.exec(text) ?? [];
  if (start !== undefined && sum !== sumOf(`${start}}`)) throw new TypeError("a container's state with a wrong sum");
  // Without a sum: of a version that had none.
  const state = JSON.parse(start === undefined ? text : `${start}}`) as Partial<ContainerState>;
  if (typeof state !== 'object' || state === null) throw new TypeError("a container's state that is no object");
  const found = { ...newState(), ...state };
  if (!statuses.has(found.status)) throw new TypeError(`a container's state with the status ${found.status}`);
  return found;
}

function sumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
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
