// Where a stage stands before its first instruction.
import type { ImageConfig } from '../../../images/documents/image-config.ts';
import type { WorkBudget } from '../../dockerfile/work-budget.ts';
import type { BuildPlatform } from '../operation.ts';
import { Environment, splitVariable } from './environment.ts';
import type { FoundBase } from './stage.ts';
import type { StageState } from './stage-state.ts';

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A stage that begins with an image, or with files that have no config. */
export function begun({ files, config, platform }: FoundBase, budget: WorkBudget): StageState {
  const {
    config: own = {},
    history: _history,
    rootfs: _rootfs,
    created: _created,
    ...base
  } = config ?? emptyImage(platform);
  const before = own.Env ?? [];
  const hasPath = before.some((entry) => splitVariable(entry).name === 'PATH');
  const Env = hasPath ? before : [...before, DEFAULT_PATH];
  const state: StageState = {
    files: files(),
    env: new Environment(budget),
    platform,
    config: { ...own, Env, OnBuild: null },
    author: base.author,
    base,
    baseImage: config,
    history: undefined,
    args: undefined,
    hasCmd: false,
  };
  useConfigVariables(state);
  return state;
}

/** A stage that goes on from here: what ENV has said goes before what ARG has. */
export function continued(state: StageState): StageState {
  const next = { ...state, env: state.env.copy(), config: { ...state.config, OnBuild: null }, hasCmd: false };
  useConfigVariables(next);
  return next;
}

function useConfigVariables({ config, env }: StageState): void {
  for (const entry of config.Env ?? []) {
    const { name, value } = splitVariable(entry);
    env.set(name, value);
  }
}

/** What docker begins FROM scratch with. */
function emptyImage({ os, architecture, variant }: BuildPlatform): ImageConfig {
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    config: { Env: [DEFAULT_PATH], WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [] },
  };
}
