// Splits an argument vector into flag values and positional arguments: pflag's grammar, which is docker's.
import type { Flag, FlagSpecs, FlagValues } from './flag.ts';

export interface Parsed<F extends FlagSpecs> {
  values: FlagValues<F>;
  args: string[];
  /** Names of the flags that were given. */
  changed: ReadonlySet<string>;
  /** `--help` was given. */
  help: boolean;
}

/** What is wrong with the command line, in docker's words. */
export class FlagError extends Error {}

interface Grammar {
  /** Flags may stand behind positional arguments; false for `run` and `exec`, whose rest belongs to the container. */
  interspersed: boolean;
}

export function parseFlags<F extends FlagSpecs>(specs: F, argv: readonly string[], grammar: Grammar): Parsed<F> {
  const byName = new Map<string, [string, Flag<unknown>]>();
  const byShort = new Map<string, [string, Flag<unknown>]>();
  const values = new Map<string, unknown>();
  for (const [key, flag] of Object.entries(specs)) {
    byName.set(flag.name, [key, flag]);
    if (flag.short) byShort.set(flag.short, [key, flag]);
    values.set(key, flag.initial);
  }
  const changed = new Set<string>();
  const args: string[] = [];
  let help = false;

  function assign([key, flag]: [string, Flag<unknown>], text: string): void {
    try {
      values.set(key, flag.set(values.get(key), text));
    } catch (error) {
      const shown = flag.short ? `-${flag.short}, --${flag.name}` : `--${flag.name}`;
      const why = error instanceof Error ? error.message : String(error);
      throw new FlagError(`invalid argument ${JSON.stringify(text)} for "${shown}" flag: ${why}`);
    }
    changed.add(flag.name);
  }

  /** Returns how many further arguments were taken. */
  function long(text: string, next: string | undefined): number {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text.slice(2) : text.slice(2, equals);
    if (name === '' || name.startsWith('-') || name.startsWith('=')) throw new FlagError(`bad flag syntax: ${text}`);
    const entry = byName.get(name);
    if (!entry) {
      if (name !== 'help') throw new FlagError(`unknown flag: --${name}`);
      help = true;
      return 0;
    }
    if (equals >= 0) assign(entry, text.slice(equals + 1));
    else if (entry[1].implied !== undefined) assign(entry, entry[1].implied);
    else if (next === undefined) throw new FlagError(`flag needs an argument: --${name}`);
    else {
      assign(entry, next);
      return 1;
    }
    return 0;
  }

  function shorts(text: string, next: string | undefined): number {
    let rest = text.slice(1);
    while (rest !== '') {
      const letter = [...rest][0] ?? '';
      const entry = byShort.get(letter);
      if (!entry) {
        if (letter !== 'h') throw new FlagError(`unknown shorthand flag: '${letter}' in -${rest}`);
        help = true;
        return 0;
      }
      const after = rest.slice(letter.length);
      if (after.length > 1 && after.startsWith('=')) {
        assign(entry, after.slice(1));
        return 0;
      }
      if (entry[1].implied !== undefined) {
        assign(entry, entry[1].implied);
        rest = after;
        continue;
      }
      if (after !== '') {
        assign(entry, after);
        return 0;
      }
      if (next === undefined) throw new FlagError(`flag needs an argument: '${letter}' in -${rest}`);
      assign(entry, next);
      return 1;
    }
    return 0;
  }

  for (let i = 0; i < argv.length && !help; i++) {
    const text = argv[i] ?? '';
    if (text === '--') {
      args.push(...argv.slice(i + 1));
      break;
    }
    if (text.startsWith('--')) i += long(text, argv[i + 1]);
    else if (text.startsWith('-') && text !== '-') i += shorts(text, argv[i + 1]);
    else if (grammar.interspersed) args.push(text);
    else {
      args.push(...argv.slice(i));
      break;
    }
  }
  // The map's keys are exactly the specs' keys and each value came out of that flag's own `set`.
  return { values: Object.fromEntries(values) as FlagValues<F>, args, changed, help };
}
