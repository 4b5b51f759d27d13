// RUN: a process on the stage's files.
import { posix } from 'node:path';
import { DockerfileError } from '../../dockerfile/dockerfile-error.ts';
import type { RunInstruction } from '../../dockerfile/instructions.ts';
import { readMount } from '../../dockerfile/run-mount.ts';
import type { RunMount } from '../../dockerfile/run-mount-types.ts';
import type { DraftEdge } from '../draft.ts';
import { inLines } from '../in-lines.ts';
import type { ExecMount, ExecOperation } from '../operation.ts';
import { absolute, joined } from '../paths.ts';
import type { Command } from '../stages/stage.ts';
import { type ArgLink, addHistory, type StageState } from '../stages/stage-state.ts';
import { expandIn, type StepContext } from './step-context.ts';
import { nextStepName, shownText } from './step-name.ts';

const SCRIPT_DIRECTORY = '/dev/pipes';
const DEFAULT_HOSTNAME = 'buildkitsandbox';

/** The shell of SHELL, docker's if there was none. */
export function shellOf({ config }: StageState): readonly string[] {
  return config.Shell != null && config.Shell.length > 0 ? config.Shell : ['/bin/sh', '-c'];
}

export function planRun(step: StepContext, instruction: RunInstruction, sources: Command['sources']): void {
  const { state, stage, graph, lines, epoch } = step;
  const inputs = new Inputs();
  const root: ExecMount = {
    type: 'bind',
    target: '/',
    input: inputs.index(state.files),
    selector: '',
    isReadonly: false,
    output: 0,
  };
  const { args, mount: script } = argsOf(step, instruction, inputs);
  const { mounts, secretEnv } = mountsOf(step, instruction, { sources, inputs });
  stage.usedPaths.add('/');
  const operation: ExecOperation = {
    kind: 'exec',
    args,
    env: state.env.list(),
    proxyEnv: proxyVariables(step.options.buildArgs),
    workingDir: absolute(state.config.WorkingDir || '/'),
    user: state.config.User ?? '',
    hostname: step.hostname === '' ? DEFAULT_HOSTNAME : step.hostname,
    network: instruction.network === 'default' ? step.options.network : instruction.network,
    security: instruction.security,
    mounts: [root, ...(script === undefined ? [] : [script]), ...mounts],
    secretEnv,
    platform: state.platform,
  };
  const summary =
    instruction.command.form === 'script' ? ` (${firstLine(instruction.heredocs[0]?.content ?? '')})` : '';
  const hidden = secretEnv.map(({ name }) => name);
  const name = nextStepName(step, shownText(step, instruction.original + summary, { keepsQuotes: true, hidden }));
  state.files = graph.add({ operation, inputs: inputs.edges, name, ignoresCache: stage.ignoresCache, lines });
  addHistory(state, `RUN ${[...historyArgs(step), ...args].join(' ')} # buildkit`, { hasLayer: true, epoch });
}

/** Vertices that a step takes files from, each once. */
class Inputs {
  readonly edges: DraftEdge[] = [];

  /** -1: no files. */
  index(edge: DraftEdge | undefined): number {
    if (edge === undefined) return -1;
    const known = this.edges.findIndex(({ vertex, output }) => vertex === edge.vertex && output === edge.output);
    return known >= 0 ? known : this.edges.push(edge) - 1;
  }
}

/** A script that names its interpreter is a file that is run; others are text for the shell. */
function argsOf(
  { state, graph }: StepContext,
  { command }: RunInstruction,
  inputs: Inputs,
): { args: string[]; mount?: ExecMount } {
  if (command.form === 'exec') return { args: command.args };
  const shell = shellOf(state);
  if (command.form === 'shell') return { args: [...shell, command.line] };
  if (!command.text.startsWith('#!')) return { args: [...shell, command.text] };
  const data = Buffer.from(command.text).toString('base64');
  const file = graph.add({
    operation: {
      kind: 'file',
      actions: [{ action: 'make-file', path: `/${command.name}`, data, mode: 0o755, input: -1, output: 0 }],
      platform: state.platform,
    },
    name: '[internal] preparing inline document',
  });
  return {
    args: [...shell, `${SCRIPT_DIRECTORY}/${command.name}`],
    mount: {
      type: 'bind',
      target: SCRIPT_DIRECTORY,
      input: inputs.index(file),
      selector: '',
      isReadonly: true,
      output: -1,
    },
  };
}

type SecretEnv = ExecOperation['secretEnv'][number];

