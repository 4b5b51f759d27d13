// Shows a build as the user wants it (--progress), and turns its end into the answer or the error of the command. A daemon that tells no events
// (another engine's) is shown as docker's classic stream.
import {
  type BuildEventLine,
  type BuildKeptLine,
  type BuildOutputChunk,
  type BuildResultLine,
  buildCacheId,
  buildEventId,
  buildKeptId,
  buildOutputId,
  buildResultId,
} from '../../daemon/docker-types/build.ts';
import type { ProgressMessage } from '../../daemon/docker-types/progress.ts';
import type { Cli } from '../context.ts';
import { CliError } from '../errors.ts';
import { jsonLines } from '../views/progress.ts';
import type { BuildOutputs } from './build-outputs.ts';
import { BuildProgress, lastLines } from './progress-model.ts';
import { PlainView } from './show-plain.ts';
import { RawView } from './show-raw.ts';

interface BuildView {
  show(event: BuildEventLine): void;
  end(): void;
}

export const progressModes = ['auto', 'none', 'plain', 'quiet', 'rawjson', 'tty'] as const;
export type ProgressMode = (typeof progressModes)[number];

export interface ShownBuild {
  readonly imageId: string | undefined;
  readonly result: BuildResultLine | undefined;
}

/** `keptId`: the image of the failed step as it stood. */
export class BuildFailed extends CliError {
  readonly keptId: string | undefined;
  constructor(message: string, status: number, keptId: string | undefined) {
    super(`ERROR: failed to build: failed to solve: ${message}`, status);
    this.keptId = keptId;
  }
}

/** Of the failed vertex' output, under its name. */
const errorLines = 20;

/** Throws BuildFailed with what went wrong, and the failed step's exit code. */
export async function showBuild(
  cli: Cli,
  body: AsyncIterable<Buffer>,
  options: { mode: ProgressMode; outputs: BuildOutputs; caches: BuildOutputs },
): Promise<ShownBuild> {
  const progress = new BuildProgress();
  const view = await openView(cli, options.mode, progress);
  let imageId: string | undefined;
  let result: BuildResultLine | undefined;
  let failure: { message: string; code: number } | undefined;
  let keptId: string | undefined;
  try {
    for await (const line of jsonLines<ProgressMessage>(body)) {
      if (line.error !== undefined || line.errorDetail) {
        const code = line.errorDetail?.code ?? 0;
        failure = { message: line.errorDetail?.message ?? line.error ?? '', code: code > 0 && code < 256 ? code : 1 };
      } else if (line.id === buildEventId) view?.show(line.aux as BuildEventLine);
      else if (line.id === buildOutputId) await options.outputs.take(line.aux as BuildOutputChunk);
      else if (line.id === buildCacheId) await options.caches.take(line.aux as BuildOutputChunk);
      else if (line.id === buildKeptId) keptId = (line.aux as BuildKeptLine).imageId;
      else if (line.id === buildResultId) result = line.aux as BuildResultLine;
      else if (line.aux !== undefined) imageId = (line.aux as { ID?: string }).ID ?? imageId;
      // The classic stream of a daemon that tells no events.
      else if (line.stream !== undefined && view !== undefined) cli.err.print(line.stream);
    }
  } finally {
    view?.end();
  }
  if (failure !== undefined) {
    if (options.mode !== 'rawjson') tellFailure(cli, progress);
    throw new BuildFailed(failure.message, failure.code, keptId);
  }
  return { imageId: result?.imageId ?? imageId, result };
}

async function openView(cli: Cli, mode: ProgressMode, progress: BuildProgress): Promise<BuildView | undefined> {
  if (mode === 'quiet' || mode === 'none') return undefined;
  if (mode === 'rawjson') return new RawView(cli.err);
  if (mode === 'plain' || (mode === 'auto' && !cli.err.isTerminal)) return new PlainView(cli.err, progress);
  const { LiveView } = await import('./show-live.ts');
  return new LiveView(cli.err, progress);
}

/** The end of what the failed step said: on a terminal it is gone from sight. */
function tellFailure(cli: Cli, progress: BuildProgress): void {
  const { failed } = progress;
  if (failed === undefined) return;
  const lines = lastLines(failed, errorLines);
  cli.err.line(['------', ` > ${failed.name}:`, ...lines, '------'].join('\n'));
  cli.err.print(progress.excerpt);
}
