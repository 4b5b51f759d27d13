// The builder: from a request to an image. Loads the Dockerfile, plans it, has the graph evaluated, and gives the result to the outputs. Whatever
// fails, nothing is held afterwards.
import { EngineError } from '../errors/engine-error.ts';
import { hostPlatform } from '../images/documents/platform.ts';
import type { LayerFiles } from '../snapshots/layer-files.ts';
import type { LayerStore } from '../snapshots/layer-store.ts';
import type { Builder, BuildOutcome, BuildRequest, PlannedStep } from './build-request.ts';
import { checkCacheDestination, checkCacheSource } from './cache-transfer/cache-attributes.ts';
import { exportCaches } from './cache-transfer/export-cache.ts';
import { type CacheParts, ImportedCaches } from './cache-transfer/import-caches.ts';
import { inlineCacheOf } from './cache-transfer/inline-records.ts';
import { excerpt } from './dockerfile/dockerfile-error.ts';
import { checkOutputs, exportBuild } from './exporters/export-build.ts';
import { exportedChain } from './exporters/exported-chain.ts';
import { keepFailed } from './exporters/keep-failed.ts';
import { answerCall, type CallRequest } from './graph/answer-call.ts';
import { warningEvent } from './graph/checks.ts';
import { planBuild } from './graph/dockerfile-graph.ts';
import { type DockerfileRequest, type LoadedDockerfile, loadDockerfile } from './graph/load-dockerfile.ts';
import type { Edge, Vertex } from './graph/operation.ts';
import type { BuildPlan } from './graph/plan.ts';
import { BuildLookups, type LookupParts } from './plan-lookups.ts';
import type { EngineBuildCache } from './solver/build-cache.ts';
import type { Solve } from './solver/solve.ts';
import type { Solver } from './solver/solver.ts';
import { platformSupport } from './sources/platform-support.ts';
import { ExecFailed } from './steps/exec-failed.ts';
import type { Result } from './steps/step.ts';
import { tellIgnored } from './tell-ignored.ts';

export interface BuilderParts extends CacheParts {
  readonly solver: Solver;
  readonly lookups: LookupParts;
  readonly layers: LayerStore;
  readonly files: LayerFiles;
  readonly cache: EngineBuildCache;
}

export class EngineBuilder implements Builder {
  readonly #parts: BuilderParts;

  constructor(parts: BuilderParts) {
    this.#parts = parts;
  }