/** In the order of their targets, as one may lie in another; secrets and sockets behind them. */
function mountsOf(
  step: StepContext,
  { mounts }: RunInstruction,
  { sources, inputs }: { sources: Command['sources']; inputs: Inputs },
): { mounts: ExecMount[]; secretEnv: SecretEnv[] } {
  const files: ExecMount[] = [];
  const services: ExecMount[] = [];
  const secretEnv: SecretEnv[] = [];
  let sockets = 0;
  for (const [index, text] of mounts.entries()) {
    const mount = inLines(step.lines, () => readMount(text, (value) => expandIn(step, value)));
    if (mount.type === 'secret') {
      const { id, target, env, isRequired, mode = 0o400, uid = 0, gid = 0 } = mount;
      if (env !== undefined) secretEnv.push({ name: env, id, isOptional: !isRequired });
      if (target !== undefined) {
        services.push({ type: 'secret', target: targetOf(step, target), id, isOptional: !isRequired, mode, uid, gid });
      }
    } else if (mount.type === 'ssh') {
      const { id, target = `/run/buildkit/ssh_agent.${sockets}`, isRequired, mode = 0o600, uid = 0, gid = 0 } = mount;
      sockets++;
      services.push({ type: 'ssh', target: targetOf(step, target), id, isOptional: !isRequired, mode, uid, gid });
    } else files.push(fileMount(step, mount, { source: sources[index], inputs }));
  }
  files.sort(({ target: one }, { target: other }) => (one < other ? -1 : Number(one > other)));
  return { mounts: [...files, ...services], secretEnv };
}

function fileMount(
  step: StepContext,
  mount: Extract<RunMount, { type: 'bind' | 'cache' | 'tmpfs' }>,
  { source, inputs }: { source: Command['sources'][number]; inputs: Inputs },
): ExecMount {
  const target = targetOf(step, mount.target);
  if (target === '/') throw new DockerfileError('invalid mount target "/"', step.lines);
  if (mount.type === 'tmpfs') return { type: 'tmpfs', target, sizeBytes: mount.sizeBytes ?? 0 };
  const selector = absolute(mount.source) === '/' ? '' : absolute(mount.source);
  const input = inputs.index(filesOf(step, mount, source));
  if (mount.type === 'bind') {
    return { type: 'bind', target, input, selector, isReadonly: mount.isReadOnly, output: -1 };
  }
  const { sharing, isReadOnly: isReadonly, mode = 0o755, uid = 0, gid = 0 } = mount;
  const id = `${step.cacheNamespace}/${mount.id}`;
  return { type: 'cache', target, id, sharing, isReadonly, input, selector, mode, uid, gid };
}

/** A cache begins empty unless it says from where. */
function filesOf(
  step: StepContext,
  mount: { type: 'bind' | 'cache'; source: string },
  source: Command['sources'][number],
): DraftEdge | undefined {
  if (source !== undefined) {
    if (source.end === undefined) {
      const needed = JSON.stringify(source.shownName);
      throw new DockerfileError(
        `cannot mount from stage ${needed}, it needs to be defined before current stage`,
        step.lines,
      );
    }
    source.usedPaths.add(absolute(mount.source));
    return source.end.files;
  }
  if (mount.type === 'cache') return undefined;
  step.context.use(absolute(mount.source));
  return step.context.files;
}

function targetOf({ state }: StepContext, target: string): string {
  return joined(state.config.WorkingDir || '/', posix.normalize(target));
}

const proxyNames = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];

/** In both spellings, whichever was given. */
function proxyVariables(buildArgs: ReadonlyMap<string, string | undefined>): string[] {
  const given = new Map([...buildArgs].map(([name, value]) => [name.toUpperCase(), value]));
  return proxyNames.flatMap((name) => {
    const value = given.get(name);
    return value === undefined || value === '' ? [] : [`${name}=${value}`, `${name.toLowerCase()}=${value}`];
  });
}

/** `|2 a=1 b=2`: the ARGs that the step can see, with the values that hold. */
function historyArgs({ state: { args, env }, budget }: StepContext): string[] {
  const values = new Map<string, string>();
  const links: ArgLink[] = [];
  for (let link = args; link !== undefined; link = link.before) {
    budget.spend(link.name.length + (link.value?.length ?? 0));
    links.push(link);
  }
  for (const { name, value } of links.reverse()) values.set(name, env.get(name) ?? value ?? '');
  return values.size === 0 ? [] : [`|${values.size}`, ...[...values].map(([name, value]) => `${name}=${value}`)];
}

/** Of a document: its first line, and whether there are more. */
function firstLine(text: string): string {
  const lines = text.trim().replaceAll('\r\n', '\n').split('\n');
  return `${lines[0] ?? ''}${lines.length > 1 ? '...' : ''}`;
}
