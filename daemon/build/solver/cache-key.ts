// Under which keys the result of a vertex is kept, in two grades as BuildKit has them (solver/llbsolver/ops): by definition, what it does and what
// its inputs are known as; by content, where only some files of an input matter and these have a digest. Pure.
import { createHash } from 'node:crypto';
import type { ExecOperation, FileOperation, Operation } from '../graph/operation.ts';
import type { ExecSettings, Selection } from '../steps/step.ts';

/** What of an exec's surroundings its result can depend on: not its limits, and of names that it can look up not their addresses. */
export function settingsKey({ extraHosts, network, shmBytes, rlimits }: ExecSettings): string {
  const hosts = extraHosts.map(({ name }) => name);
  const ref = 'ref' in network ? network.ref : '';
  const limits = rlimits.map(({ name, soft, hard }) => [name, soft, hard]);
  return digest(['settings', hosts, network.kind, ref, shmBytes, limits]);
}

/** All that a run of an exec gets of its build, its rights and limits among it: builds that differ in that share no run. In no cache's key. */
export function runSettingsKey(settings: ExecSettings): string {
  return digest(['run settings', settings]);
}

/** Under which builds share a run while it goes on. `settings`: of the build, see above. */
export function runKey(key: string, settings: string, operation: Operation): string {
  return operation.kind === 'exec' ? digest(['run', key, settings, operation.proxyEnv]) : key;
}

/** `inputs`: what each is known as, a text that stands for its files. `settings`: see above; only an exec has them. */
export function definitionKey(operation: Operation, settings: string, inputs: readonly string[]): string {
  return digest(['definition', keyed(operation), operation.kind === 'exec' ? settings : '', inputs]);
}

/** An input of which only a part matters is there by the checksums of its parts. */
export function contentKey(
  operation: Operation,
  settings: string,
  inputs: readonly (string | readonly string[])[],
): string {
  return digest(['content', keyed(operation), operation.kind === 'exec' ? settings : '', inputs]);
}

/** For each input the parts that matter; undefined: all of it does, and it is known by its key. */
export function contentSelections(operation: Operation, inputCount: number): (readonly Selection[] | undefined)[] {
  const selections = Array.from({ length: inputCount }, (): Selection[] => []);
  /** Inputs that something is written on top of. */
  const bases = new Set<number>();
  if (operation.kind === 'file') selectCopies(operation, selections, bases);
  else if (operation.kind === 'exec') selectMounts(operation, selections, bases);
  return selections.map((parts, index) => (parts.length === 0 || bases.has(index) ? undefined : parts));
}

function selectCopies({ actions }: FileOperation, selections: Selection[][], bases: Set<number>): void {
  for (const action of actions) {
    bases.add(action.input);
    if (action.action !== 'copy') continue;
    const { sources, exclude, hasWildcards, allowsNoMatch, keepsParents } = action;
    selections[action.from]?.push({ sources, exclude, hasWildcards, allowsNoMatch, keepsParents, followsLinks: true });
  }
}

function selectMounts({ mounts }: ExecOperation, selections: Selection[][], bases: Set<number>): void {
  for (const mount of mounts) {
    if (mount.type !== 'bind' && mount.type !== 'cache') continue;
    // What is written and kept stands on all that was there.
    if (mount.type === 'bind' && mount.output !== -1 && (!mount.isReadonly || mount.target === '/'))
      bases.add(mount.input);
    selections[mount.input]?.push({
      sources: [mount.selector === '' ? '/' : mount.selector],
      exclude: [],
      hasWildcards: false,
      allowsNoMatch: false,
      followsLinks: true,
    });
  }
}

/** Of an operation what its result depends on: proxies are for this run only, and values of secrets are in no operation. */
function keyed(operation: Operation): unknown {
  if (operation.kind !== 'exec') return operation;
  const { proxyEnv: _, ...rest } = operation;
  return rest;
}

function digest(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

/** JSON with sorted keys, so that the order in which a front end names fields makes no difference. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}
