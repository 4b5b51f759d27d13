// How far a stage has come: its files, its variables, its image's config and history. One instruction after the other changes it.
import type { ContainerConfig } from '../../../docker-types/container-config.ts';
import type { HistoryEntry, ImageConfig } from '../../../images/documents/image-config.ts';
import type { DraftEdge } from '../draft.ts';
import type { BuildPlatform } from '../operation.ts';
import type { Environment } from './environment.ts';

export interface StageState {
  /** undefined: none at all. */
  files: DraftEdge | undefined;
  readonly env: Environment;
  readonly platform: BuildPlatform;
  /** Never changed, only replaced: stages that come from this one have the same objects. */
  config: ContainerConfig;
  author: string | undefined;
  /** What the config says beside: architecture, os and the like. */
  readonly base: Omit<ImageConfig, 'config' | 'history' | 'rootfs'>;
  /** The image that it all began with, as it is. */
  readonly baseImage: ImageConfig | undefined;
  history: HistoryLink | undefined;
  /** ARGs so far, those of the stages below included; a name may be there twice. */
  args: ArgLink | undefined;
  /** A CMD was there since the stage began: ENTRYPOINT leaves it then. */
  hasCmd: boolean;
}

/** The newest entry, and those before it. */
export interface HistoryLink {
  readonly entry: HistoryEntry;
  /** The files after it; undefined: no layer. */
  readonly files: DraftEdge | undefined;
  readonly before: HistoryLink | undefined;
}

export interface ArgLink {
  readonly name: string;
  /** undefined: `ARG name`, and nobody gave a value. */
  readonly value: string | undefined;
  readonly before: ArgLink | undefined;
}

const COMMENT = 'buildkit.dockerfile.v0';

/** `createdBy` as docker's history shows it, complete. */
export function addHistory(
  state: StageState,
  createdBy: string,
  { hasLayer, epoch }: { hasLayer: boolean; epoch: number | undefined },
): void {
  const entry: HistoryEntry = {
    ...(epoch === undefined ? {} : { created: epochTime(epoch) }),
    created_by: createdBy,
    comment: COMMENT,
    ...(hasLayer ? {} : { empty_layer: true }),
  };
  state.history = { entry, files: hasLayer ? state.files : undefined, before: state.history };
}

/** Seconds since 1970 as the image spec has times. */
export function epochTime(epoch: number): string {
  return new Date(epoch * 1000).toISOString().replace('.000Z', 'Z');
}

/** Oldest first. */
export function historyOf(state: StageState): HistoryLink[] {
  const entries: HistoryLink[] = [];
  for (let link = state.history; link !== undefined; link = link.before) entries.push(link);
  return entries.reverse();
}
