// Manifests and indexes, read and checked: OCI image-spec "manifest.md" and "image-index.md", Docker's schema 2. A document that could be
// both is refused (CVE-2021-41190): two readers must not see two images in it.

import type { Descriptor } from '../../content/digest.ts';
import { isDigest } from '../../content/digest.ts';
import { configTypes, indexTypes, isSchema1, layerCompression, manifestTypes } from '../../content/media-types.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { MAX_LAYERS } from '../../snapshots/layer-store.ts';
import { parseBoundedJson } from './bounded-json.ts';
import { MAX_CONFIG_BYTES } from './image-config.ts';
import type { Platform } from './platform.ts';

export interface ImageManifest {
  readonly kind: 'image';
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
}

export interface IndexEntry extends Descriptor {
  readonly platform: Platform | undefined;
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly manifests: readonly IndexEntry[];
}

const MAX_ENTRIES = 10_000;
/** One layer's archive. */
const MAX_LAYER_BYTES = 2 ** 42;

/** `mediaType`: what the registry said it is; empty when it said nothing. Throws 'invalid' saying what is wrong. */
export function parseManifest(bytes: Uint8Array, mediaType: string): ImageManifest | ImageIndex {
  const said = /^(?:|application\/json|application\/octet-stream|text\/plain)$/.test(mediaType) ? '' : mediaType;
  if (isSchema1(said)) throw schema1();
  const value = parseJson(bytes);
  const own = value.mediaType;
  if (value.schemaVersion === 1) throw schema1();
  if (value.schemaVersion !== 2) throw invalid('its schemaVersion is not 2');
  if (own !== undefined && own !== '' && typeof own !== 'string') throw invalid('its mediaType is not text');
  if (own && said !== '' && own !== said)
    throw invalid(`it calls itself ${shown(own)}, and the registry ${shown(said)}`);
  const type = said || String(own ?? '');
  if (indexTypes.includes(type)) return readIndex(value);
  if (manifestTypes.includes(type)) return readImage(value);
  throw new EngineError('invalid', `unsupported manifest media type ${shown(type)}`);
}

function readImage(value: Record<string, unknown>): ImageManifest {
  if (value.manifests !== undefined) throw invalid('it is an image and an index at once');
  const config = readDescriptor('config', value.config, MAX_CONFIG_BYTES);
  if (!configTypes.includes(config.mediaType)) {
    throw new EngineError(
      'invalid',
      `unsupported config media type ${shown(config.mediaType)}: it is no container image`,
    );
  }
  if (!Array.isArray(value.layers)) throw invalid('layers is no list');
  if (value.layers.length > MAX_LAYERS) throw invalid(`it has ${value.layers.length} layers, more than ${MAX_LAYERS}`);
  return { kind: 'image', config, layers: value.layers.map((layer, i) => readLayer(`layers[${i}]`, layer)) };
}

function readLayer(where: string, value: unknown): Descriptor {
  const layer = readDescriptor(where, value, MAX_LAYER_BYTES);
  if (layerCompression(layer.mediaType) === undefined) {
    throw new EngineError('invalid', `layer ${layer.digest}: unsupported media type ${shown(layer.mediaType)}`);
  }
  return layer;
}

function readIndex(value: Record<string, unknown>): ImageIndex {
  if (value.layers !== undefined || value.config !== undefined) throw invalid('it is an image and an index at once');
  const list = value.manifests;
  if (!Array.isArray(list)) throw invalid('manifests is no list');
  if (list.length > MAX_ENTRIES) throw invalid(`it has ${list.length} manifests, more than ${MAX_ENTRIES}`);
  return {
    kind: 'index',
    manifests: list.map((entry, i) => ({
      ...readDescriptor(`manifests[${i}]`, entry, MAX_LAYER_BYTES),
      platform: readPlatform((entry as { platform?: unknown }).platform),
    })),
  };
}

function readDescriptor(where: string, value: unknown, maxBytes: number): Descriptor {
  if (!isObject(value)) throw invalid(`${where} is not an object`);
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== 'string' || mediaType.length > 255) throw invalid(`${where}.mediaType is not text`);
  if (!isDigest(digest)) throw invalid(`${where}.digest is no sha256 digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw invalid(`${where}.size is no number`);
  if (size > maxBytes) throw invalid(`${where}.size is ${size} bytes, more than ${maxBytes}`);
  return { mediaType, digest, size };
}

/** What is no platform at all matches none. */
function readPlatform(value: unknown): Platform | undefined {
  if (!isObject(value)) return undefined;
  const { os, architecture, variant } = value;
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  return { os, architecture, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) };
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseBoundedJson(bytes);
  } catch (error) {
    throw new EngineError('invalid', 'read manifest: it is no JSON, or too much of it', { cause: error });
  }
  if (!isObject(value)) throw invalid('it is not an object');
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function schema1(): EngineError {
  return new EngineError(
    'invalid',
    'unsupported manifest: Docker image format v1 and schema 1 are out of date: push the image again with a newer client',
  );
}

function shown(mediaType: unknown): string {
  return JSON.stringify(String(mediaType).slice(0, 100));
}

function invalid(what: string): EngineError {
  return new EngineError('invalid', `read manifest: ${what}`);
}
