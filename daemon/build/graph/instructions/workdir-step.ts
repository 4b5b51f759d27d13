// WORKDIR: where the next instructions are, and the directory itself.
import type { WorkdirInstruction } from '../../dockerfile/instructions.ts';
import { joined } from '../paths.ts';
import { addHistory } from '../stages/stage-state.ts';
import { expandIn, type StepContext } from './step-context.ts';
import { nextStepName, shownText } from './step-name.ts';

/** Throws a DockerfileError. */
export function planWorkdir(step: StepContext, { path, original }: WorkdirInstruction): void {
  const { state, stage, graph, lines, epoch } = step;
  const asked = expandIn(step, path);
  const directory = joined(state.config.WorkingDir || '/', asked);
  // Docker shows an absolute one as it is written, and makes the others out.
  const WorkingDir = asked.startsWith('/') ? asked : directory;
  state.config = { ...state.config, WorkingDir };
  const hasLayer = directory !== '/';
  if (hasLayer) {
    const [user = '', group = ''] = (state.config.User ?? '').split(':');
    state.files = graph.add({
      operation: {
        kind: 'file',
        actions: [
          {
            action: 'make-directory',
            path: directory,
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
