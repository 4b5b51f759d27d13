// One parser for each instruction: from words and flags to its type. Messages are BuildKit's.

import { trimSpace } from '../characters.ts';
import type { Command, Instruction, InstructionKind, RunInstruction } from '../instructions.ts';
import { checkMount } from '../run-mount.ts';
import { ArgumentError } from './argument-error.ts';
import { parseAdd, parseCopy } from './copy-parsers.ts';
import { parseHealthcheck } from './healthcheck-parser.ts';
import { heredocText, isHeredoc } from './heredocs.ts';
import { readFlags } from './instruction-flags.ts';
import type { Statement } from './statement.ts';

type Parse<K extends InstructionKind> = (statement: Statement) => Extract<Instruction, { kind: K }>;

const parsers: { [K in InstructionKind]: Parse<K> } = {
  ADD: (statement) => ({ ...baseOf(statement), ...parseAdd(statement) }),
  ARG: parseArg,
  CMD: (statement) => ({ ...withoutFlags(statement), kind: 'CMD', command: commandOf(statement) }),
  COPY: (statement) => ({ ...baseOf(statement), ...parseCopy(statement) }),
  ENTRYPOINT: (statement) => ({ ...withoutFlags(statement), kind: 'ENTRYPOINT', command: commandOf(statement) }),
  ENV: (statement) => ({ ...withoutFlags(statement), kind: 'ENV', pairs: pairsOf(statement) }),
  EXPOSE: (statement) => ({ ...withoutFlags(someWords(statement)), kind: 'EXPOSE', ports: statement.words.toSorted() }),
  FROM: parseFrom,
  HEALTHCHECK: (statement) => ({ ...baseOf(statement), kind: 'HEALTHCHECK', check: parseHealthcheck(statement) }),
  LABEL: (statement) => ({ ...withoutFlags(statement), kind: 'LABEL', pairs: pairsOf(statement) }),
  MAINTAINER: (statement) => ({ ...withoutFlags(statement), kind: 'MAINTAINER', maintainer: oneWord(statement) }),
  ONBUILD: parseOnbuild,
  RUN: parseRun,
  SHELL: parseShell,
  // Docker does not look at flags of this one.
  STOPSIGNAL: (statement) => ({ ...baseOf(statement), kind: 'STOPSIGNAL', signal: oneWord(statement) }),
  USER: (statement) => ({ ...withoutFlags(statement), kind: 'USER', user: oneWord(statement) }),
  VOLUME: (statement) => ({ ...withoutFlags(someWords(statement)), kind: 'VOLUME', paths: volumePaths(statement) }),
  WORKDIR: (statement) => ({ ...withoutFlags(statement), kind: 'WORKDIR', path: oneWord(statement) }),
};

/** By name in upper case. They throw an ArgumentError or a FlagError. */
export const instructionParsers: ReadonlyMap<string, (statement: Statement) => Instruction> = new Map(
  Object.entries<(statement: Statement) => Instruction>(parsers),
);

function baseOf({ keyword, line }: Statement) {
  return { keyword, lines: line.lines, original: trimSpace(line.text), comments: line.comments };
}

function withoutFlags(statement: Statement): ReturnType<typeof baseOf> {
  readFlags(statement.flags, {});
  return baseOf(statement);
}

function someWords(statement: Statement): Statement {
  if (statement.words.length > 0) return statement;
  throw new ArgumentError(`${statement.name} requires at least one argument`);
}

function oneWord({ name, words }: Statement): string {
  const [word, ...more] = words;
  if (word === undefined || more.length > 0) throw new ArgumentError(`${name} requires exactly one argument`);
  return word;
}

function pairsOf({ name, pairs }: Statement): Statement['pairs'] {
  if (pairs.length === 0) throw new ArgumentError(`${name} requires at least one argument`);
  if (pairs.some((pair) => pair.name === '')) throw new ArgumentError(`${name} names can not be blank`);
  return pairs;
}

function commandOf({ words, isJson }: Statement): Command {
  return isJson ? { form: 'exec', args: words } : { form: 'shell', line: words[0] ?? '' };
}

function volumePaths({ words }: Statement): string[] {
  const paths = words.map(trimSpace);
  if (paths.includes('')) throw new ArgumentError('VOLUME specified can not be an empty string');
  return paths;
}

