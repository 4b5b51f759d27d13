// Docker's list filters after parsing: key -> values. Values of one key are alternatives, except labels, which must all match.
import { RE2JS } from 're2js';
import { EngineError } from '../errors/engine-error.ts';

export type Filters = ReadonlyMap<string, readonly string[]>;

export const noFilters: Filters = new Map();

/** Refuses keys that the list does not know, in Docker's words. */
export function checkFilterKeys(filters: Filters, known: ReadonlySet<string>): void {
  for (const key of filters.keys()) {
    if (!known.has(key)) throw new EngineError('invalid', `invalid filter '${key}'`);
  }
}

/** One filter that is a truth value: "true"/"1"/"false"/"0"; undefined when it is not there. */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const values = filters.get(key);
  if (values === undefined || values.length === 0) return undefined;
  const parsed = values.map((value) => {
    const lower = value.toLowerCase();
    if (lower === 'true' || lower === '1') return true;
    if (lower === 'false' || lower === '0') return false;
    throw new EngineError('invalid', `invalid filter '${key}=[${value}]'`);
  });
  if (parsed.some((value) => value !== parsed[0])) {
    throw new EngineError('invalid', `invalid filter '${key}=[${values.join(' ')}]'`);
  }
  return parsed[0];
}

/** `label=K`, `label=K=V` (all must hold) and `label!=…` (none may hold). `labels` may have any keys. */
export function matchLabels(filters: Filters, labels: Readonly<Record<string, string>> | null | undefined): boolean {
  const holds = (condition: string): boolean => {
    const at = condition.indexOf('=');
    const key = at < 0 ? condition : condition.slice(0, at);
    if (labels === null || labels === undefined || !Object.hasOwn(labels, key)) return false;
    return at < 0 || labels[key] === condition.slice(at + 1);
  };
  return (filters.get('label') ?? []).every(holds) && !(filters.get('label!') ?? []).some(holds);
}

export interface FilterPattern {
  test(text: string): boolean;
}

const patternLength = 1000;
/** Instructions of all of a request's patterns together: what a pattern costs for each name is its size times the name's. */
const programLimit = 2000;

/**
 * The values of these keys as regular expressions. They come from the client, so they are matched in linear time, and what they compile to is
 * counted: `(x{1000})` is nine characters. What is no expression is looked for as text. Throws 'invalid'.
 */
export function filterPatterns(filters: Filters, keys: readonly string[]): (key: string) => readonly FilterPattern[] {
  let instructions = 0;
  const compile = (key: string, value: string): FilterPattern => {
    if (value.length > patternLength) {
      throw new EngineError('invalid', `invalid filter '${key}': longer than ${patternLength}`);
    }
    const literal = literalPattern(value);
    if (literal !== undefined) return literal;
    let pattern: RE2JS;
    try {
      pattern = RE2JS.compile(value);
    } catch {
      return { test: (text) => text.includes(value) };
    }
    instructions += pattern.programSize();
    if (instructions > programLimit) {
      throw new EngineError('invalid', `invalid filter '${key}': the patterns are too large together`);
    }
    return { test: (text) => pattern.matcher(text).find() };
  };
  const compiled = new Map(keys.map((key) => [key, (filters.get(key) ?? []).map((value) => compile(key, value))]));
  return (key) => compiled.get(key) ?? [];
}

/** Most patterns are a name, maybe between `^` and `$`: no program is needed for them, however many there are. */
function literalPattern(value: string): FilterPattern | undefined {
  const [, start, name = '', end] = /^(\^?)([\w/:@-]*)(\$?)$/.exec(value) ?? [];
  if (start === undefined) return undefined;
  if (start !== '' && end !== '') return { test: (text) => text === name };
  if (start !== '') return { test: (text) => text.startsWith(name) };
  if (end !== '') return { test: (text) => text.endsWith(name) };
  return { test: (text) => text.includes(name) };
}
