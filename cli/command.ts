// What a command is: its usage line, flags and function. Commands know nothing of each other or of the table that lists them.

import type { FlagSpecs, FlagValues } from '../daemon/protocols/flags/flag.ts';
import type { Cli } from './context.ts';

export interface ArgumentCount {
  min: number;
  max: number;
}

export interface Invocation<F extends FlagSpecs> {
  cli: Cli;
  flags: FlagValues<F>;
  args: string[];
  /** Long names of the flags that were given. */
  changed: ReadonlySet<string>;
}

export interface CommandSpec<F extends FlagSpecs> {
  /** What follows the command's path in its usage line: `[OPTIONS] CONTAINER [CONTAINER...]`. */
  usage: string;
  /** Further usage lines, without the program's name. */
  moreUsages?: readonly string[];
  short: string;
  /** Replaces `short` in the help. */
  long?: string;
  /** Paths of all names, without the program's name: `container ls`, `ps`. */
  aliases?: readonly string[];
  flags: F;
  arguments: ArgumentCount;
  /** Flags may follow positional arguments; default true. */
  interspersed?: boolean;
  /** The exit status; nothing means 0. Errors are thrown. */
  run(invocation: Invocation<F>): Promise<number | undefined>;
}

/** A command with its flag types closed over, as the dispatcher handles it. */
export type Command = Omit<CommandSpec<FlagSpecs>, 'run'> & {
  run(
    cli: Cli,
    parsed: { values: FlagValues<FlagSpecs>; args: string[]; changed: ReadonlySet<string> },
  ): Promise<number>;
};

export function defineCommand<F extends FlagSpecs>(spec: CommandSpec<F>): Command {
  return {
    ...spec,
    // The dispatcher parses with this command's own `flags`, so the values have their types.
    run: async (cli, { values, args, changed }) =>
      (await spec.run({ cli, flags: values as FlagValues<F>, args, changed })) ?? 0,
  };
}

export const none: ArgumentCount = { min: 0, max: 0 };
export const exactly = (count: number): ArgumentCount => ({ min: count, max: count });
export const atLeast = (min: number): ArgumentCount => ({ min, max: Number.POSITIVE_INFINITY });
export const between = (min: number, max: number): ArgumentCount => ({ min, max });
