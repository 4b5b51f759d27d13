// Makes vertices with their digests. A vertex knows its inputs by their digests only, so a chain of ten thousand costs ten thousand times one.
import { createHash } from 'node:crypto';
import type { Edge, Operation, Vertex } from './operation.ts';

export interface VertexParts {
  readonly operation: Operation;
  readonly inputs: readonly Edge[];
  readonly name: string;
  readonly ignoresCache?: boolean;
  readonly lines?: { readonly start: number; readonly end: number };
}

export function makeVertex({ operation, inputs, name, ignoresCache = false, lines }: VertexParts): Vertex {
  const digest = operationDigest(operation, inputs);
  return { digest, operation, inputs, name, ignoresCache, ...(lines === undefined ? {} : { lines }) };
}

/** sha256 of the operation's canonical JSON and of which results of which vertices it takes. */
function operationDigest(operation: Operation, inputs: readonly Edge[]): string {
  const taken = inputs.map(({ vertex, output }) => `${vertex.digest}#${output}`);
  return `sha256:${sha256(canonicalJson({ inputs: taken, operation }))}`;
}

/** JSON with sorted keys; what is undefined is not there. Lists of many texts, as environments are, stand as their digest. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value))
    return value.length > longList && value.every(isText) ? listDigest(value) : plainList(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
}

const longList = 64;

/** The steps of a stage share their list until an ENV or ARG changes it: it is read once. */
const listDigests = new WeakMap<readonly string[], string>();

function listDigest(list: readonly string[]): string {
  const known = listDigests.get(list);
  if (known !== undefined) return known;
  const digest = `[sha256:${sha256(plainList(list))}]`;
  listDigests.set(list, digest);
  return digest;
}

function plainList(list: readonly unknown[]): string {
  return `[${list.map((item) => canonicalJson(item ?? null)).join(',')}]`;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
