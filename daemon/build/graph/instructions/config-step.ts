// Instructions that change the image's config and nothing else.
import { formatDurationNs } from '../../../protocols/units/go-duration.ts';
import { parseSignal } from '../../../spec/signals.ts';
import { DockerfileError } from '../../dockerfile/dockerfile-error.ts';
import { expand } from '../../dockerfile/expand.ts';
import type {
  ArgInstruction,
  Command,
  EnvInstruction,
  ExposeInstruction,
  HealthcheckInstruction,
  Instruction,
  LabelInstruction,
  VolumeInstruction,
} from '../../dockerfile/instructions.ts';
import { inLines } from '../in-lines.ts';
import { ITEM_COST, withVariable } from '../stages/environment.ts';
import { addHistory, type StageState } from '../stages/stage-state.ts';
import { exposedPorts } from './exposed-ports.ts';
import { plainList, quoted, quotedList, quotedRune } from './go-format.ts';
import { shellOf } from './run-step.ts';
import { expandIn, type StepContext } from './step-context.ts';

export type ConfigInstruction = Exclude<Instruction, { kind: 'FROM' | 'RUN' | 'COPY' | 'ADD' | 'WORKDIR' }>;

/** Throws a DockerfileError. */
export function planConfig(step: StepContext, instruction: ConfigInstruction): void {
  const createdBy = changeConfig(step, instruction);
  if (createdBy !== undefined) addHistory(step.state, createdBy, { hasLayer: false, epoch: step.epoch });
}

/** The text in the image's history; undefined: it is not there. */
function changeConfig(step: StepContext, instruction: ConfigInstruction): string | undefined {
  const { state } = step;
  switch (instruction.kind) {
    case 'ENV':
      return planEnv(step, instruction);
    case 'LABEL':
      return planLabel(step, instruction);
    case 'ARG':
      return planArg(step, instruction);
    case 'CMD': {
      const Cmd = commandLine(state, instruction.command);
      state.config = { ...state.config, Cmd, ArgsEscaped: true };
      state.hasCmd = true;
      return `CMD ${quotedList(Cmd)}`;
    }
    case 'ENTRYPOINT': {
      const Entrypoint = commandLine(state, instruction.command);
      state.config = { ...state.config, Entrypoint, ...(state.hasCmd ? {} : { Cmd: null }) };
      return `ENTRYPOINT ${quotedList(Entrypoint)}`;
    }
    case 'HEALTHCHECK':
      return planHealthcheck(step, instruction);
    case 'USER': {
      const User = expandIn(step, instruction.user);
      state.config = { ...state.config, User };
      return `USER ${User}`;
    }
    case 'SHELL':
      state.config = { ...state.config, Shell: [...instruction.shell] };
      return `SHELL ${plainList(instruction.shell)}`;
    case 'STOPSIGNAL': {
      const StopSignal = expandIn(step, instruction.signal);
      inLines(step.lines, () => parseSignal(StopSignal));
      state.config = { ...state.config, StopSignal };
      return `STOPSIGNAL ${StopSignal}`;
    }
    case 'EXPOSE':
      return planExpose(step, instruction);
    case 'VOLUME':
      return planVolume(step, instruction);
    case 'ONBUILD':
      state.config = { ...state.config, OnBuild: [...(state.config.OnBuild ?? []), instruction.trigger] };
      return undefined;
    case 'MAINTAINER':
      state.author = instruction.maintainer;
      return `MAINTAINER ${instruction.maintainer}`;
  }
}

function commandLine(state: StageState, command: Command): string[] {
  return command.form === 'exec' ? command.args : [...shellOf(state), command.line];
}

/** All pairs see what held before the instruction. */
function expandedPairs(
  step: StepContext,
  { pairs }: EnvInstruction | LabelInstruction,
): { name: string; value: string }[] {
  return pairs.map(({ name, value }) => ({ name: expandIn(step, name), value: expandIn(step, value) }));
}

function planEnv(step: StepContext, instruction: EnvInstruction): string {
  const { state, budget } = step;
  const pairs = expandedPairs(step, instruction);
  for (const { name, value } of pairs) {
    const before = state.config.Env ?? [];
    budget.spend(2 * before.length);
    state.env.set(name, value);
    state.config = { ...state.config, Env: withVariable(before, name, value) };
  }
  return `ENV${pairs.map(({ name, value }) => ` ${name}=${value}`).join('')}`;
}

