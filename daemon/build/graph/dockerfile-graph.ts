// A Dockerfile becomes a graph: only what the target needs, every instruction with what holds where it stands.

import { EngineError } from '../../errors/engine-error.ts';
import { type ImageConfig, MAX_HISTORY } from '../../images/documents/image-config.ts';
import { normalised } from '../../images/documents/platform.ts';
import type { PlannedStep } from '../build-request.ts';
import { DockerfileError } from '../dockerfile/dockerfile-error.ts';
import type { Dockerfile, Instruction } from '../dockerfile/instructions.ts';
import { parseInstruction } from '../dockerfile/parse-dockerfile.ts';
import { WorkBudget } from '../dockerfile/work-budget.ts';
import { buildWarnings, evaluateOptions } from './checks.ts';
import { type DraftEdge, type FinishedGraph, GraphDraft, type VertexDraft } from './draft.ts';
import { atLines, inLines, withExcerpt } from './in-lines.ts';
import { planConfig } from './instructions/config-step.ts';
import { planCopy } from './instructions/copy-step.ts';
import { planRun } from './instructions/run-step.ts';
import type { ContextFiles, PlanContext } from './instructions/step-context.ts';
import { planWorkdir } from './instructions/workdir-step.ts';
import { followed } from './paths.ts';
import { Pauses } from './pauses.ts';
import type { BuildPlan, MainContext, PlanLookups, PlanOptions } from './plan.ts';
import { begun, continued } from './stages/begin-stage.ts';
import { findBase } from './stages/find-base.ts';
import { globalArgs, isPredefinedArg, leadingArgs, targetStageOf } from './stages/global-args.ts';
import { byFamiliarName } from './stages/named-context.ts';
import { type Command, neededBy, type Stage } from './stages/stage.ts';
import { StageList } from './stages/stage-list.ts';
import { type HistoryLink, historyOf, type StageState } from './stages/stage-state.ts';
import { tidyConfig } from './tidy-config.ts';

/** Characters that may be read and made for one Dockerfile: see WorkBudget. */
const PLAN_BUDGET = 64 * 1024 * 1024;
const MAX_COMMANDS = 200_000;
const PARALLEL_LOOKUPS = 8;

/** Throws DockerfileError with the lines around for what is wrong in the file, EngineError 'invalid' for a target that is not there, and what the lookups reject with. */
export async function planBuild(dockerfile: Dockerfile, given: PlanOptions, lookups: PlanLookups): Promise<BuildPlan> {
  try {
    return await plan(dockerfile, given, lookups);
  } catch (error) {
    throw withExcerpt(error, given.dockerfileName, dockerfile.text);
  }
}

async function plan(dockerfile: Dockerfile, given: PlanOptions, lookups: PlanLookups): Promise<BuildPlan> {
  const options = { ...given, namedContexts: byFamiliarName(given.namedContexts) };
  const { instructions, directives } = dockerfile;
  const budget = new WorkBudget(PLAN_BUDGET);
  const words = { escape: directives.escape, budget };
  const leading = leadingArgs(instructions);
  const targetStage = targetStageOf(instructions, options.target);
  const globals = globalArgs(leading, { options, targetStage, words });
  const graph = new GraphDraft();
  const context: PlanContext = {
    graph,
    options,
    budget,
    words,
    globals,
    epoch: epochOf(options),
    cacheNamespace: options.buildArgs.get('BUILDKIT_CACHE_MOUNT_NS') ?? '',
    hostname: options.buildArgs.get('BUILDKIT_SANDBOX_HOSTNAME') ?? '',
    context: contextFiles(graph, options.context),
  };
  const list = new StageList(instructions, { options, globals, words });
  const target = list.target(options.target);
  const needed = await findNeeded(target, { context, list, lookups });
  const warnings = warningsOf(dockerfile, list, { options, targetStage });
  const pauses = new Pauses();
  const steps: DraftStep[] = leading.map(({ original }) => ({ text: original, vertex: undefined }));
  for (const stage of list.stages) {
    if (needed.has(stage)) await planStage(context, stage, { steps, pauses });
  }
  return finish({
    context,
    target,
    steps,
    pauses,
    warnings,
    declared: declaredArgs(
      leading,
      list.stages.filter((stage) => needed.has(stage)),
    ),
  });
}

/** Where the images are known; throws what docker's checks make of the file. */
function warningsOf(
  dockerfile: Dockerfile,
  { stages }: StageList,
  { options, targetStage }: { options: PlanOptions; targetStage: string },
): BuildPlan['warnings'] {
  const configs = new Map(stages.map(({ baseName, found }) => [baseName, found?.config]));
  const configOf = (base: string) => configs.get(base);
  return buildWarnings(dockerfile, evaluateOptions(options, { targetStage, configOf }), options.context);
}

