// What a build starts from and does not hold as layers, by its kind: the step 'source' of the solver.
import { EngineError } from '../../errors/engine-error.ts';
import type { ContextStore } from '../contexts/context-store.ts';
import type { LocalSource } from '../graph/operation.ts';
import type { DirectoryResult, Result, StepRun, Steps } from '../steps/step.ts';
import { checkOut } from './git-source.ts';
import { HttpFiles } from './http-source.ts';

export class Sources implements Pick<Steps, 'source'>, Disposable {
  readonly #contexts: ContextStore;
  /** What was fetched and is kept. */
  readonly files: HttpFiles;

  constructor(contexts: ContextStore) {
    this.#contexts = contexts;
    this.files = new HttpFiles(contexts);
  }

  async source(run: StepRun): Promise<Result> {
    const { operation } = run.vertex;
    if (operation.kind !== 'source') throw new TypeError(`source step of ${operation.kind}`);
    const { source } = operation;
    switch (source.type) {
      case 'image':
        throw new TypeError(`fetch ${source.reference}: an image's layers are here, and held by the build`);
      case 'local':
        return localFiles(this.#contexts, source, run);
      case 'git':
        return checkOut(this.#contexts, source, run);
      case 'http':
        return this.files.fetch(source, run);
      case 'oci-layout':
        throw new EngineError(
          'not-implemented',
          `read oci-layout ${source.name}: this engine does not take OCI layouts of clients yet: load the image, and use docker-image://`,
        );
    }
  }

  /** Files that were fetched go. */
  [Symbol.dispose](): void {
    this.files[Symbol.dispose]();
  }
}

/** Whoever has received it whole, as the body of a request, has to filter it: patterns of what to send are only a client's to look at. */
async function localFiles(
  contexts: ContextStore,
  { name, include, exclude, followPaths }: LocalSource,
  { client, signal }: StepRun,
): Promise<DirectoryResult> {
  using directory = await client.directory(name, { include, exclude, followPaths }, signal);
  // It is held until the filtered one is there.
  if (directory !== undefined) return await contexts.filtered(directory, exclude, signal);
  throw new EngineError('not-found', `read context ${JSON.stringify(name)}: the client has no directory of that name`);
}