function parseArg(statement: Statement): Extract<Instruction, { kind: 'ARG' }> {
  const { words, line } = someWords(statement);
  const args = words.map((word) => {
    const equals = word.indexOf('=');
    if (equals === 0) throw new ArgumentError('ARG names can not be blank');
    const name = equals < 0 ? word : word.slice(0, equals);
    const prefix = `${name} `;
    const description = line.comments.find((comment) => comment.startsWith(prefix))?.slice(prefix.length);
    return {
      name,
      ...(equals < 0 ? {} : { value: word.slice(equals + 1) }),
      ...(description === undefined ? {} : { description }),
    };
  });
  return { ...baseOf(statement), kind: 'ARG', args };
}

function parseFrom(statement: Statement): Extract<Instruction, { kind: 'FROM' }> {
  const [base, keyword, written, ...more] = statement.words;
  const isNamed = written !== undefined && more.length === 0 && keyword?.toLowerCase() === 'as';
  if (base === undefined || !(isNamed || keyword === undefined)) {
    throw new ArgumentError('FROM requires either one or three arguments');
  }
  const name = written?.toLowerCase();
  if (name !== undefined && !/^[a-z][a-z0-9\-_.]*$/.test(name)) {
    const problem = "name can't start with a number or contain symbols";
    throw new ArgumentError(`invalid name for build stage: ${JSON.stringify(written)}, ${problem}`);
  }
  const { platform } = readFlags(statement.flags, { platform: 'string' });
  return {
    ...baseOf(statement),
    kind: 'FROM',
    base,
    ...(isNamed && name !== undefined && keyword !== undefined ? { name, as: { keyword, name: written } } : {}),
    ...(platform === undefined || platform === '' ? {} : { platform }),
  };
}

function parseRun(statement: Statement): RunInstruction {
  const { flags, line } = statement;
  const values = readFlags(flags, { mount: 'strings', network: 'string', security: 'string', device: 'strings' });
  if (values.device !== undefined) throw new ArgumentError('RUN --device is not implemented');
  const mounts = values.mount ?? [];
  for (const mount of mounts) checkMount(mount);
  return {
    ...baseOf(statement),
    kind: 'RUN',
    command: runCommandOf(statement),
    heredocs: line.heredocs,
    mounts,
    network: networkOf(values.network ?? 'default'),
    security: securityOf(values.security ?? 'sandbox'),
    flags: flags.map((flag) => flag.slice(2).replace(/=.*$/s, '')),
  };
}

function runCommandOf(statement: Statement): RunInstruction['command'] {
  const command = commandOf(statement);
  const [first, ...more] = statement.line.heredocs;
  if (command.form === 'exec' || first === undefined) return command;
  if (more.length === 0 && isHeredoc(command.line)) {
    return { form: 'script', name: first.name, text: heredocText(first) };
  }
  const texts = [first, ...more].map(({ name, content }) => `\n${content}${name}`);
  return { form: 'shell', line: command.line + texts.join('') };
}

function networkOf(value: string): RunInstruction['network'] {
  if (value === 'default' || value === 'none' || value === 'host') return value;
  throw new ArgumentError(`invalid network mode ${JSON.stringify(value)}`);
}

function securityOf(value: string): RunInstruction['security'] {
  if (value === 'sandbox' || value === 'insecure') return value;
  throw new ArgumentError(`security ${JSON.stringify(value)} is not valid`);
}

function parseShell(statement: Statement): Extract<Instruction, { kind: 'SHELL' }> {
  const base = withoutFlags(statement);
  const { words, isJson } = someWords(statement);
  if (!isJson) throw new ArgumentError('SHELL requires the arguments to be in JSON form');
  return { ...base, kind: 'SHELL', shell: words };
}

function parseOnbuild(statement: Statement): Extract<Instruction, { kind: 'ONBUILD' }> {
  const { inner, line } = statement;
  if (inner === undefined) throw new ArgumentError('ONBUILD requires at least one argument');
  const base = withoutFlags(statement);
  if (inner.name === 'ONBUILD') throw new ArgumentError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (inner.name === 'FROM' || inner.name === 'MAINTAINER') {
    throw new ArgumentError(`${inner.name} isn't allowed as an ONBUILD trigger`);
  }
  const heredocs = line.heredocs.map(({ name, content }) => `\n${content}${name}`);
  const trigger = line.text.replace(/^\s*ONBUILD\s*/i, '') + heredocs.join('');
  return { ...base, kind: 'ONBUILD', trigger };
}