interface DraftStep {
  readonly text: string;
  readonly vertex: VertexDraft | undefined;
}

/** Throws 'invalid'. */
function epochOf({ buildArgs }: PlanOptions): number | undefined {
  const text = buildArgs.get('SOURCE_DATE_EPOCH');
  if (text === undefined || text === '') return undefined;
  if (/^-?\d{1,11}$/.test(text)) return Number(text);
  throw new EngineError('invalid', `invalid SOURCE_DATE_EPOCH: ${text}`);
}

function contextFiles(graph: GraphDraft, context: MainContext): ContextFiles {
  if (context.kind === 'files') {
    return { files: context.files === undefined ? undefined : graph.adopt(context.files), use: () => {} };
  }
  const { name, exclude } = context;
  const paths = new Set<string>();
  const operation = () =>
    ({ kind: 'source', source: { type: 'local', name, include: [], exclude, followPaths: followed(paths) } }) as const;
  return {
    files: graph.add({ operation, name: '[internal] load build context' }),
    use: (path) => {
      paths.add(path);
    },
  };
}

/**
 * The stages that the target needs, each with what it begins with, and the triggers of what it comes from before its own instructions. In rounds:
 * triggers are known when an image is, and may need further stages.
 */
async function findNeeded(
  target: Stage,
  { context, list, lookups }: { context: PlanContext; list: StageList; lookups: PlanLookups },
): Promise<ReadonlySet<Stage>> {
  const needed = new Set<Stage>();
  let commands = 0;
  let round = [target];
  while (round.length > 0) {
    const images: Stage[] = [];
    const waiting = round;
    for (let stage = waiting.pop(); stage !== undefined; stage = waiting.pop()) {
      if (needed.has(stage)) continue;
      needed.add(stage);
      if (stage.base === undefined) images.push(stage);
      else addTriggers(list, stage, triggersOf(stage.base));
      commands += stage.commands.length;
      if (commands > MAX_COMMANDS)
        throw new DockerfileError(`there are more than ${MAX_COMMANDS} instructions`, stage.lines);
      waiting.push(...neededBy(stage));
    }
    await inParallel(images, async (stage) => {
      stage.found = await findBase(context, { stage, lookups, stageNames: () => list.names() });
    });
    round = images.flatMap((stage) => (addTriggers(list, stage, imageTriggers(stage)) ? neededBy(stage) : []));
  }
  return needed;
}

/** Of its image: where it is more than a source of files. */
function imageTriggers({ isExternal, replacement, found }: Stage): readonly string[] {
  return isExternal || replacement !== undefined ? [] : (found?.config?.config?.OnBuild ?? []);
}

/** ONBUILD as written in a stage; those of the stage's own base have run in it. */
function triggersOf(stage: Stage): string[] {
  return stage.commands.flatMap(({ instruction }) => (instruction.kind === 'ONBUILD' ? [instruction.trigger] : []));
}

/** Whether there are any. */
function addTriggers(list: StageList, stage: Stage, triggers: readonly string[]): boolean {
  if (triggers.length === 0) return false;
  const commands: Command[] = [];
  for (const trigger of triggers) {
    const instruction = { ...inLines(stage.lines, () => parseTrigger(trigger)), lines: stage.lines };
    commands.push(list.command(instruction, stage.lines, true));
  }
  stage.commands = [...commands, ...stage.commands];
  stage.stepCount += commands.length;
  return true;
}

/** Lines of a trigger are not the file's. */
function parseTrigger(trigger: string): Instruction {
  try {
    return parseInstruction(trigger);
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    const { message } = error.cause instanceof Error ? error.cause : error;
    throw new EngineError('invalid', message, { cause: error });
  }
}

/** As many at a time as there is work for; the first error is it. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const worker = async () => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL_LOOKUPS, items.length) }, worker));
}

async function planStage(
  context: PlanContext,
  stage: Stage,
  { steps, pauses }: { steps: DraftStep[]; pauses: Pauses },
): Promise<void> {
  const state = beginningOf(context, stage);
  steps.push({ text: stage.from.original, vertex: stage.base === undefined ? state.files?.vertex : undefined });
  for (const { instruction, sources, isTrigger } of stage.replacement === undefined ? stage.commands : []) {
    const pause = pauses.due();
    if (pause !== undefined) await pause;
    for (const source of sources) beginSource(context, source);
    const before = state.files;
    planInstruction({ ...context, stage, state, lines: instruction.lines, isTrigger }, instruction, sources);
    const vertex = state.files === before ? undefined : state.files?.vertex;
    steps.push({ text: instruction.original, vertex: vertex === undefined ? undefined : shownVertex(vertex) });
  }
  stage.end = state;
}

/** Of files that are put on top of others it is what makes them that is at work, and that the cache has. */
function shownVertex(vertex: VertexDraft): VertexDraft {
  const { operation, inputs } = vertex;
  const isMerge = typeof operation !== 'function' && operation.kind === 'merge';
  return (isMerge ? inputs.at(-1)?.vertex : undefined) ?? vertex;
}

