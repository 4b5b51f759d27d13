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
    throw new EngineError('invalid', `invalid filter '${key}=${value}'`);
  });
  if (parsed.some((value) => value !== parsed[0])) throw new EngineError('invalid', `invalid filter '${key}'`);
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

const patternLimit = 1000;

/** A regular expression that takes linear time whatever it is: it comes from the client. What is none is looked for as text. */
export function filterPattern(key: string, value: string): { test(text: string): boolean } {
  if (value.length > patternLimit) {
    throw new EngineError('invalid', `invalid filter '${key}': longer than ${patternLimit}`);
  }
  try {
    const pattern = RE2JS.compile(value);
    return { test: (text) => pattern.matcher(text).find() };
  } catch {
    return { test: (text) => text.includes(value) };
  }
}
