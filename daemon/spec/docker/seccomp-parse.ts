// `--security-opt seccomp=FILE`: the client sends the JSON of the file. Docker's profile format, checked here so that a mistake is a
// clear 400 when the container is created instead of a failure when it starts.

import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { EngineError } from '../../errors/engine-error.ts';
import type { ProfileRule, SeccompProfile } from '../seccomp-rules.ts';
import { SECCOMP_ACTIONS, SECCOMP_FLAGS, SECCOMP_OPERATORS } from '../seccomp-rules.ts';

const MAX_PROFILE_BYTES = 1024 * 1024;
const MAX_RULES = 4096;
const MAX_NAMES = 4096;

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
const strings = Type.Optional(nullable(Type.Array(Type.String(), { maxItems: MAX_NAMES })));
const errno = Type.Optional(nullable(Type.Integer({ minimum: 0, maximum: 4095 })));

const Condition = Type.Optional(
  nullable(
    Type.Object({
      caps: strings,
      arches: strings,
      minKernel: Type.Optional(nullable(Type.String({ pattern: '^\\d+\\.\\d+' }))),
    }),
  ),
);
const Rule = Type.Object({
  name: Type.Optional(Type.String()),
  names: strings,
  action: Type.String(),
  errnoRet: errno,
  args: Type.Optional(
    nullable(
      Type.Array(
        Type.Object({
          index: Type.Integer({ minimum: 0, maximum: 5 }),
          value: Type.Number({ minimum: 0 }),
          valueTwo: Type.Optional(nullable(Type.Number({ minimum: 0 }))),
          op: Type.String(),
        }),
        { maxItems: 6 },
      ),
    ),
  ),
  includes: Condition,
  excludes: Condition,
});
const File = Type.Object({
  defaultAction: Type.String(),
  defaultErrnoRet: errno,
  architectures: strings,
  archMap: Type.Optional(
    nullable(Type.Array(Type.Object({ architecture: Type.String(), subArchitectures: strings }), { maxItems: 64 })),
  ),
  flags: strings,
  listenerPath: Type.Optional(Type.String()),
  syscalls: Type.Optional(nullable(Type.Array(Rule, { maxItems: MAX_RULES }))),
});

/** Throws EngineError 'invalid' that says what is wrong with the profile. */
export function parseSeccompProfile(text: string): SeccompProfile {
  if (Buffer.byteLength(text) > MAX_PROFILE_BYTES) throw invalid(`it is larger than ${MAX_PROFILE_BYTES} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : 'it is not JSON', error);
  }
  if (!Value.Check(File, json)) {
    const first = Value.Errors(File, json).First();
    throw invalid(`${first?.path || 'the profile'}: ${first?.message ?? 'unexpected value'}`);
  }
  if (json.listenerPath)
    throw new EngineError('not-implemented', 'seccomp profiles with a listenerPath are not there yet');
  if (json.architectures?.length && json.archMap?.length) {
    throw invalid("use either 'architectures' or 'archMap'");
  }
  checkWord(SECCOMP_ACTIONS, json.defaultAction, 'action');
  for (const flag of json.flags ?? []) {
    if (!SECCOMP_FLAGS.has(flag)) throw invalid(`unknown flag "${flag}"`);
  }
  return {
    defaultAction: json.defaultAction,
    ...(typeof json.defaultErrnoRet === 'number' ? { defaultErrnoRet: json.defaultErrnoRet } : {}),
    architectures: architecturesOf(json),
    ...(json.flags ? { flags: json.flags } : {}),
    syscalls: (json.syscalls ?? []).map(ruleOf),
  };
}

function architecturesOf(file: Static<typeof File>): SeccompProfile['architectures'] {
  if (file.archMap?.length) {
    return file.archMap.map((entry) => ({
      architecture: entry.architecture,
      subArchitectures: entry.subArchitectures ?? [],
    }));
  }
  const list = file.architectures ?? [];
  return list.map((architecture) => ({
    architecture,
    subArchitectures: list.filter((other) => other !== architecture),
  }));
}

function ruleOf(rule: Static<typeof Rule>): ProfileRule {
  if (rule.name && rule.names?.length) throw invalid("use either 'name' or 'names'");
  const names = rule.name ? [rule.name] : (rule.names ?? []);
  if (names.length === 0) throw invalid('a rule names no system call');
  checkWord(SECCOMP_ACTIONS, rule.action, 'action');
  for (const arg of rule.args ?? []) checkWord(SECCOMP_OPERATORS, arg.op, 'operator');
  return {
    names,
    action: rule.action,
    ...(typeof rule.errnoRet === 'number' ? { errnoRet: rule.errnoRet } : {}),
    args: (rule.args ?? []).map(({ index, value, valueTwo, op }) => ({
      index,
      value,
      op,
      ...(typeof valueTwo === 'number' ? { valueTwo } : {}),
    })),
    ...(rule.includes ? { includes: rule.includes } : {}),
    ...(rule.excludes ? { excludes: rule.excludes } : {}),
  } as ProfileRule;
}

function checkWord(known: ReadonlySet<string>, word: string, kind: string): void {
  if (!known.has(word)) throw invalid(`unknown ${kind} "${word}"; known are ${[...known].join(', ')}`);
}

function invalid(what: string, cause?: unknown): EngineError {
  return new EngineError('invalid', `seccomp profile: ${what}`, { cause });
}
