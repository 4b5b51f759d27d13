// An OCI image layout in a directory of the client as what can be pulled from. The directory is a stranger's: its files are opened inside it only,
// and what they hold is checked by whoever reads them.
import { createReadStream, fstatSync } from 'node:fs';
import { isDigest } from '../../content/digest.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { parseBoundedJson } from '../../images/documents/bounded-json.ts';
import { digestOf, MAX_MANIFEST_BYTES } from '../../images/image-manifest.ts';
import type { FetchedBlob, FetchedManifest, PullSession } from '../../registry/registry-session.ts';
import { openFile, readFile } from '../contexts/read-file.ts';
import type { DirectoryResult } from '../steps/step.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

export class LayoutSession implements PullSession {
  readonly hasMirrors = false;
  readonly #directory: DirectoryResult;

  /** Takes the directory over. */
  constructor(directory: DirectoryResult) {
    this.#directory = directory;
  }

  /** By digest, or by the name that index.json gives it. */
  async manifest(reference: string): Promise<FetchedManifest> {
    const digest = isDigest(reference) ? reference : this.#named(reference);
    const bytes = readFile(this.#directory, blobPath(digest), MAX_MANIFEST_BYTES);
    if (digestOf(bytes) !== digest)
      throw new EngineError('invalid', `read manifest ${digest}: its file has the digest ${digestOf(bytes)}`);
    return { mediaType: '', digest, size: bytes.length, bytes };
  }

  async blob(digest: string, { offset = 0 }: { offset?: number } = {}): Promise<FetchedBlob> {
    const fd = openFile(this.#directory, blobPath(digest));
    const sizeBytes = fstatSync(fd).size;
    return { stream: createReadStream('', { fd, start: offset }), offset, sizeBytes };
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }

  #named(name: string): string {
    const index = readIndex(readFile(this.#directory, 'index.json', MAX_MANIFEST_BYTES));
    const found = index.find(({ annotations }) => annotations?.[REF_NAME] === name);
    if (found !== undefined && isDigest(found.digest)) return found.digest;
    throw new EngineError('not-found', `read index.json: it names no cache ${JSON.stringify(name.slice(0, 200))}`);
  }
}

/** Throws 'invalid'. */
function blobPath(digest: string): string {
  const isName: boolean = isDigest(digest);
  if (!isName) throw new EngineError('invalid', `invalid digest ${JSON.stringify(digest.slice(0, 100))}`);
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}

function readIndex(bytes: Uint8Array): { digest?: unknown; annotations?: Record<string, unknown> }[] {
  try {
    const { manifests } = parseBoundedJson(bytes) as { manifests: object[] };
    return manifests.map((entry) => ({ ...entry }));
  } catch (error) {
    throw new EngineError('invalid', 'read index.json: it is no index of an OCI image layout', { cause: error });
  }
}
