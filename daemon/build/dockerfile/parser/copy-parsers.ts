// COPY and ADD: sources, files given as heredocs, a destination, and their flags.

import type { AddInstruction, CopyInstruction, InlineFile } from '../instructions.ts';
import { ArgumentError } from './argument-error.ts';
import { heredocNamed, heredocText, isHeredoc } from './heredocs.ts';
import { type FlagSpec, type FlagValues, readFlags } from './instruction-flags.ts';
import type { Statement } from './statement.ts';

type Own<T> = Omit<T, 'keyword' | 'lines' | 'original' | 'comments'>;

const sharedFlags = {
  chown: 'string',
  chmod: 'string',
  link: 'bool',
  parents: 'bool',
  exclude: 'strings',
} as const satisfies FlagSpec;
const copyFlags = { ...sharedFlags, from: 'string' } as const satisfies FlagSpec;
const addFlags = {
  ...sharedFlags,
  checksum: 'string',
  'keep-git-dir': 'bool',
  unpack: 'bool',
} as const satisfies FlagSpec;

/** Throws an ArgumentError or a FlagError, as `parseAdd`. */
export function parseCopy(statement: Statement): Own<CopyInstruction> {
  const words = enoughWords(statement);
  const flags = readFlags(statement.flags, copyFlags);
  const own = { kind: 'COPY', ...sourcesOf(statement, words), ...sharedOf(flags) } as const;
  return flags.from === undefined || flags.from === '' ? own : { ...own, from: flags.from };
}

export function parseAdd(statement: Statement): Own<AddInstruction> {
  const words = enoughWords(statement);
  const flags = readFlags(statement.flags, addFlags);
  const { checksum, 'keep-git-dir': keepGitDir, unpack } = flags;
  return {
    kind: 'ADD',
    ...sourcesOf(statement, words),
    ...sharedOf(flags),
    ...(checksum === undefined || checksum === '' ? {} : { checksum }),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(unpack === undefined ? {} : { unpack }),
  };
}

function sharedOf({ chown, chmod, link, parents, exclude }: FlagValues<typeof sharedFlags>) {
  return {
    ...(chown === undefined || chown === '' ? {} : { chown }),
    ...(chmod === undefined || chmod === '' ? {} : { chmod }),
    link: link ?? false,
    parents: parents ?? false,
    exclude: exclude ?? [],
  };
}

function enoughWords({ name, words }: Statement): string[] {
  if (words.length >= 2) return words;
  const problem = 'requires at least two arguments, but only one was provided. Destination could not be determined';
  throw new ArgumentError(`${name} ${problem}`);
}

function sourcesOf({ name, line, isJson }: Statement, words: readonly string[]) {
  const destination = words.at(-1) ?? '';
  if (isHeredoc(destination)) throw new ArgumentError(`${name} cannot accept a heredoc as a destination`);
  const contents = new Map(line.heredocs.map((heredoc) => [heredoc.name, heredoc.content]));
  const sources: string[] = [];
  const files: InlineFile[] = [];
  for (const word of words.slice(0, -1)) {
    const heredoc = isJson ? undefined : heredocNamed(word);
    if (heredoc === undefined) sources.push(word);
    else {
      const { stripTabs, expand } = heredoc;
      const content = contents.get(heredoc.name) ?? '';
      files.push({ name: heredoc.name, text: heredocText({ content, stripTabs }), expand });
    }
  }
  return { sources, files, destination };
}
