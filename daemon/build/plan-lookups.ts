// What a Dockerfile's planning asks the builder for: images, which it holds for the build, and files of what was evaluated.
import { closeFd } from '../../native-bindings/files.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { ImageConfig } from '../images/documents/image-config.ts';
import { platformMatches, platformText } from '../images/documents/platform.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import type { BuildRequest } from './build-request.ts';
import { readFile } from './contexts/read-file.ts';
import type { Edge, Vertex } from './graph/operation.ts';
import type { PlanLookups, ResolvedImage } from './graph/plan.ts';
import { makeVertex } from './graph/vertex.ts';
import type { Solve } from './solver/solve.ts';
import { VertexProgress } from './solver/vertex-progress.ts';
import { type ResolverNeeds, resolveImage } from './sources/image-resolver.ts';

export interface LookupParts extends ResolverNeeds {
  readonly snapshots: Pick<Snapshots, 'view'>;
}

type AskedImage = Parameters<PlanLookups['resolveImage']>[0];
type FileLimit = Parameters<PlanLookups['readFile']>[2];

export class BuildLookups implements PlanLookups, Disposable {
  readonly #parts: LookupParts;
  readonly #solve: Solve;
  readonly #request: Pick<BuildRequest, 'pulls' | 'auth' | 'tell'>;
  readonly #progress: VertexProgress;
  readonly #images = new Map<string, Promise<ResolvedImage>>();
  readonly #held: Disposable[] = [];

  constructor(parts: LookupParts, solve: Solve, request: Pick<BuildRequest, 'pulls' | 'auth' | 'tell'>) {
    this.#parts = parts;
    this.#solve = solve;
    this.#request = request;
    this.#progress = new VertexProgress(request.tell);
  }

  resolveImage(asked: AskedImage): Promise<ResolvedImage> {
    const key = `${asked.reference} ${platformText(asked.platform)}`;
    let image = this.#images.get(key);
    if (image === undefined) {
      image = this.#resolve(asked, key);
      this.#images.set(key, image);
    }
    return image;
  }

  knownImage({ reference, platform }: Parameters<PlanLookups['knownImage']>[0]): ImageConfig | undefined {
    const image = this.#parts.catalogue.resolve(reference);
    return image !== undefined && platformMatches(platform, image.config) ? image.config : undefined;
  }

  async resolveLayout({ name }: { readonly name: string }): Promise<ImageConfig> {
    throw new EngineError(
      'not-implemented',
      `read oci-layout ${name}: this engine does not take OCI layouts of clients`,
    );
  }

  async readFile(files: Edge, path: string, limit: FileLimit): Promise<Uint8Array | undefined> {
    const result = await this.#solve.evaluate(files);
    if (result.kind === 'directory') return readOrNothing(result.path, path, limit);
    if (result.top === undefined) return undefined;
    const fd = this.#parts.snapshots.view(result.top);
    try {
      return readOrNothing(`/proc/self/fd/${fd}`, path, limit);
    } finally {
      closeFd(fd);
    }
  }

  [Symbol.dispose](): void {
    for (const held of this.#held.splice(0)) held[Symbol.dispose]();
  }

  /** Told as a vertex of its own, as BuildKit tells it. */
  async #resolve({ reference, platform }: AskedImage, key: string): Promise<ResolvedImage> {
    const vertex = lookupVertex(reference, key);
    const { signal } = this.#solve;
    const { pulls, auth } = this.#request;
    this.#progress.started(vertex);
    try {
      const image = await resolveImage(this.#parts, reference, {
        ...{ platform, pulls, auth, signal },
        tell: this.#progress.statusOf(vertex),
      });
      this.#held.push(image);
      this.#solve.addImage(image.imageId, image.topLayer);
      this.#progress.completed(vertex);
      const { imageId, config, digest } = image;
      const isWhole = digest === undefined || image.reference.includes('@');
      return { imageId, config, reference: isWhole ? image.reference : `${image.reference}@${digest}` };
    } catch (error) {
      const isCancelled = signal.aborted;
      const text = isCancelled ? 'context canceled' : error instanceof Error ? error.message : String(error);
      this.#progress.completed(vertex, { error: text });
      throw error;
    }
  }
}

function readOrNothing(root: string, path: string, { maxBytes, cuts }: FileLimit): Uint8Array | undefined {
  try {
    return readFile({ path: root }, path, maxBytes, { cuts: cuts === true });
  } catch (error) {
    if (error instanceof EngineError && error.code === 'not-found') return undefined;
    throw error;
  }
}

function lookupVertex(reference: string, key: string): Vertex {
  const source = { type: 'image', reference: key, imageId: '' } as const;
  return makeVertex({
    operation: { kind: 'source', source },
    inputs: [],
    name: `[internal] load metadata for ${reference}`,
  });
}
