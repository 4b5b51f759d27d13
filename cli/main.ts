// Entry point of the command-line client: finds the command, parses its flags, turns what goes wrong into docker's messages
// and exit statuses. Commands are loaded when they are called, so that none pays for another.

import { FlagError, parseFlags } from '../daemon/protocols/flags/parse.ts';
import type { Command } from './command.ts';
import { type CommandEntry, findCommand, type Lookup } from './command-table.ts';
import { readConfigFile } from './config-file.ts';
import type { Cli } from './context.ts';
import { createCli } from './create-cli.ts';
import { CliError, messageOf } from './errors.ts';
import { configDirectoryOf, globalFlags, resolveGlobalOptions } from './global-options.ts';
import { Output } from './terminal/output.ts';

const program = 'tsdocker';
const badFlagStatus = 125;

async function main(argv: readonly string[]): Promise<number> {
  const out = new Output(1);
  const err = new Output(2);
  try {
    return await dispatch(argv, out, err);
  } catch (error) {
    if (error instanceof CliError) {
      if (error.message !== '') err.line(error.message);
      return error.status;
    }
    err.line(process.env.TSDOCKER_DEBUG && error instanceof Error ? (error.stack ?? '') : messageOf(error));
    return 1;
  }
}

async function dispatch(argv: readonly string[], out: Output, err: Output): Promise<number> {
  const parsed = withUsage(
    () => parseFlags(globalFlags, argv, { interspersed: false }),
    `Usage:  ${program} [OPTIONS] COMMAND [ARG...]\n\nRun '${program} --help' for more information`,
  );
  if (parsed.values.version) {
    const { versionLine } = await import('./version.ts');
    out.line(versionLine(program));
    return 0;
  }
  const [first] = parsed.args;
  if (first === 'help') {
    const usage = `Usage:  ${program} help [command]`;
    const hint = `${usage}\n\nRun '${program} help --help' for more information`;
    const asked = withUsage(() => parseFlags({}, parsed.args.slice(1), { interspersed: true }), hint);
    if (asked.help || (asked.args[0] === 'help' && asked.args.length === 1)) {
      out.line(`${usage}\n\nHelp about the command`);
      return 0;
    }
    const found = findCommand(asked.args);
    const [foreign] = found.rest;
    if (foreign !== undefined && found.kind !== 'missing') throw new CliError(`unknown help topic: ${foreign}`);
    return showHelp(found, asked.args, out);
  }
  // Without a word it is a question, not an answer.
  if (parsed.help || first === undefined) return showHelp(findCommand([]), [], parsed.help ? out : err);
  // `tsdocker daemon OPTIONS` belongs to the daemon's own parser, unread.
  if (first === 'daemon') {
    const { runDaemon } = await import('./daemon-process.ts');
    return runDaemon(parsed.args.slice(1));
  }
  const { values, changed, args } = parsed;
  const warn = (message: string) => err.line(`WARNING: ${message}`);
  const config = readConfigFile(configDirectoryOf(values, changed, process.env), warn);
  const options = resolveGlobalOptions(values, changed, process.env, config);
  return runCommand(findCommand(args), args, createCli({ program, options, config, out, err }));
}

async function runCommand(found: Lookup, words: string[], cli: Cli): Promise<number> {
  const { out, err } = cli;
  if (found.kind !== 'command') {
    const flags = found.rest[0]?.startsWith('-') ? found.rest[0] : undefined;
    if (found.kind === 'group' && (found.rest.length === 0 || flags === '--help' || flags === '-h')) {
      // A bare group is a question, not an answer: docker shows its help on standard error.
      return showHelp(found, words, found.rest.length === 0 ? err : out);
    }
    throw unknownCommand(found, words);
  }
  const { entry, rest } = found;
  const command = await entry.load();
  const usage = usageLines(entry, command);
  const parsed = withUsage(
    () => parseFlags(command.flags, rest, { interspersed: command.interspersed ?? true }),
    `${usage}\n\nRun '${program} ${entry.path} --help' for more information`,
  );
  if (parsed.help) {
    const { commandHelp } = await import('./help.ts');
    out.print(commandHelp(program, entry.path, command));
    return 0;
  }
  checkArgumentCount(entry, command, parsed.args.length, usage);
  try {
    return await command.run(cli, parsed);
  } finally {
    cli.client.close();
  }
}

async function showHelp(found: Lookup, words: readonly string[], out: Output): Promise<number> {
  const { commandHelp, groupHelp, rootHelp } = await import('./help.ts');
  if (found.kind === 'command') out.print(commandHelp(program, found.entry.path, await found.entry.load()));
  else if (found.kind === 'group') out.print(groupHelp(program, found.group));
  else if (words.length === 0) out.print(rootHelp(program));
  else throw new CliError(`unknown help topic: ${words.join(' ')}`);
  return 0;
}

function unknownCommand(found: Lookup, words: readonly string[]): CliError {
  if (found.kind === 'missing') {
    return new CliError(`${program}: '${program} ${found.path}' ${found.missing}`);
  }
  if (found.kind === 'group') {
    const path = `${program} ${found.group}`;
    const flag = found.rest[0] ?? '';
    if (flag.startsWith('-')) {
      return new CliError(
        `unknown flag: ${flag}\n\nUsage:  ${path} COMMAND\n\nRun '${path} --help' for more information`,
        125,
      );
    }
    return new CliError(
      `${program}: unknown command: ${path} ${flag}\n\nUsage:  ${path}\n\nRun '${path} --help' for more information`,
    );
  }
  return new CliError(
    `${program}: unknown command: ${program} ${words[0]}\n\nRun '${program} --help' for more information`,
  );
}

function withUsage<T>(parse: () => T, usage: string): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof FlagError) throw new CliError(`${error.message}\n\n${usage}`, badFlagStatus);
    throw error;
  }
}

function usageLines(entry: CommandEntry, command: Command): string {
  return `Usage:  ${program} ${entry.path}${command.usage === '' ? '' : ` ${command.usage}`}`;
}

function checkArgumentCount(entry: CommandEntry, command: Command, count: number, usage: string): void {
  const { min, max } = command.arguments;
  if (count >= min && count <= max) return;
  const plural = (n: number) => (n === 1 ? 'argument' : 'arguments');
  const path = `${program} ${entry.path}`;
  let wanted = `requires at least ${min} ${plural(min)}`;
  if (max === 0) wanted = 'accepts no arguments';
  else if (min === max) wanted = `requires ${min} ${plural(min)}`;
  else if (min === 0) wanted = `requires at most ${max} ${plural(max)}`;
  else if (Number.isFinite(max)) wanted = `requires at least ${min} and at most ${max} ${plural(max)}`;
  const hint = Number.isFinite(max) ? 'Run' : 'See';
  throw new CliError(`${program}: '${path}' ${wanted}\n\n${usage}\n\n${hint} '${path} --help' for more information`);
}

// No top-level await: the bundle is CommonJS, which starts faster.
void main(process.argv.slice(2)).then((status) => process.exit(status));