function beginningOf({ budget }: PlanContext, { found, base, baseName, lines }: Stage): StageState {
  if (found !== undefined) return begun(found, budget);
  if (base?.end !== undefined) return continued(base.end);
  throw new DockerfileError(`stage ${JSON.stringify(baseName)} has to come first`, lines);
}

/** An image or a context of --from is there when the first instruction asks for it. */
function beginSource({ budget }: PlanContext, source: Stage | undefined): void {
  if (source?.isExternal === true && source.found !== undefined) source.end ??= begun(source.found, budget);
}

function planInstruction(
  step: Parameters<typeof planConfig>[0],
  instruction: Instruction,
  sources: Command['sources'],
): void {
  try {
    if (instruction.kind === 'RUN') planRun(step, instruction, sources);
    else if (instruction.kind === 'COPY' || instruction.kind === 'ADD') planCopy(step, instruction, sources[0]);
    else if (instruction.kind === 'WORKDIR') planWorkdir(step, instruction);
    else if (instruction.kind !== 'FROM') planConfig(step, instruction);
  } catch (error) {
    throw atLines(error, instruction.lines);
  }
}

function declaredArgs(leading: ReturnType<typeof leadingArgs>, stages: readonly Stage[]): Set<string> {
  const own = stages.flatMap(({ commands }) => commands.map(({ instruction }) => instruction));
  return new Set([...leading, ...own].flatMap((one) => (one.kind === 'ARG' ? one.args.map(({ name }) => name) : [])));
}

async function finish({
  context,
  target,
  steps,
  declared,
  pauses,
  warnings,
}: {
  context: PlanContext;
  target: Stage;
  steps: readonly DraftStep[];
  declared: ReadonlySet<string>;
  pauses: Pauses;
  warnings: BuildPlan['warnings'];
}): Promise<BuildPlan> {
  const { end: state } = target;
  if (state === undefined) throw new Error('the target was not planned');
  const graph = await context.graph.finish(pauses);
  const { options, epoch } = context;
  const links = historyOf(state);
  refuseExcess(target, state, links);
  const history = links.map(({ entry, files }) => ({ entry, files: graph.edge(files) }));
  return {
    target: graph.edge(state.files),
    image: imageOf(
      state,
      options,
      history.map(({ entry }) => entry),
    ),
    baseImage: state.baseImage,
    history,
    epoch,
    platform: state.platform,
    steps: steps.map(({ text, vertex }): PlannedStep => ({ text, vertex: digestOf(graph, vertex) })),
    warnings,
    unusedArgs: [...options.buildArgs.keys()].filter((name) => !declared.has(name) && !isPredefinedArg(name)),
  };
}

/** Before anything runs: an image that nobody could load again is none. */
function refuseExcess({ lines }: Stage, { baseImage }: StageState, added: readonly HistoryLink[]): void {
  const entries = (baseImage?.history?.length ?? 0) + added.length;
  if (entries > MAX_HISTORY) {
    throw new DockerfileError(`the image's history has ${entries} entries, more than ${MAX_HISTORY}`, lines);
  }
}

function digestOf(graph: FinishedGraph, vertex: VertexDraft | undefined): string | undefined {
  const edge: DraftEdge | undefined = vertex === undefined ? undefined : { vertex, output: 0 };
  return graph.edge(edge)?.vertex.digest;
}

function imageOf(
  state: StageState,
  { labels, targetPlatform }: PlanOptions,
  added: NonNullable<ImageConfig['history']>,
): ImageConfig {
  const { base, baseImage, config, author } = state;
  const all = labels.size === 0 ? config : { ...config, Labels: { ...config.Labels, ...Object.fromEntries(labels) } };
  const os = targetPlatform?.os ?? base.os;
  const architecture = targetPlatform?.architecture ?? base.architecture;
  const isSame = os === base.os && architecture === base.architecture;
  const variant = targetPlatform?.variant ?? (isSame ? base.variant : undefined);
  return {
    ...normalised({ os, architecture, ...(variant === undefined ? {} : { variant }) }),
    ...(base['os.version'] === undefined ? {} : { 'os.version': base['os.version'] }),
    ...(author === undefined || author === '' ? {} : { author }),
    config: tidyConfig(all),
    history: [...(baseImage?.history ?? []), ...added],
    rootfs: { type: 'layers', diff_ids: [...(baseImage?.rootfs.diff_ids ?? [])] },
  };
}
