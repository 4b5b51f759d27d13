// COPY and ADD: files from elsewhere, onto the stage's own or, with --link, beside them.
import { DockerfileError } from '../../dockerfile/dockerfile-error.ts';
import { expandWord } from '../../dockerfile/expand.ts';
import type { AddInstruction, CopyInstruction, LineRange } from '../../dockerfile/instructions.ts';
import type { DraftEdge } from '../draft.ts';
import { inLines } from '../in-lines.ts';
import type { CopyAction, FileAction, OwnerChoice } from '../operation.ts';
import { absolute, destinationPath, hasWildcards } from '../paths.ts';
import type { Stage } from '../stages/stage.ts';
import { addHistory } from '../stages/stage-state.ts';
import { remoteFiles, remoteKind } from './remote-files.ts';
import { expandIn, type StepContext } from './step-context.ts';
import { nextStepName, shownText, stepName } from './step-name.ts';

export type CopyLike = CopyInstruction | AddInstruction;

/** `from`: the stage of --from. Throws a DockerfileError. */
export function planCopy(step: StepContext, instruction: CopyLike, from: Stage | undefined): void {
  const { state, stage, graph, lines, epoch } = step;
  if (instruction.kind === 'COPY' && from !== undefined && from.end === undefined) {
    const needed = JSON.stringify(instruction.from);
    const problem = `it needs to be defined before current stage ${JSON.stringify(stage.shownName)}`;
    throw new DockerfileError(`cannot copy from stage ${needed}, ${problem}`, lines);
  }
  const asked = askedOf(step, instruction);
  const text = shownText(step, instruction.original, { keepsQuotes: false });
  const name = nextStepName(step, text);
  const below = asked.isLinked ? undefined : state.files;
  const inputs: DraftEdge[] = below === undefined ? [] : [below];
  const parts = copyParts(step, { instruction, asked, from, name });
  const froms = parts.map(({ files }) => indexOf(inputs, files));
  const actions = parts.map(({ copy }, index): FileAction => {
    const input = index === 0 ? (below === undefined ? -1 : 0) : inputs.length + index - 1;
    return { ...copy, from: froms[index] ?? -1, input, output: index === parts.length - 1 ? 0 : -1 };
  });
  const options = { ignoresCache: stage.ignoresCache, lines };
  const operation = { kind: 'file', actions, platform: state.platform } as const;
  const copied = graph.add({ operation, inputs, name, ...options });
  state.files =
    asked.isLinked && state.files !== undefined
      ? graph.add({
          operation: { kind: 'merge' },
          inputs: [state.files, copied],
          name: stepName(step, `LINK ${text}`),
          ...options,
        })
      : copied;
  addHistory(state, historyText(instruction, asked), { hasLayer: true, epoch });
}

/** The instruction with the variables that hold. */
interface Asked {
  readonly sources: readonly string[];
  readonly files: readonly { name: string; text: string }[];
  readonly destination: string;
  readonly written: string;
  readonly chown: string | undefined;
  readonly owner: OwnerChoice | undefined;
  readonly mode: string | undefined;
  readonly exclude: readonly string[];
  readonly checksum: string | undefined;
  /** Copied beside the files below, of which nothing has to be known: neither a mode to change, nor who an owner is. */
  readonly isLinked: boolean;
}

function askedOf(step: StepContext, instruction: CopyLike): Asked {
  const { state, lines, budget } = step;
  const all = (texts: readonly string[]) => texts.map((text) => expandIn(step, text));
  const optional = (text: string | undefined) => (text === undefined ? undefined : expandIn(step, text) || undefined);
  const written = expandIn(step, instruction.destination);
  const chown = optional(instruction.chown);
  const [user = '', group = ''] = (chown ?? '').split(':');
  const mode = optional(instruction.chmod);
  if (mode !== undefined) inLines(lines, () => checkMode(mode, lines));
  return {
    sources: all(instruction.sources),
    files: instruction.files.map(({ name, text, expand }) => ({
      name,
      text: expand ? inLines(lines, () => expandWord(text, state.env.values, { budget, keepQuotes: true })) : text,
    })),
    destination: destinationPath(state.config.WorkingDir || '/', written),
    written,
    chown,
    owner: chown === undefined ? undefined : { user, group },
    mode,
    exclude: all(instruction.exclude),
    checksum: instruction.kind === 'ADD' ? optional(instruction.checksum) : undefined,
    isLinked: instruction.link && mode === undefined && /^\d*$/.test(user) && /^\d*$/.test(group),
  };
}

/** Octal, or what chmod(1) knows as symbolic: `u=rwX,go-w`. */
function checkMode(mode: string, lines: LineRange): void {
  const symbolic = /^[ugoa]*(?:[-+=](?:[ugo]|[rwxXst]*))+(?:,[ugoa]*(?:[-+=](?:[ugo]|[rwxXst]*))+)*$/;
  if (/^[0-7]{1,12}$/.test(mode) && Number.parseInt(mode, 8) <= 0o7777) return;
  if (!/^\d/.test(mode) && symbolic.test(mode)) return;
  throw new DockerfileError(
    `invalid chmod parameter: '${mode}'. it should be octal string and between 0 and 07777`,
    lines,
  );
}

