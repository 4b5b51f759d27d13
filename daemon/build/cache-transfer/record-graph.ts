// Records of this engine's cache as records of BuildKit's format, and back. Pure.
//
// A name (own key or alias) is a record with its hash as digest; its inputs are what the names of its inputs are. Where keys above are made with
// something else than the own key, one more input, with the selector below, leads to a record of that. What is known of an image's layers is a
// record of its own, with their chain id.
import { createHash } from 'node:crypto';
import { isDigest } from '../../content/digest.ts';
import { chainOf, type DocumentLayer, type DocumentLink, type DocumentRecord } from './cache-document.ts';

/** Of the input that says what a record is known as in keys above it. */
const IDENTITY = 'identity';

export interface RecordToExport {
  readonly identity: string;
  /** What its inputs are known as, for each key that leads to it. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  readonly createdMs: number;
  /** Index of its highest layer in the document; undefined: what it made is not exported. */
  readonly layer: number | undefined;
}

export interface RecordFound {
  /** What keys above it are made with. */
  readonly identity: string;
  /** Indexes of layers, from the lowest up. */
  readonly layers: readonly number[];
  readonly createdMs: number | undefined;
}

interface Draft {
  inputs: readonly { readonly digest: string; readonly selector: string }[];
  layer: number | undefined;
  createdMs: number | undefined;
}

/** The same records always make the same document. */
export function documentRecords(records: readonly RecordToExport[]): DocumentRecord[] {
  const drafts = new Map<string, Draft>();
  const leaf = (identity: string): string => {
    const digest = identityDigest(identity);
    if (!drafts.has(digest)) drafts.set(digest, { inputs: [], layer: undefined, createdMs: undefined });
    return digest;
  };
  for (const { identity, names, createdMs, layer } of records) {
    const own = leaf(identity);
    const made = { layer, createdMs: layer === undefined ? undefined : createdMs };
    if (!names.has(identity)) drafts.set(own, { inputs: [], ...made });
    for (const [name, inputs] of names) {
      const links = inputs.map((input) => ({ digest: leaf(input), selector: '' }));
      const known = name === identity ? [] : [{ digest: own, selector: IDENTITY }];
      drafts.set(`sha256:${name}`, { inputs: [...links, ...known], ...made });
    }
  }
  const digests = [...drafts.keys()].sort();
  const indexes = new Map(digests.map((digest, index) => [digest, index]));
  return digests.map((digest) => {
    const { inputs, layer, createdMs } = drafts.get(digest) as Draft;
    const links = inputs.map((input) => [{ link: indexes.get(input.digest) as number, selector: input.selector }]);
    return { digest, inputs: links, layer, createdMs };
  });
}

/** What can be found in a document that was read: by key, and what anything stands on. */
export class RecordIndex {
  readonly #layers: readonly DocumentLayer[];
  readonly #records: readonly DocumentRecord[];
  readonly #byDigest = new Map<string, DocumentRecord>();
  readonly #used = new Set<string>();

  constructor(layers: readonly DocumentLayer[], records: readonly DocumentRecord[]) {
    this.#layers = layers;
    this.#records = records;
    for (const record of records) {
      if (record.layer !== undefined && !this.#byDigest.has(record.digest)) this.#byDigest.set(record.digest, record);
      for (const { link, selector } of record.inputs.flat())
        if (selector !== IDENTITY) this.#used.add(records[link]?.digest ?? '');
    }
  }

  get size(): number {
    return this.#byDigest.size;
  }

  lookup(key: string): RecordFound | undefined {
    const record = this.#byDigest.get(`sha256:${key}`);
    if (record?.layer === undefined) return undefined;
    const known = record.inputs.flat().find(({ selector }) => selector === IDENTITY);
    const digest = this.#digestOf(known) ?? record.digest;
    // What is no hash was not made by this engine.
    if (!isDigest(digest)) return undefined;
    const { createdMs } = record;
    return { identity: digest.slice('sha256:'.length), layers: chainOf(this.#layers, record.layer), createdMs };
  }

  /** Whether a record could be found with an input that is known as this. */
  hasUses(identity: string): boolean {
    return this.#used.has(identityDigest(identity));
  }

  #digestOf(link: DocumentLink | undefined): string | undefined {
    return link === undefined ? undefined : this.#records[link.link]?.digest;
  }
}

/** Keys are hashes already; of layers it is their chain id; the rest is hashed. */
function identityDigest(identity: string): string {
  if (/^[0-9a-f]{64}$/.test(identity)) return `sha256:${identity}`;
  const chain = identity.startsWith('layers:') ? identity.slice('layers:'.length) : '';
  return isDigest(chain) ? chain : `sha256:${createHash('sha256').update(identity).digest('hex')}`;
}
