// The image config: the JSON whose digest is the image's id (OCI image-spec "config.md", with the keys that Docker adds). Reading one
// means checking it: an image is data from a stranger.

import { isDigest } from '../../content/digest.ts';
import type { ContainerConfig } from '../../docker-types/container-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { MAX_LAYERS } from '../../snapshots/layer-store.ts';
import { parseBoundedJson } from './bounded-json.ts';
import { hostPlatform } from './platform.ts';

export interface HistoryEntry {
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  empty_layer?: boolean;
}

export interface ImageConfig {
  architecture: string;
  variant?: string;
  os: string;
  'os.version'?: string;
  /** RFC 3339. */
  created?: string;
  author?: string;
  comment?: string;
  container?: string;
  docker_version?: string;
  container_config?: ContainerConfig;
  config?: ContainerConfig;
  history?: HistoryEntry[];
  rootfs: { type: 'layers'; diff_ids: string[] };
  /** BuildKit's inline cache: base64 of JSON. Not checked: an image with a wrong one runs as well. */
  'moby.buildkit.cache.v0'?: unknown;
}

/** Bytes of one image config. */
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
/** Entries of one image's history. */
export const MAX_HISTORY = 10_000;

/**
 * Parses and checks a config. One that does not say for which platform it is is for the host's, as Docker has it. Throws EngineError
 * 'invalid' naming what is wrong.
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  if (bytes.byteLength > MAX_CONFIG_BYTES)
    throw invalid(`it has ${bytes.byteLength} bytes, more than ${MAX_CONFIG_BYTES}`);
  let value: unknown;
  try {
    value = parseBoundedJson(bytes);
  } catch (error) {
    throw new EngineError('invalid', 'read image config: it is no JSON, or too much of it', { cause: error });
  }
  if (!isObject(value)) throw invalid('it is not an object');
  const rootfs = value.rootfs;
  if (!isObject(rootfs) || !Array.isArray(rootfs.diff_ids)) throw invalid('rootfs.diff_ids is missing');
  if (rootfs.diff_ids.length > MAX_LAYERS)
    throw invalid(`it has ${rootfs.diff_ids.length} layers, more than ${MAX_LAYERS}`);
  if (!rootfs.diff_ids.every((id) => isDigest(id)))
    throw invalid('rootfs.diff_ids holds something that is no sha256 digest');
  for (const key of ['config', 'container_config']) checkContainerConfig(key, value[key]);
  if (value.history !== undefined && value.history !== null) {
    if (!Array.isArray(value.history) || value.history.length > MAX_HISTORY || !value.history.every(isObject)) {
      throw invalid('history is no list of objects');
    }
  }
  for (const key of ['architecture', 'os', 'created', 'author', 'comment', 'variant', 'container', 'docker_version'])
    optionalText(value, key);
  const host = hostPlatform();
  value.architecture ||= host.architecture;
  value.os ||= host.os;
  return value as unknown as ImageConfig;
}

function checkContainerConfig(key: string, value: unknown): void {
  if (value === undefined || value === null) return;
  if (!isObject(value)) throw invalid(`${key} is not an object`);
  for (const name of ['User', 'WorkingDir', 'StopSignal', 'Hostname', 'Domainname', 'Image']) optionalText(value, name);
  for (const name of ['Env', 'Cmd', 'Entrypoint', 'OnBuild', 'Shell']) {
    const list = value[name];
    if (list === undefined || list === null || (typeof list === 'string' && (name === 'Cmd' || name === 'Entrypoint')))
      continue;
    if (!Array.isArray(list) || list.length > 100_000 || !list.every((item) => isText(item))) {
      throw invalid(`${key}.${name} is no list of texts`);
    }
  }
  checkHealthcheck(`${key}.Healthcheck`, value.Healthcheck);
  for (const name of ['Labels', 'Volumes', 'ExposedPorts']) {
    const map = value[name];
    if (map !== undefined && map !== null && !isObject(map)) throw invalid(`${key}.${name} is not an object`);
    if (name === 'Labels' && isObject(map) && !Object.values(map).every((item) => typeof item === 'string')) {
      throw invalid(`${key}.Labels holds something that is not text`);
    }
  }
}

function checkHealthcheck(key: string, value: unknown): void {
  if (value === undefined || value === null) return;
  if (!isObject(value)) throw invalid(`${key} is not an object`);
  const { Test: test } = value;
  if (test !== undefined && test !== null && !(Array.isArray(test) && test.length <= 10_000 && test.every(isText))) {
    throw invalid(`${key}.Test is no list of texts`);
  }
  for (const name of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries']) {
    const item = value[name];
    if (item === null) delete value[name];
    else if (item !== undefined && !Number.isSafeInteger(item)) throw invalid(`${key}.${name} is no whole number`);
  }
}

function optionalText(value: Record<string, unknown>, key: string): void {
  const item = value[key];
  if (item === null) delete value[key];
  else if (item !== undefined && !isText(item)) throw invalid(`${key} is not text`);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(what: string): EngineError {
  return new EngineError('invalid', `read image config: ${what}`);
}