  async build(request: BuildRequest, tellPlan: (steps: readonly PlannedStep[]) => void): Promise<BuildOutcome> {
    checkRequest(request);
    tellIgnored(request);
    const { exec, client, tell, signal, keepsFailed } = request;
    try {
      using imported = new ImportedCaches(this.#parts, request);
      await using solve = this.#parts.solver.open({ exec, client, tell, signal, keepsFailed, imported });
      using lookups = new BuildLookups(this.#parts.lookups, solve, request);
      const { call } = request;
      if (call !== 'build') return { metadata: {}, unusedArgs: [], answer: await answerOf(request, call, lookups) };
      const { plan, dockerfile } = await planOf(request, lookups);
      await imported.read(solve.signal);
      tellPlan(plan.steps);
      this.#digestEarly(solve, plan);
      const result =
        plan.target === undefined
          ? undefined
          : await this.#evaluate(solve, plan.target, sourceTeller(request, dockerfile));
      const { outputs, tags, annotations } = request;
      const { target } = plan;
      const inlineCache = inlineCacheOf(this.#parts, request, solve, target);
      const options = { outputs, tags, annotations, tell, plan, result, inlineCache };
      const exported = await exportBuild(this.#parts.catalogue, solve, options);
      await exportCaches(this.#parts, request, solve, target);
      return { ...exported, unusedArgs: plan.unusedArgs };
    } finally {
      this.#parts.cache.collectSoon();
    }
  }

  /** The root of a step that failed becomes an image when that was asked for. */
  async #evaluate(solve: Solve, target: Edge, tellSource: (failed: Vertex) => void): Promise<Result> {
    try {
      return await solve.evaluate(target);
    } catch (error) {
      const { failed } = solve;
      if (failed !== undefined) tellSource(failed);
      if (!(error instanceof ExecFailed) || error.root === undefined) throw error;
      const { root } = error;
      // What stopped the other steps does not stop this.
      const { signal } = new AbortController();
      if (failed !== undefined) error.keptImageId = await keepFailed(this.#parts.catalogue, failed, root, signal);
      throw error;
    }
  }

  /**
   * The digests of the image's layers are computed while later steps run, one after the other: a worker for each would cost more than most of them,
   * and take the steps' processors. What fails of it fails again where it is needed.
   */
  #digestEarly(solve: Solve, { target }: BuildPlan): void {
    const chain = exportedChain(target);
    let last: Promise<unknown> = Promise.resolve();
    solve.onResults(({ digest }, results) => {
      if (!chain.has(digest)) return;
      for (const result of results) {
        const top = result.kind === 'layers' ? result.top : undefined;
        if (top === undefined) continue;
        last = last.then(() => this.#parts.files.digest(top, solve.signal)).catch(() => undefined);
      }
    });
  }
}

async function answerOf(
  request: BuildRequest,
  call: CallRequest['call'],
  lookups: BuildLookups,
): Promise<NonNullable<BuildOutcome['answer']>> {
  const { target, platforms } = request;
  return answerCall({ ...dockerfileRequest(request), call, target, targetPlatform: platforms[0] }, lookups);
}

function dockerfileRequest(request: BuildRequest): DockerfileRequest {
  const { context, dockerfile, dockerfileText, buildArgs } = request;
  const text = dockerfileText === undefined ? {} : { dockerfileText };
  return { context, dockerfile, ...text, buildArgs, buildPlatform: hostPlatform() };
}

/** Tells where a vertex that failed stands. */
function sourceTeller({ tell }: BuildRequest, { name, dockerfile }: LoadedDockerfile): (failed: Vertex) => void {
  return ({ digest, lines }) => {
    if (lines === undefined) return;
    tell({ kind: 'source', vertex: digest, fileName: name, lines, excerpt: excerpt(name, dockerfile.text, lines) });
  };
}

async function planOf(
  request: BuildRequest,
  lookups: BuildLookups,
): Promise<{ plan: BuildPlan; dockerfile: LoadedDockerfile }> {
  const { buildArgs, namedContexts, target, labels, exec, ignoresCache, ignoresCacheOf, tell } = request;
  const asked = dockerfileRequest(request);
  const loaded = await loadDockerfile(asked, lookups);
  const plan = await planBuild(
    loaded.dockerfile,
    {
      dockerfileName: loaded.name,
      context: loaded.context,
      ...{ namedContexts, target, buildArgs, labels, ignoresCache, ignoresCacheOf },
      buildPlatform: asked.buildPlatform,
      targetPlatform: request.platforms[0],
      isMultiPlatform: false,
      network: exec.network.kind === 'none' || exec.network.kind === 'host' ? exec.network.kind : 'default',
    },
    lookups,
  );
  for (const warning of plan.warnings) tell(warningEvent(warning, loaded.definition));
  return { plan, dockerfile: loaded };
}

/** Refuses what is not there, before anything is done. */
function checkRequest(request: BuildRequest): void {
  const { platforms, cacheFrom, cacheTo } = request;
  if (platforms.length > 1)
    throw new EngineError(
      'not-implemented',
      'build: images for several platforms at once are not there yet: build one at a time',
    );
  for (const platform of platforms) {
    if (platformSupport(platform) === 'none' && platform.os !== 'linux')
      throw new EngineError('invalid', `build: platform ${platform.os}/${platform.architecture} cannot be built here`);
  }
  cacheFrom.forEach(checkCacheSource);
  cacheTo.forEach(checkCacheDestination);
  checkOutputs(request);
}
