// BuildKit's cache config, "application/vnd.buildkit.cacheconfig.v0" (cache/remotecache/v1): which records there are, what they stand on, and which
// layers they made. Reading one means checking it: a cache is data from a stranger. Knows nothing of where it came from.
import { isDigest } from '../../content/digest.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseBoundedJson } from '../../images/documents/bounded-json.ts';
import { MAX_LAYERS } from '../../snapshots/layer-store.ts';

export const CACHE_CONFIG = 'application/vnd.buildkit.cacheconfig.v0';
/** Bytes of one document. BuildKit reads no more than a megabyte. */
export const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

const MAX_DOCUMENT_LAYERS = 20_000;
const MAX_RECORDS = 50_000;
/** Of all records together. */
const MAX_LINKS = 200_000;
const MAX_TEXT = 1024;
const LAST_TIME = Date.UTC(10_000, 0);

export interface DocumentLayer {
  /** Digest of the packed archive. */
  readonly blob: string;
  /** Index of the layer below it; -1: there is none. */
  readonly parent: number;
}

export interface DocumentLink {
  /** Index of a record. */
  readonly link: number;
  readonly selector: string;
}

export interface DocumentRecord {
  readonly digest: string;
  /** For each input the records that it may be. */
  readonly inputs: readonly (readonly DocumentLink[])[];
  /** Index of its highest layer; undefined: nothing is kept of it. */
  readonly layer: number | undefined;
  /** Milliseconds since 1970; undefined: nobody says. */
  readonly createdMs: number | undefined;
}

export interface CacheDocument {
  /** Each is at most `MAX_LAYERS` above its lowest. */
  readonly layers: readonly DocumentLayer[];
  /** None stands on itself. */
  readonly records: readonly DocumentRecord[];
}

/** The bytes of a config. */
export function encodeCache({ layers, records }: CacheDocument): Buffer {
  return Buffer.from(JSON.stringify({ layers, records: records.map(encodedRecord) }));
}

/** As an image's config has it, where the layers are the image's own. */
export function encodeRecords(records: readonly DocumentRecord[]): Buffer {
  return Buffer.from(JSON.stringify(records.map(encodedRecord)));
}

/** Throws 'invalid' saying what is wrong. */
export function decodeCache(bytes: Uint8Array): CacheDocument {
  const value = parsed(bytes);
  if (!isObject(value)) throw invalid('it is no object');
  const layers = listOf('layers', value.layers, MAX_DOCUMENT_LAYERS).map(readLayer);
  checkChains(layers);
  return { layers, records: readRecords(value.records, layers.length) };
}

/** Of an image with so many layers, each on the one before it. Throws 'invalid'. */
export function decodeRecords(bytes: Uint8Array, layerCount: number): DocumentRecord[] {
  return readRecords(parsed(bytes), layerCount);
}

/** Indexes of a layer and those below it, from the lowest up. */
export function chainOf(layers: readonly DocumentLayer[], top: number): number[] {
  const chain: number[] = [];
  for (let index = top; index !== -1; index = layers[index]?.parent ?? -1) chain.push(index);
  return chain.reverse();
}

function encodedRecord({ digest, inputs, layer, createdMs }: DocumentRecord): object {
  const links = inputs.map((input) =>
    input.map(({ link, selector }) => ({ ...(selector === '' ? {} : { selector }), link })),
  );
  const time = createdMs === undefined ? {} : { createdAt: new Date(createdMs).toISOString() };
  return {
    ...(layer === undefined ? {} : { layers: [{ layer, ...time }] }),
    digest,
    ...(links.length === 0 ? {} : { inputs: links }),
  };
}

function readLayer(value: unknown, index: number): DocumentLayer {
  if (!isObject(value)) throw invalid(`layers[${index}] is no object`);
  const { blob, parent = 0 } = value;
  if (!isDigest(blob)) throw invalid(`layers[${index}].blob is no sha256 digest`);
  // Go leaves a 0 out.
  if (!isIndex(parent, -1)) throw invalid(`layers[${index}].parent is no index`);
  return { blob, parent };
}

/** All parents are there, and no chain is endless or higher than the kernel can stack. */
function checkChains(layers: readonly DocumentLayer[]): void {
  const heights: number[] = [];
  layers.forEach((_, first) => {
    const path: number[] = [];
    for (let index = first; index !== -1 && heights[index] === undefined; index = layers[index]?.parent ?? -1) {
      if (index >= layers.length) throw invalid(`a layer stands on number ${index}, and there are ${layers.length}`);
      if (path.push(index) > MAX_LAYERS) throw invalid(`layers[${first}] stands on itself, or on too many others`);
    }
    const lowest = layers[path.at(-1) ?? first]?.parent ?? -1;
    let height = lowest === -1 ? 0 : (heights[lowest] ?? 0);
    for (const index of path.reverse()) heights[index] = ++height;
    if (height > MAX_LAYERS) throw invalid(`layers[${first}] stands on more than ${MAX_LAYERS} layers`);
  });
}

