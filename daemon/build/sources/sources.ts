// What a build starts from, by its kind: the step 'source' of the solver.
import { EngineError } from '../../errors/engine-error.ts';
import type { Catalogue } from '../../images/catalogue.ts';
import type { ContextStore } from '../contexts/context-store.ts';
import type { LocalSource } from '../graph/operation.ts';
import type { DirectoryResult, Result, StepRun, Steps } from '../steps/step.ts';
import { checkOut } from './git-source.ts';
import { HttpFiles } from './http-source.ts';
import { imageFiles } from './image-source.ts';

export interface SourcesNeeds {
  readonly catalogue: Pick<Catalogue, 'holdImage' | 'topLayer'>;
  readonly contexts: ContextStore;
}

export class Sources implements Pick<Steps, 'source'>, Disposable {
  readonly #needs: SourcesNeeds;
  /** What was fetched and is kept. */
  readonly files: HttpFiles;

  constructor(needs: SourcesNeeds) {
    this.#needs = needs;
    this.files = new HttpFiles(needs.contexts);
  }

  async source(run: StepRun): Promise<Result> {
    const { operation } = run.vertex;
    if (operation.kind !== 'source') throw new TypeError(`source step of ${operation.kind}`);
    const { source } = operation;
    switch (source.type) {
      case 'image':
        return imageFiles(this.#needs.catalogue, source);
      case 'local':
        return localFiles(this.#needs.contexts, source, run);
      case 'git':
        return checkOut(this.#needs.contexts, source, run);
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
