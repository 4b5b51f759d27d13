// The help of the program, of a group and of a command, laid out as docker does.

import { flagUsages } from '../daemon/protocols/flags/usage.ts';
import type { Command } from './command.ts';
import { type CommandEntry, commands, groups, titles } from './command-table.ts';
import { globalFlags } from './global-options.ts';
import { windowSize } from './terminal/window-size.ts';

function columns(): number {
  return (windowSize(0)?.columns ?? 80) - 1;
}

/** Docker shows `--help` among the options only where `-h` means something else. */
const helpShown = {
  name: 'help',
  short: undefined,
  usage: 'Print usage',
  typeName: '',
  defaultText: '',
  hidden: false,
};

export function commandHelp(program: string, path: string, command: Command): string {
  const usages = [`${path} ${command.usage}`.trim(), ...(command.moreUsages ?? [])];
  const flags = { ...command.flags };
  const takesH = Object.values(flags).some((flag) => flag.short === 'h');
  if (takesH) {
    flags.help = { ...helpShown, initial: false, implied: 'true', set: () => true };
  }
  const sections = [
    `Usage:  ${usages.map((usage) => `${program} ${usage}`).join('\n\t')}`,
    command.long ?? command.short,
  ];
  if (command.aliases) {
    sections.push(`Aliases:\n  ${command.aliases.map((alias) => `${program} ${alias}`).join(', ')}`);
  }
  if (Object.values(flags).some((flag) => !flag.hidden)) {
    sections.push(`Options:\n${flagUsages(flags, columns()).trimEnd()}`);
  }
  return `${sections.join('\n\n')}\n`;
}

export function groupHelp(program: string, group: string): string {
  const entries = commands.filter((entry) => entry.path.startsWith(`${group} `) && !entry.hidden);
  const path = `${program} ${group}`;
  return [
    `Usage:  ${path} COMMAND`,
    groups[group] ?? '',
    `Commands:\n${table(entries)}`,
    `Run '${path} COMMAND --help' for more information on a command.\n`,
  ].join('\n\n');
}

export function rootHelp(program: string): string {
  const top = commands.filter((entry) => !entry.path.includes(' ') && !entry.hidden);
  const sections = [`Usage:  ${program} [OPTIONS] COMMAND`, 'A self-sufficient runtime for containers'];
  const common = top.filter((entry) => entry.rank !== undefined).sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  sections.push(`${titles.common}:\n${table(common)}`);
  const groupRows = Object.entries(groups).map(([path, short]) => ({ path, short }));
  sections.push(`${titles.groups}:\n${table(groupRows)}`);
  sections.push(`${titles.rest}:\n${table(top.filter((entry) => entry.rank === undefined))}`);
  sections.push(`Global Options:\n${flagUsages(globalFlags, columns()).trimEnd()}`);
  sections.push(`Run '${program} COMMAND --help' for more information on a command.\n`);
  return sections.join('\n\n');
}

function table(entries: readonly Pick<CommandEntry, 'path' | 'short'>[]): string {
  return entries.map(({ path, short }) => `  ${(path.split(' ').at(-1) ?? '').padEnd(11)} ${short}`).join('\n');
}