interface CopyPart {
  readonly copy: Omit<CopyAction, 'from'>;
  readonly files: DraftEdge | undefined;
}

interface CopyRequest {
  readonly instruction: CopyLike;
  readonly asked: Asked;
  readonly from: Stage | undefined;
  readonly name: string;
}

/** One copy for each run of sources that come from the same files. */
function copyParts(step: StepContext, request: CopyRequest): CopyPart[] {
  const { instruction, asked, from, name } = request;
  checkChecksum(step, request);
  const parts: CopyPart[] = [];
  let local: string[] = [];
  const endLocal = () => {
    if (local.length > 0) parts.push(localPart(step, request, local));
    local = [];
  };
  for (const source of asked.sources) {
    const kind = from === undefined ? remoteKind(source, step.lines) : undefined;
    if (kind === undefined) {
      local.push(source);
      continue;
    }
    if (instruction.kind === 'COPY') {
      throw new DockerfileError(`source can't be ${kind === 'git' ? 'a git ref' : 'a URL'} for COPY`, step.lines);
    }
    endLocal();
    const { path, files } = remoteFiles(step, { instruction, checksum: asked.checksum, name }, source);
    const unpacks = kind === 'http' && instruction.unpack === true;
    parts.push({ copy: copyOf(request, { sources: [path], unpacks, isPlain: true }, step.epoch), files });
  }
  endLocal();
  for (const { name: fileName, text } of asked.files) {
    const path = absolute(fileName);
    const operation = {
      kind: 'file',
      actions: [
        { action: 'make-file', path, data: Buffer.from(text).toString('base64'), mode: 0o644, input: -1, output: 0 },
      ],
      platform: step.state.platform,
    } as const;
    const files = step.graph.add({ operation, name: '[internal] preparing inline document' });
    parts.push({ copy: copyOf(request, { sources: [path], unpacks: false, isPlain: true }, step.epoch), files });
  }
  return parts;
}

function checkChecksum(step: StepContext, { asked }: CopyRequest): void {
  if (asked.checksum === undefined) return;
  if (asked.sources.length !== 1)
    throw new DockerfileError("checksum can't be specified for multiple sources", step.lines);
  const [source = ''] = asked.sources;
  if (remoteKind(source, step.lines) === undefined) {
    throw new DockerfileError('checksum requires HTTP(S) or Git sources', step.lines);
  }
}

function localPart(step: StepContext, request: CopyRequest, sources: readonly string[]): CopyPart {
  const { instruction, from } = request;
  for (const source of sources) {
    if (from === undefined) step.context.use(absolute(source));
    else from.usedPaths.add(absolute(source));
  }
  const paths = sources.map((source) => (instruction.parents ? pivoted(source) : absolute(source)));
  const unpacks = instruction.kind === 'ADD' && (instruction.unpack ?? true);
  return {
    copy: copyOf(request, { sources: paths, unpacks, isPlain: false }, step.epoch),
    files: from === undefined ? step.context.files : from.end?.files,
  };
}

/** `a/./b/c`: what comes before the dot is not made in the destination. */
function pivoted(source: string): string {
  const at = source.indexOf('/./');
  if (at < 0) return absolute(source);
  const before = absolute(source.slice(0, at));
  const after = absolute(source.slice(at + 3));
  return before === '/' ? after : `${before}/.${after}`;
}

function copyOf(
  { instruction, asked }: CopyRequest,
  { sources, unpacks, isPlain }: { sources: readonly string[]; unpacks: boolean; isPlain: boolean },
  epoch: number | undefined,
): Omit<CopyAction, 'from'> {
  const { owner, mode, exclude, destination, isLinked } = asked;
  return {
    action: 'copy',
    sources,
    destination,
    ...(owner === undefined ? {} : { owner }),
    ...(mode === undefined ? {} : { mode }),
    exclude,
    unpacks,
    keepsParents: !isPlain && instruction.parents,
    replacesLinks: isLinked,
    allowsNoMatch: !isPlain && (!instruction.parents || sources.some(hasWildcards)),
    hasWildcards: !isPlain,
    ...(epoch === undefined ? {} : { timestamp: epoch }),
  };
}

function indexOf(inputs: DraftEdge[], files: DraftEdge | undefined): number {
  if (files === undefined) return -1;
  const known = inputs.findIndex(({ vertex, output }) => vertex === files.vertex && output === files.output);
  return known >= 0 ? known : inputs.push(files) - 1;
}

function historyText({ kind, parents }: CopyLike, { chown, mode, sources, files, written }: Asked): string {
  const flags = [
    ...(parents ? ['--parents'] : []),
    ...(chown === undefined ? [] : [`--chown=${chown}`]),
    ...(mode === undefined ? [] : [`--chmod=${mode}`]),
  ];
  return [kind, ...flags, ...sources, ...files.map(({ name }) => `<<${name}`), written].join(' ').concat(' # buildkit');
}
