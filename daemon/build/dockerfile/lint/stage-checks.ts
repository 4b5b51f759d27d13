// Checks of what instructions mean, with the variables that hold: an observer of the evaluation.

import { FormatError } from '../../../protocols/format-error.ts';
import { cleanPath } from '../../../protocols/ignore/clean-path.ts';
import type { IgnoreMatcher } from '../../../protocols/ignore/ignore-matcher.ts';
import type { Observer, Visit, VisitedArgument } from '../evaluation/evaluate.ts';
import type { GlobalArguments } from '../evaluation/global-arguments.ts';
import type { StageState } from '../evaluation/stage-state.ts';
import { type Expansion, expand, type Variables } from '../expand.ts';
import type { Instruction, LineRange } from '../instructions.ts';
import type { Stage } from '../stages.ts';
import { suggestion } from '../suggest.ts';
import type { LintWarnings } from './lint-warning.ts';
import { platformWords } from './platform-words.ts';

/** Names that are held against each other for suggestions; a file with more of them gets none. */
const mostComparisons = 50_000;

export class StageChecks implements Observer {
  readonly #warnings: LintWarnings;
  readonly #ignore: IgnoreMatcher | undefined;
  #comparisonsLeft = mostComparisons;
  #isIgnoreBudgetSpent = false;
  /** Of each stage, the last of those that only count once. */
  readonly #once = new Map<StageState, Map<string, LineRange>>();

  /** `ignore`: of the context's ignore file, if it has one. */
  constructor(warnings: LintWarnings, ignore: IgnoreMatcher | undefined) {
    this.#warnings = warnings;
    this.#ignore = ignore;
  }

  from(stage: Stage, base: Partial<Expansion>, platform: Expansion | undefined, globals: GlobalArguments): void {
    this.#undeclared(stage, base.unset, globals);
    if (platform === undefined) return;
    this.#undeclared(stage, platform.unset, globals);
    const { lines, name = '', platform: written = '' } = stage.from;
    const { used, unset, text } = platform;
    if (used.size === 1 && unset.size === 0 && used.has('TARGETPLATFORM')) {
      if (text !== globals.values.get('TARGETPLATFORM')) return;
      const detail = `Setting platform to predefined ${written} in FROM is redundant as this is the default behavior`;
      this.#warnings.add('RedundantTargetPlatform', lines, detail);
    } else if (used.size === 0 && unset.size === 0) {
      const words = platformWords(text, hostOf(globals.values));
      if (words === undefined || name.includes(words.os) || name.includes(words.architecture)) return;
      const detail = `FROM --platform flag should not use constant value ${JSON.stringify(text)}`;
      this.#warnings.add('FromPlatformFlagConstDisallowed', lines, detail);
    }
  }

