// What is kept of a container in the database: two JSON texts, one that only create, rename and update change, one for the state: see
// lifecycle/container-state.ts.
// Times are decimal nanoseconds since 1970 as text: JSON numbers are too coarse.

import { crc32 } from 'node:zlib';
import type { ResolvedConfig } from '../docker-types/container-config.ts';
import { type EndpointConfig, plainEndpoint } from '../networks/endpoint-config.ts';
import { isSpec } from '../spec/check-spec.ts';
import type { ContainerSpec } from '../spec/container-spec.ts';
import { type DockerBody, specFromDocker } from '../spec/docker/from-docker.ts';
import { usableConfig } from '../spec/docker/usable-config.ts';
import { networkOfMode } from '../spec/network-mode.ts';

export interface ContainerRecord {
  /** 64 hex digits. Immutable. */
  readonly id: string;
  /** Without the leading slash. Changed by rename. */
  name: string;
  /** Immutable. */
  readonly createdNs: string;
  /** "sha256:…" of the image. Immutable. */
  readonly imageId: string;
  /** What it is. Changed by update (limits, restart policy), by `rm --link` and, its names, by a start: see takeHostname. */
  spec: ContainerSpec;
  /** The same in Docker's words, complete with docker's defaults, for inspect and commit: nothing else reads it. Changes with the spec. */
  body: DockerBody;
  /** The networks that it is or shall be on, the mode's own first. Changed by connect and disconnect. */
  endpoints: readonly EndpointConfig[];
  /** No spec can be made of the body: the one above stands for it, and is not stored. */
  readonly isPlaceholder?: true;
}

/** What changes together is stored together: ContainerStore.change. */
export type RecordChange = Partial<Pick<ContainerRecord, 'spec' | 'body' | 'endpoints'>>;

/** Of the stored spec. A record of another version, or of an engine that had no specs, is read by its body. */
const specVersion = 1;

/** Mounts lie beside the spec: they are the one thing that the body alone does not say. */
export function encodeRecord({ spec, body, isPlaceholder, ...record }: ContainerRecord): string {
  const { mounts, ...stored } = spec;
  const ofSpec = isPlaceholder ? {} : { specVersion, bodySum: sumOf(body), spec: stored };
  return JSON.stringify({ ...record, ...body, mounts, ...ofSpec });
}

/** Of the body beside which a spec is stored: an engine that knows no specs hands the spec on, and changes the body. */
function sumOf({ config, hostConfig }: DockerBody): number {
  return crc32(JSON.stringify([config, hostConfig]));
}

/**
 * JSON that cannot set prototypes: `__proto__` in a label stays an own key, as JSON.parse makes it. What earlier versions wrote is brought to
 * what this one means. Throws TypeError for what is no record.
 */
export function decodeRecord(text: string): DecodedRecord {
  const found = JSON.parse(text) as StoredRecord;
  for (const key of ['id', 'name', 'createdNs', 'imageId'] as const) {
    if (typeof found?.[key] !== 'string') throw new TypeError(`a container's record without ${key}`);
  }
  for (const key of ['config', 'hostConfig'] as const) {
    if (typeof found[key] !== 'object' || found[key] === null)
      throw new TypeError(`a container's record without ${key}`);
  }
  if (!Array.isArray(found.mounts)) throw new TypeError("a container's record without mounts");
  const { id, name, createdNs, imageId, config, hostConfig } = found;
  const body = { config, hostConfig };
  const { spec, ...rest } = specOf(found);
  const endpoints = Array.isArray(found.endpoints) ? found.endpoints : endpointsOfOld(found.endpoints, spec);
  const standsFor = rest.damage === undefined ? {} : { isPlaceholder: true as const };
  return { record: { id, name, createdNs, imageId, spec, body, endpoints, ...standsFor }, ...rest };
}

function specOf(found: StoredRecord): Pick<DecodedRecord, 'damage' | 'isMended'> & { spec: ContainerSpec } {
  const spec = readSpec(found);
  if (spec !== undefined) return { spec };
  const isMended = found.specVersion === specVersion && found.bodySum === sumOf(found);
  try {
    // What an image says was once stored as it is: what cannot be used of it is passed over, as at a create.
    const config = usableConfig(found.config).config as ResolvedConfig;
    return {
      spec: specFromDocker({ config, hostConfig: found.hostConfig }, found.mounts),
      ...(isMended ? { isMended } : {}),
    };
  } catch (damage) {
    return { spec: specFromDocker({ config: {}, hostConfig: { NetworkMode: 'none' } }, found.mounts), damage };
  }
}

export interface DecodedRecord {
  record: ContainerRecord;
  /** Its spec was damaged, and is made anew. */
  isMended?: true;
  /** No spec can be made of it, so that it cannot run; what it is on and what Docker knows of it stays known. */
  damage?: unknown;
}

type StoredRecord = Omit<ContainerRecord, 'spec' | 'body' | 'endpoints'> &
  DockerBody & {
    mounts: ContainerSpec['mounts'];
    endpoints: unknown;
    specVersion?: unknown;
    bodySum?: unknown;
    spec?: unknown;
  };

/** undefined: it is of another version or of another body, or damaged: what it says stands in the body, too. */
function readSpec(found: StoredRecord): ContainerSpec | undefined {
  const { specVersion: version, bodySum, spec, mounts } = found;
  if (version !== specVersion || bodySum !== sumOf(found) || typeof spec !== 'object' || spec === null)
    return undefined;
  const whole = { ...spec, mounts };
  return isSpec(whole) ? whole : undefined;
}

/** Before there were networks it was an object, name to aliases, that nobody read; aliases are for networks of the user's, which were not there. */
function endpointsOfOld(endpoints: unknown, { network }: ContainerSpec): EndpointConfig[] {
  const names = Object.keys((endpoints ?? {}) as object).map((name) => (name === 'default' ? 'bridge' : name));
  const main = networkOfMode(network);
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
  const body: DockerBody = {
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
  };
  return { ...row, body, spec: specFromDocker(body, []), endpoints: [] };
}
