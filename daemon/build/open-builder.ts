// Builds the builder: what carries out steps, what they are remembered by, and what makes images of them.
import { statfsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Catalogue } from '../images/catalogue.ts';
import type { RegistrySide } from '../images/open-registry.ts';
import type { Trash } from '../jail/trash.ts';
import type { LayerFiles } from '../snapshots/layer-files.ts';
import type { BuildService } from './build-service.ts';
import { EngineBuilder } from './builder.ts';
import { ContextStore } from './contexts/context-store.ts';
import { KeptContexts } from './contexts/kept-contexts.ts';
import { Sessions } from './session/sessions.ts';
import { EngineBuildCache } from './solver/build-cache.ts';
import type { CacheRecords } from './solver/cache-records.ts';
import { BuildCacheMounts } from './solver/kept-cache-mounts.ts';
import { Solver } from './solver/solver.ts';
import { Sources } from './sources/sources.ts';
import type { ExecParts } from './steps/exec/exec-parts.ts';
import { openExecStep } from './steps/exec/open-exec-step.ts';
import { openFileSteps } from './steps/files/open-file-steps.ts';
import type { Steps } from './steps/step.ts';

export interface BuilderOptions {
  readonly exec: Omit<ExecParts, 'cacheMounts'>;
  readonly catalogue: Catalogue;
  readonly registry: RegistrySide;
  readonly files: LayerFiles;
  readonly trash: Trash;
  /** Opened before anything collects layers. */
  readonly records: CacheRecords;
  /** Where it keeps what is no layer: on the data root. Made when it is missing. */
  readonly path: string;
}

export interface OpenedBuilder {
  readonly service: BuildService;
  /** Ends what runs. */
  close(): Promise<void>;
}

/** Steps that run at the same time: most of them wait for the disk or a network now and then. */
const STEPS_AT_ONCE = Math.max(4, 2 * availableParallelism());

/** Before the networks are healed, and before containers' orphans are looked for: see openExecStep. */
export async function openBuilder(options: BuilderOptions): Promise<OpenedBuilder> {
  const { exec, catalogue, registry, files, trash, records, path } = options;
  const { jail, layers, snapshots, log } = exec;
  const onError = (error: unknown) => log.warn({ err: error }, 'cannot tidy up what builds keep: tried again later');
  const contexts = new ContextStore({ path: join(path, 'contexts'), jail, trash });
  const kept = new KeptContexts({ path: join(path, 'contexts'), jail, trash });
  const sessions = new Sessions(kept);
  const sources = new Sources(contexts);
  const opened = await openExecStep({ ...exec, trash, cacheMountsPath: join(path, 'cache-mounts') });
  const steps: Steps = {
    source: (run) => sources.source(run),
    exec: (run, inputs) => opened.step.exec(run, inputs),
    ...openFileSteps({ snapshots, layers, files, jail }),
  };
  const solver = new Solver({ steps, records, layers }, STEPS_AT_ONCE);
  const cache = new EngineBuildCache({
    records,
    layers,
    sizeOf: async (layer) => (layer.diffId === '' ? files.usageBytes(layer) : layer.sizeBytes),
    imageTops: () => catalogue.parts.tables.all().map((image) => image.topLayer),
    collect: () => void catalogue.collect(),
    disk: () => {
      const { bavail, blocks, bsize } = statfsSync(path);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    },
    others: [new BuildCacheMounts(opened.cacheMounts), kept, sources.files],
    onError,
  });
  const lookups = { catalogue, registry: registry.service, snapshots };
  const builder = new EngineBuilder({ solver, catalogue, registry, lookups, layers, files, cache });
  return {
    service: {
      build: (request, plan) => builder.build(request, plan),
      cache,
      receive: (body, signal) => contexts.receiveAny(body, { signal }),
      offerContext: (id, list, signal) => kept.offer(id, list, signal),
      receiveChanges: (update, body, signal) => kept.take(update, body, { signal }),
      checkSession: (facts) => sessions.check(facts),
      serveSession: (facts, connection) => sessions.serve(facts, connection),
      sessionClient: (id) => sessions.client(id),
    },
    close: async () => {
      await opened.step.close();
      await cache.close();
      sources[Symbol.dispose]();
      kept[Symbol.dispose]();
      sessions[Symbol.dispose]();
    },
  };
}
