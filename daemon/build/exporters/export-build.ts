// Gives a build's result to all outputs that were asked for: the image is made once, archives go out one after the other.
import type { Readable } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import { archiveImage } from '../../images/archives/save-images.ts';
import type { Catalogue } from '../../images/catalogue.ts';
import { digestOf } from '../../images/image-manifest.ts';
import type { BuildRequest, OutputChoice } from '../build-request.ts';
import type { BuildPlan } from '../graph/plan.ts';
import type { Solve } from '../solver/solve.ts';
import type { Result } from '../steps/step.ts';
import { type BuiltImage, builtImage, type InlineCache } from './built-image.ts';
import { filesArchive } from './files-output.ts';
import { checkAttributes, type ImageName, imageMetadata, storeImage, targetNames } from './image-output.ts';
import { OutputProgress, outputNames } from './output-progress.ts';

export interface Exported {
  readonly imageId?: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ExportOptions extends Pick<BuildRequest, 'outputs' | 'tags' | 'annotations' | 'tell'> {
  readonly plan: BuildPlan;
  /** Of the plan's target; undefined: no files at all. */
  readonly result: Result | undefined;
  /** For the image's config: its cache, when it has these layers; undefined: none was asked for. */
  readonly inlineCache?: InlineCache | undefined;
}

/** Before anything is built. Throws for outputs that could not be made in the end. */
export function checkOutputs({ outputs, tags }: Pick<BuildRequest, 'outputs' | 'tags'>): void {
  for (const { type, attributes, sink } of outputs) {
    checkAttributes(type, attributes, knownAttributes[type]);
    if (type !== 'image' && sink === undefined)
      throw new EngineError('invalid', `output type=${type}: the client takes no archive`);
    if (!/^(?:true|false)$/.test(attributes[REWRITE_TIMES] ?? 'false'))
      throw new EngineError('invalid', `output type=${type}: ${REWRITE_TIMES} is neither true nor false`);
    const { compression = 'uncompressed' } = attributes;
    if (compression !== 'uncompressed' && compression !== 'gzip')
      throw new EngineError('not-implemented', `output type=${type}: compression ${compression} is not there`);
    targetNames(namesOf(attributes, tags));
  }
}

const REWRITE_TIMES = 'rewrite-timestamp';
const archiveAttributes = ['name', 'dest', 'tar', 'compression', REWRITE_TIMES];
const knownAttributes: Readonly<Record<OutputChoice['type'], readonly string[]>> = {
  image: ['name', REWRITE_TIMES],
  local: ['dest'],
  tar: ['dest'],
  oci: archiveAttributes,
  docker: archiveAttributes,
};

export async function exportBuild(catalogue: Catalogue, solve: Solve, options: ExportOptions): Promise<Exported> {
  let exported: Exported = { metadata: {} };
  const images = new LazyImages(catalogue, solve, options);
  try {
    for (const output of options.outputs) {
      const progress = new OutputProgress(options.tell, outputNames[output.type]);
      try {
        exported = {
          ...exported,
          ...(await exportOne(catalogue, solve, { output, options, images, progress, exported })),
        };
        progress.end();
      } catch (error) {
        progress.end(error);
        throw error;
      }
    }
    return exported;
  } finally {
    images[Symbol.dispose]();
  }
}

/** The image of all outputs that want it so: made for the first. */
class LazyImages implements Disposable {
  readonly #make: (rewritesTimes: boolean) => Promise<BuiltImage>;
  readonly #images = new Map<boolean, BuiltImage>();

  constructor(catalogue: Catalogue, solve: Solve, { plan, result, inlineCache }: ExportOptions) {
    this.#make = (rewritesTimes) =>
      builtImage(catalogue.parts, solve, plan, layersOf(result), { rewritesTimes, inlineCache });
  }

