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
  readonly #files: HttpFiles;

  constructor(needs: SourcesNeeds) {
    this.#needs = needs;
    this.#files = new HttpFiles(needs.contexts);
  }

  async source(run: StepRun): Promise<Result> {
    const { operation } = run.vertex;
    if (operation.kind !== 'source') throw new TypeError(`source step of ${operation.kind}`);
    const { source } = operation;
    switch (source.type) {
      case 'image':
        return imageFiles(this.#needs.catalogue, source);
      case 'local':
        return localFiles(source, run);
      case 'git':
        return checkOut(this.#needs.contexts, source, run);
      case 'http':
        return this.#files.fetch(source, run);
      case 'oci-layout':
        throw new EngineError(
          'not-implemented',
          `read oci-layout ${source.name}: this engine does not take OCI layouts of clients yet: load the image, and use docker-image://`,
        );
    }
  }

  /** Files that were fetched go. */
  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }
}

async function localFiles(
  { name, include, exclude, followPaths }: LocalSource,
  run: StepRun,
): Promise<DirectoryResult> {
  const directory = await run.client.directory(name, { include, exclude, followPaths }, run.signal);
  if (directory !== undefined) return directory;
  throw new EngineError('not-found', `read context ${JSON.stringify(name)}: the client has no directory of that name`);
}
