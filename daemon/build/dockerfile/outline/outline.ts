// `docker build --call=outline`: what the target takes. BuildKit's subrequest "frontend.outline", and the text that buildx prints.
import {
  type EvaluateOptions,
  evaluate,
  type Observer,
  type Visit,
  type VisitedArgument,
} from '../evaluation/evaluate.ts';
import type { GlobalArguments } from '../evaluation/global-arguments.ts';
import type { StageState } from '../evaluation/stage-state.ts';
import type { Expansion } from '../expand.ts';
import type { LineRange } from '../instructions.ts';
import { type JsonLocation, jsonLocation } from '../json-location.ts';
import { parseDockerfile } from '../parse-dockerfile.ts';
import type { Stage } from '../stages.ts';
import { describedBy } from './description.ts';
import { textTable } from './text-table.ts';

export interface OutlineJson {
  name?: string;
  description?: string;
  args?: { name: string; description?: string; value?: string; location: JsonLocation }[];
  secrets?: RequiredJson[];
  ssh?: RequiredJson[];
  sources: string[];
}

interface RequiredJson {
  name: string;
  required?: true;
  location: JsonLocation;
}

/** Throws as `evaluate`, and a DockerfileError for what does not parse. */
export function outline(text: string, options: Omit<EvaluateOptions, 'isAllStages'>): OutlineJson {
  const dockerfile = parseDockerfile(text);
  const taken = new TakenObserver();
  const { stage } = evaluate(dockerfile, { ...options, isAllStages: false }, taken);
  const { name } = stage.from;
  const description = name === undefined ? undefined : describedBy(stage.from.comments, name);
  const { args, secrets, ssh } = taken;
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...listed('args', args.map(argumentJson)),
    ...listed('secrets', secrets.map(requiredJson)),
    ...listed('ssh', ssh.map(requiredJson)),
    sources: [Buffer.from(text).toString('base64')],
  };
}

export function outlineText({ name, description, args = [], secrets = [], ssh = [] }: OutlineJson): string {
  const parts: string[] = [];
  if (name !== undefined || description !== undefined) {
    const rows = [['TARGET:', name ?? '(default)']];
    if (description !== undefined) rows.push(['DESCRIPTION:', description]);
    parts.push(textTable(rows, 1));
  }
  if (args.length > 0) {
    const rows = args.map((one) => [one.name, one.value ?? '', one.description ?? '']);
    parts.push(textTable([['BUILD ARG', 'VALUE', 'DESCRIPTION'], ...rows], 3));
  }
  for (const [title, all] of [
    ['SECRET', secrets],
    ['SSH', ssh],
  ] as const) {
    if (all.length === 0) continue;
    const rows = all.map((one) => [one.name, one.required === true ? 'true' : '']);
    parts.push(textTable([[title, 'REQUIRED'], ...rows], 3));
  }
  return parts.map((part) => `${part}\n`).join('');
}

interface TakenArgument {
  name: string;
  description: string | undefined;
  value: string | undefined;
  lines: LineRange;
}

interface Required {
  name: string;
  isRequired: boolean;
  lines: LineRange;
}

/** Only what the target needs is gone through, so that all that is met belongs to it. Of one name, the first counts. */
class TakenObserver implements Observer {
  readonly #args = new Map<string, TakenArgument>();
  readonly #secrets = new Map<string, Required>();
  readonly #ssh = new Map<string, Required>();
  readonly #named = new Map<Stage, Set<string>>();

  get args(): TakenArgument[] {
    return inOrder(this.#args);
  }

  get secrets(): Required[] {
    return inOrder(this.#secrets);
  }

  get ssh(): Required[] {
    return inOrder(this.#ssh);
  }

  from(stage: Stage, base: Partial<Expansion>, platform: Expansion | undefined): void {
    this.#named.set(stage, new Set([...(base.used ?? []), ...(platform?.used ?? [])]));
  }

  stage({ stage }: StageState, globals: GlobalArguments): void {
    for (const name of this.#named.get(stage) ?? []) this.#global(name, globals);
  }

  /** With those that its value was made of. */
  #global(name: string, globals: GlobalArguments): void {
    const names = new Set([name]);
    for (const one of names) {
      const found = globals.declared.get(one);
      if (found === undefined) continue;
      for (const need of found.needs) names.add(need);
      const { declaration, lines, value } = found;
      this.#take({ name: one, description: declaration.description, value, lines });
    }
  }

  #take(argument: TakenArgument): void {
    if (!this.#args.has(argument.name)) this.#args.set(argument.name, argument);
  }

  argument({ lines }: Visit, { declaration, value, isInherited }: VisitedArgument, globals: GlobalArguments): void {
    const { name, description } = declaration;
    if (isInherited) this.#global(name, globals);
    else this.#take({ name, description, value, lines });
  }

  instruction({ mounts, lines }: Visit): void {
    for (const mount of mounts) {
      if (mount.type !== 'secret' && mount.type !== 'ssh') continue;
      const all = mount.type === 'secret' ? this.#secrets : this.#ssh;
      const { id: name, isRequired } = mount;
      if (!all.has(name)) all.set(name, { name, isRequired, lines });
    }
  }
}

function inOrder<T extends { lines: LineRange }>(all: ReadonlyMap<string, T>): T[] {
  return [...all.values()].sort((one, other) => one.lines.start - other.lines.start);
}

function argumentJson({ name, description, value, lines }: TakenArgument) {
  return {
    name,
    ...(description === undefined ? {} : { description }),
    ...(value === undefined || value === '' ? {} : { value }),
    location: jsonLocation(lines),
  };
}

function requiredJson({ name, isRequired, lines }: Required): RequiredJson {
  return { name, ...(isRequired ? { required: true as const } : {}), location: jsonLocation(lines) };
}

function listed<K extends string, T>(key: K, items: T[]): { [P in K]?: T[] } {
  const lists: { [P in K]?: T[] } = {};
  if (items.length > 0) lists[key] = items;
  return lists;
}