  async get(rewritesTimes: boolean): Promise<BuiltImage> {
    const image = this.#images.get(rewritesTimes) ?? (await this.#make(rewritesTimes));
    this.#images.set(rewritesTimes, image);
    return image;
  }

  [Symbol.dispose](): void {
    for (const image of this.#images.values()) image[Symbol.dispose]();
  }
}

interface OneExport {
  readonly output: OutputChoice;
  readonly options: ExportOptions;
  readonly images: LazyImages;
  readonly progress: OutputProgress;
  /** By the outputs before. */
  readonly exported: Exported;
}

async function exportOne(
  catalogue: Catalogue,
  solve: Solve,
  { output, options, images, progress, exported }: OneExport,
): Promise<Partial<Exported>> {
  const { type, attributes, sink } = output;
  const { tags, annotations, result } = options;
  if (type === 'local' || type === 'tar') {
    using _reading = catalogue.parts.layers.read(result?.kind === 'layers' ? result.top : undefined);
    await progress.doing(type === 'tar' ? 'sending tarball' : 'copying files', async () =>
      pour(await filesArchive(catalogue.parts, result, options.plan.epoch), sink, solve.signal),
    );
    return {};
  }
  const image = await progress.doing('exporting layers', () => images.get(attributes[REWRITE_TIMES] === 'true'));
  solve.signal.throwIfAborted();
  const names = targetNames(namesOf(attributes, tags));
  if (type === 'image') {
    const imageId = storeImage(catalogue, image, names);
    await progress.doing(`writing image ${imageId}`, () => undefined);
    for (const { repository, tag } of names) await progress.doing(`naming to ${repository}:${tag}`, () => undefined);
    return { imageId, metadata: { ...exported.metadata, ...imageMetadata(imageId, names) } };
  }
  const packs = attributes.compression === 'gzip';
  const archived = { image, names, annotations, isOciOnly: type === 'oci', packs };
  const id = await progress.doing('sending tarball', () => pourImage(catalogue, archived, sink, solve.signal));
  return { metadata: { ...imageMetadata(id, names), ...exported.metadata } };
}

/** "name=a,b" of the output goes before -t. */
function namesOf(attributes: Readonly<Record<string, string>>, tags: readonly string[]): readonly string[] {
  const given = (attributes.name ?? '').split(',').filter((name) => name !== '');
  return given.length > 0 ? given : tags;
}

interface ArchivedBuild {
  readonly image: BuiltImage;
  readonly names: readonly ImageName[];
  readonly annotations: ReadonlyMap<string, string>;
  readonly isOciOnly: boolean;
  readonly packs: boolean;
}

/** Without a row in the catalogue: its config is held while it is read. Resolves to the image's id. */
async function pourImage(
  catalogue: Catalogue,
  { image, names, annotations, isOciOnly, packs }: ArchivedBuild,
  sink: OutputChoice['sink'],
  signal: AbortSignal,
): Promise<string> {
  const bytes = Buffer.from(JSON.stringify(image.config));
  const id = digestOf(bytes);
  using _held = catalogue.parts.content.hold([id]);
  catalogue.parts.content.put(bytes);
  const record = { id, parentId: undefined, sizeBytes: 0, config: image.config };
  const archived = {
    ...{ image: record, topLayer: image.topLayer, names },
    ...(annotations.size === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
  };
  await pour(await archiveImage(catalogue, archived, { isOciOnly, packs }), sink, signal);
  return id;
}

async function pour(archive: Readable, sink: OutputChoice['sink'], signal: AbortSignal): Promise<void> {
  const stop = (): void => {
    archive.destroy(signal.reason instanceof Error ? signal.reason : undefined);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    await sink?.(archive);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', stop);
    archive.destroy();
  }
}

function layersOf(result: Result | undefined): (Result & { kind: 'layers' }) | undefined {
  if (result === undefined || result.kind === 'layers') return result;
  throw new EngineError(
    'invalid',
    'output: what was built is a directory of the client, and not an image: use type=local or tar',
  );
}