  #undeclared({ from }: Stage, unset: ReadonlySet<string> | undefined, { declared, values }: GlobalArguments): void {
    for (const name of unset ?? []) {
      if (declared.has(name)) continue;
      const similar = this.#similar(name, [declared, values]);
      const detail = `FROM argument '${name}' is not declared${meant(similar)}`;
      this.#warnings.add('UndefinedArgInFrom', from.lines, detail);
    }
  }

  unset(state: StageState, names: ReadonlySet<string>, lines: LineRange): void {
    if (!state.isImageKnown) return;
    for (const name of names) {
      if (state.declared.has(name) || buildkitsOwn.has(name)) continue;
      const similar = this.#similar(name, [state.variables]);
      const detail = `Usage of undefined variable '$${name}'${meant(similar && `$${similar}`)}`;
      this.#warnings.add('UndefinedVar', lines, detail);
    }
  }

  #similar(name: string, among: readonly ReadonlyMap<string, unknown>[]): string | undefined {
    this.#comparisonsLeft -= among.reduce((sum, { size }) => sum + size, 0);
    if (this.#comparisonsLeft < 0) return undefined;
    return suggestion(
      name,
      among.flatMap((names) => [...names.keys()]),
      true,
    );
  }

  instruction({ state, instruction, lines, words }: Visit): void {
    const { keyword } = instruction;
    switch (instruction.kind) {
      case 'ENV':
      case 'LABEL':
        this.#pairs(instruction, words, lines);
        break;
      case 'WORKDIR': {
        const [path = ''] = words;
        if (state.hasWorkdir || path.startsWith('/')) break;
        const detail = `Relative workdir ${JSON.stringify(path)} can have unexpected results if the base image changes`;
        this.#warnings.add('WorkdirRelativePath', lines, detail);
        break;
      }
      case 'CMD':
      case 'ENTRYPOINT': {
        this.#onlyOnce(state, instruction, lines);
        if (instruction.command.form === 'exec' || state.hasShell) break;
        const why = 'to prevent unintended behavior related to OS signals';
        this.#warnings.add('JSONArgsRecommended', lines, `JSON arguments recommended for ${keyword} ${why}`);
        break;
      }
      case 'HEALTHCHECK':
        this.#onlyOnce(state, instruction, lines);
        break;
      case 'EXPOSE':
        for (const port of instruction.ports) this.#port(port, state.variables, lines);
        break;
      case 'COPY':
      case 'ADD':
        if (instruction.kind === 'ADD' || instruction.from === undefined) this.#sources(instruction, words, lines);
    }
  }

  argument({ lines }: Visit, { declaration }: VisitedArgument): void {
    this.#secret('ARG', declaration.name, lines);
  }

  #pairs(
    { kind, keyword, pairs }: Extract<Instruction, { kind: 'ENV' | 'LABEL' }>,
    words: string[],
    lines: LineRange,
  ): void {
    for (const [index, { isLegacy }] of pairs.entries()) {
      if (isLegacy) {
        const detail = `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`;
        this.#warnings.add('LegacyKeyValueFormat', lines, detail);
      }
      if (kind === 'ENV') this.#secret('ENV', words[2 * index] ?? '', lines);
    }
  }

  #secret(kind: 'ARG' | 'ENV', name: string, lines: LineRange): void {
    if (!secretWord.test(name) || harmlessWord.test(name)) return;
    const detail = `Do not use ARG or ENV instructions for sensitive data (${kind} ${JSON.stringify(name)})`;
    this.#warnings.add('SecretsUsedInArgOrEnv', lines, detail);
  }

  /** The one before is told of: it is the one that does nothing. */
  #onlyOnce(state: StageState, { kind, keyword }: Instruction, lines: LineRange): void {
    const seen = this.#once.get(state) ?? new Map<string, LineRange>();
    this.#once.set(state, seen);
    const before = seen.get(kind);
    seen.set(kind, lines);
    if (before === undefined) return;
    const why = 'should not be used in the same stage because only the last one will be used';
    this.#warnings.add('MultipleInstructionsDisallowed', before, `Multiple ${keyword} instructions ${why}`);
  }

  #port(word: string, variables: Variables, lines: LineRange): void {
    for (const port of expand(word, variables).words) {
      const [, protocol = ''] = port.slice(port.lastIndexOf(':') + 1).split('/', 2);
      if (protocol !== protocol.toLowerCase()) {
        const detail = `Defined protocol '${port}' in EXPOSE instruction should be lowercase`;
        this.#warnings.add('ExposeProtoCasing', lines, detail);
      }
      if (!port.includes(':')) continue;
      const detail = `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`;
      this.#warnings.add('ExposeInvalidFormat', lines, detail);
    }
  }

  #sources(instruction: Extract<Instruction, { kind: 'COPY' | 'ADD' }>, words: string[], lines: LineRange): void {
    if (this.#ignore === undefined || !this.#warnings.isOn('CopyIgnoredFile')) return;
    // The words are flags, then sources, then the destination.
    const sources = words.slice(words.length - 1 - instruction.sources.length, -1);
    for (const source of sources) {
      if (instruction.kind === 'ADD' && /^(https?|git|ssh):\/\/|^git@/.test(source)) continue;
      const path = cleanPath(`/${source}`).slice(1);
      if (isNoPath(path) || !this.#isIgnoredWhole(this.#ignore, path)) continue;
      const verb = instruction.kind === 'ADD' ? 'Add' : 'Copy';
      const detail = `Attempting to ${verb} file ${JSON.stringify(source)} that is excluded by .dockerignore`;
      this.#warnings.add('CopyIgnoredFile', lines, detail);
    }
  }

  /** Of a file that asks for too much work, the rest goes unchecked. */
  #isIgnoredWhole(ignore: IgnoreMatcher, path: string): boolean {
    if (this.#isIgnoreBudgetSpent) return false;
    try {
      return ignore.isIgnoredWhole(path);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#isIgnoreBudgetSpent = true;
      return false;
    }
  }
}

/** Longer than any file's (path_resolution(7)). */
function isNoPath(path: string): boolean {
  return path.length > 4095 || path.split('/').some(({ length }) => length > 255);
}

const secretWord = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const harmlessWord = /(?:_|^)public(?:_|$)/i;
/** Declared and read by BuildKit, never set. */
const buildkitsOwn: ReadonlySet<string> = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']);

function meant(name: string | undefined): string {
  return name === undefined ? '' : ` (did you mean ${name}?)`;
}

function hostOf(values: Variables): { os: string; architecture: string } {
  return { os: values.get('BUILDOS') ?? 'linux', architecture: values.get('BUILDARCH') ?? 'amd64' };
}
