// A logical line as keyword, flags and words: each instruction has its own idea of a word, and errors of that come before all others.
import { DockerfileError } from '../dockerfile-error.ts';
import type { EscapeChar, Pair } from '../instructions.ts';
import type { LogicalLine } from './logical-lines.ts';
import { blankWords, cutAtBlanks, jsonWords, quotedWords, splitLine } from './words.ts';

export interface Statement {
  /** As it is written. */
  keyword: string;
  /** In upper case. */
  name: string;
  flags: string[];
  words: string[];
  /** The words were a JSON array. */
  isJson: boolean;
  /** Of ENV and LABEL, which have no words. */
  pairs: Pair[];
  /** Of ONBUILD: what is to be run later. */
  inner?: Statement;
  line: LogicalLine;
}

type Arguments = Pick<Statement, 'words' | 'isJson' | 'pairs'>;
type ReadArguments = (args: string, escapeChar: EscapeChar, name: string) => Arguments;

const readers = new Map<string, ReadArguments>([
  ...each(['RUN', 'CMD', 'ENTRYPOINT', 'SHELL'], commandArguments),
  ...each(['COPY', 'ADD', 'VOLUME'], (args) => jsonArguments(args) ?? plain(blankWords(args))),
  ...each(['WORKDIR', 'USER', 'STOPSIGNAL', 'MAINTAINER'], (args) => plain(args === '' ? [] : [args])),
  ...each(['FROM', 'EXPOSE'], (args) => plain(blankWords(args))),
  ...each(['ENV', 'LABEL'], (args, escapeChar, name) => ({ ...plain([]), pairs: readPairs(args, escapeChar, name) })),
  ...each(['ARG'], (args, escapeChar) => plain(quotedWords(args, escapeChar))),
  ...each(['HEALTHCHECK'], healthcheckArguments),
]);

function each(names: readonly string[], read: ReadArguments): [string, ReadArguments][] {
  return names.map((name) => [name, read]);
}

/** A keyword that nobody knows has no words. Throws a DockerfileError. */
export function readStatement(line: LogicalLine, escapeChar: EscapeChar): Statement {
  try {
    return statementOf(line.text, line, escapeChar, true);
  } catch (error) {
    if (!(error instanceof WordsError)) throw error;
    throw new DockerfileError(error.message, line.lines, { cause: error });
  }
}

class WordsError extends Error {}

function statementOf(text: string, line: LogicalLine, escapeChar: EscapeChar, isOutermost: boolean): Statement {
  const { keyword, flags, args } = splitLine(text);
  const name = keyword.toUpperCase();
  const words = readers.get(name)?.(args, escapeChar, name) ?? plain([]);
  const statement = { keyword, name, flags, ...words, line };
  // One within one within one is refused anyway, by whoever sees the second.
  const hasInner = name === 'ONBUILD' && args !== '' && isOutermost;
  return hasInner ? { ...statement, inner: statementOf(args, line, escapeChar, false) } : statement;
}

function plain(words: string[]): Arguments {
  return { words, isJson: false, pairs: [] };
}

function jsonArguments(args: string): Arguments | undefined {
  const words = jsonWords(args);
  if (words === 'not-strings')
    throw new WordsError('when using JSON array syntax, arrays must be comprised of strings only');
  return words && { words, isJson: true, pairs: [] };
}

function commandArguments(args: string): Arguments {
  return jsonArguments(args) ?? plain(args === '' ? [] : [args]);
}

/** The type is the first word, what is behind it the command. */
function healthcheckArguments(args: string): Arguments {
  if (args === '') return plain([]);
  const end = args.search(/\s/);
  if (end < 0) return plain([args]);
  const command = commandArguments(args.slice(end).trimStart());
  return { ...command, words: [args.slice(0, end), ...command.words] };
}

function readPairs(args: string, escapeChar: EscapeChar, instruction: string): Pair[] {
  const words = quotedWords(args, escapeChar);
  const [first] = words;
  if (first === undefined) return [];
  if (!first.includes('=')) {
    const cut = cutAtBlanks(args);
    if (cut === undefined) throw new WordsError(`${instruction} must have two arguments`);
    return [{ name: cut.before, value: cut.after, isLegacy: true }];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals >= 0) return { name: word.slice(0, equals), value: word.slice(equals + 1), isLegacy: false };
    throw new WordsError(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
  });
}