function readRecords(value: unknown, layerCount: number): DocumentRecord[] {
  const list = listOf('records', value, MAX_RECORDS);
  let links = 0;
  const records = list.map((item, index) => {
    const record = readRecord(item, index, { records: list.length, layers: layerCount });
    links += record.inputs.reduce((sum, input) => sum + input.length + 1, 0);
    if (links > MAX_LINKS) throw invalid(`its records have more than ${MAX_LINKS} inputs`);
    return record;
  });
  checkLoops(records);
  return records;
}

interface Counts {
  readonly records: number;
  readonly layers: number;
}

function readRecord(value: unknown, index: number, counts: Counts): DocumentRecord {
  const where = `records[${index}]`;
  if (!isObject(value)) throw invalid(`${where} is no object`);
  const { digest } = value;
  if (typeof digest !== 'string' || digest.length > MAX_TEXT) throw invalid(`${where}.digest is no text`);
  const inputs = listOf(`${where}.inputs`, value.inputs, MAX_LINKS).map((input) =>
    listOf(`${where}.inputs`, input, MAX_LINKS).map((link) => readLink(link, where, counts)),
  );
  const results = listOf(`${where}.layers`, value.layers, MAX_DOCUMENT_LAYERS).map((result) =>
    readResult(result, where, counts),
  );
  const [result] = results;
  return { digest, inputs, layer: result?.layer, createdMs: result?.createdMs };
}

function readLink(value: unknown, where: string, { records }: Counts): DocumentLink {
  if (!isObject(value)) throw invalid(`${where}.inputs holds something that is no object`);
  const { link, selector = '' } = value;
  if (!isIndex(link, 0) || link >= records)
    throw invalid(`${where} stands on record ${shown(link)}, and there are ${records}`);
  if (typeof selector !== 'string' || selector.length > MAX_TEXT * 8) throw invalid(`${where} has no text as selector`);
  return { link, selector };
}

function readResult(
  value: unknown,
  where: string,
  { layers }: Counts,
): { readonly layer: number; readonly createdMs: number | undefined } {
  if (!isObject(value)) throw invalid(`${where}.layers holds something that is no object`);
  const { layer, createdAt } = value;
  if (!isIndex(layer, 0) || layer >= layers)
    throw invalid(`${where} has layer ${shown(layer)}, and there are ${layers}`);
  const time = typeof createdAt === 'string' && createdAt.length < 100 ? Date.parse(createdAt) : Number.NaN;
  // Go's zero is the year 1, and beyond the year 9999 nobody can read it.
  return { layer, createdMs: time >= 0 && time < LAST_TIME ? time : undefined };
}

/** Without recursion: a stranger's chain may be as long as the list. */
function checkLoops(records: readonly DocumentRecord[]): void {
  const uses = records.map((): number[] => []);
  const waiting = records.map(({ inputs }) => inputs.reduce((sum, input) => sum + input.length, 0));
  records.forEach(({ inputs }, index) => {
    for (const input of inputs) for (const { link } of input) uses[link]?.push(index);
  });
  const ready = [...waiting.keys()].filter((index) => waiting[index] === 0);
  let done = 0;
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    done++;
    for (const above of uses[index] ?? []) {
      const left = (waiting[above] ?? 0) - 1;
      waiting[above] = left;
      if (left === 0) ready.push(above);
    }
  }
  if (done < records.length) throw invalid('its records stand on each other in a circle');
}

function parsed(bytes: Uint8Array): unknown {
  if (bytes.byteLength > MAX_DOCUMENT_BYTES)
    throw invalid(`it has ${bytes.byteLength} bytes, more than ${MAX_DOCUMENT_BYTES}`);
  try {
    return parseBoundedJson(bytes);
  } catch (error) {
    throw new EngineError('invalid', 'read cache config: it is no JSON, or too much of it', { cause: error });
  }
}

/** Go leaves empty lists out, or writes null. */
function listOf(what: string, value: unknown, most: number): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${what} is no list`);
  if (value.length > most) throw invalid(`${what} has ${value.length} entries, more than ${most}`);
  return value;
}

function isIndex(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= least;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 100) ?? 'nothing';
}

function invalid(what: string): EngineError {
  return new EngineError('invalid', `read cache config: ${what}`);
}
