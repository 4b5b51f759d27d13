// WORKDIR: where the next instructions are, and the directory itself.
import type { WorkdirInstruction } from '../../dockerfile/instructions.ts';
import { joined } from '../paths.ts';
import { addHistory } from '../stages/stage-state.ts';
import { expandIn, type StepContext } from './step-context.ts';
import { nextStepName, shownText } from './step-name.ts';

/** Throws a DockerfileError. */
export function planWorkdir(step: StepContext, { path, original }: WorkdirInstruction): void {
  const { state, stage, graph, lines, epoch } = step;
  const WorkingDir = joined(state.config.WorkingDir || '/', expandIn(step, path));
  state.config = { ...state.config, WorkingDir };
  const hasLayer = WorkingDir !== '/';
  if (hasLayer) {
    const [user = '', group = ''] = (state.config.User ?? '').split(':');
    state.files = graph.add({
      operation: {
        kind: 'file',
        actions: [
          {
            action: 'make-directory',
            path: WorkingDir,
            mode: 0o755,
            makesParents: true,
            ...(user === '' ? {} : { owner: { user, group } }),
            ...(epoch === undefined ? {} : { timestamp: epoch }),
            input: state.files === undefined ? -1 : 0,
            output: 0,
          },
        ],
        platform: state.platform,
      },
      inputs: state.files === undefined ? [] : [state.files],
      name: nextStepName(step, shownText(step, original, { keepsQuotes: false })),
      ignoresCache: stage.ignoresCache,
      lines,
    });
  }
  addHistory(state, `WORKDIR ${WorkingDir}`, { hasLayer, epoch });
}