function planLabel(step: StepContext, instruction: LabelInstruction): string {
  const { state, budget } = step;
  const pairs = expandedPairs(step, instruction);
  const before = state.config.Labels ?? {};
  budget.spend(Object.keys(before).length * ITEM_COST);
  const added = Object.fromEntries(pairs.map(({ name, value }) => [name, value]));
  state.config = { ...state.config, Labels: { ...before, ...added } };
  return `LABEL${pairs.map(({ name, value }) => ` ${name}=${value}`).join('')}`;
}

/** What is asked of the build counts, else its default, else the value before the first FROM. */
function planArg(step: StepContext, { args }: ArgInstruction): string {
  const { state, options, globals } = step;
  const told = args.map(({ name, value: initial }) => {
    const given = options.buildArgs.get(name);
    const value = given ?? (initial === undefined ? globals.get(name) : expandIn(step, initial));
    if (value !== undefined && !scanArgs.has(name)) state.env.set(name, value);
    state.args = { name, value, before: state.args };
    return value === undefined ? name : `${name}=${value}`;
  });
  return `ARG ${told.join(' ')}`;
}

/** They ask for a list of what is in an image, and are no variables. */
const scanArgs: ReadonlySet<string> = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']);

function planHealthcheck(step: StepContext, { check }: HealthcheckInstruction): string {
  const { state } = step;
  if (check.kind === 'none') {
    state.config = { ...state.config, Healthcheck: { Test: ['NONE'] } };
    return `HEALTHCHECK ${healthText(['NONE'], [0, 0, 0, 0], 0)}`;
  }
  const { command, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries } = check;
  const Test = command.form === 'exec' ? ['CMD', ...command.args] : ['CMD-SHELL', command.line];
  state.config = {
    ...state.config,
    Healthcheck: {
      Test,
      ...(intervalNs === 0 ? {} : { Interval: intervalNs }),
      ...(timeoutNs === 0 ? {} : { Timeout: timeoutNs }),
      ...(startPeriodNs === 0 ? {} : { StartPeriod: startPeriodNs }),
      ...(startIntervalNs === 0 ? {} : { StartInterval: startIntervalNs }),
      ...(retries === 0 ? {} : { Retries: retries }),
    },
  };
  return `HEALTHCHECK ${healthText(Test, [intervalNs, timeoutNs, startPeriodNs, startIntervalNs], retries)}`;
}

/** Go's `%q` of the check. */
function healthText(
  test: readonly string[],
  timesNs: readonly [number, number, number, number],
  retries: number,
): string {
  const times = timesNs.map((ns) => quoted(formatDurationNs(ns))).join(' ');
  return `&{${quotedList(test)} ${times} ${quotedRune(retries)}}`;
}

function planExpose(step: StepContext, { ports }: ExposeInstruction): string {
  const { state, budget, lines } = step;
  const words = ports.flatMap((port) => inLines(lines, () => expand(port, state.env.values, step.words).words));
  const exposed = inLines(lines, () => exposedPorts(words));
  const before = state.config.ExposedPorts ?? {};
  budget.spend((Object.keys(before).length + exposed.length) * ITEM_COST);
  state.config = {
    ...state.config,
    ExposedPorts: { ...before, ...Object.fromEntries(exposed.map((port) => [port, {}])) },
  };
  return `EXPOSE ${plainList(exposed)}`;
}

function planVolume(step: StepContext, { paths }: VolumeInstruction): string {
  const { state, budget } = step;
  const volumes = paths.map((path) => expandIn(step, path));
  const before = state.config.Volumes ?? {};
  budget.spend(Object.keys(before).length * ITEM_COST);
  if (volumes.includes('')) throw new DockerfileError('VOLUME specified can not be an empty string', step.lines);
  state.config = { ...state.config, Volumes: { ...before, ...Object.fromEntries(volumes.map((path) => [path, {}])) } };
  return `VOLUME ${plainList(volumes)}`;
}
