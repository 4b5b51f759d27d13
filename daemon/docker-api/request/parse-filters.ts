// The `filters` parameter: JSON, in the form of Go clients {"k":{"v":true}} or of others {"k":["v"]}. Keys are any text.
import { EngineError } from '../../errors/engine-error.ts';
import { type Filters, noFilters } from '../../state/filters.ts';

const lengthLimit = 64 * 1024;
const valueLimit = 1000;

export function parseFilters(text: string | undefined): Filters {
  if (text === undefined || text === '') return noFilters;
  if (text.length > lengthLimit) throw new EngineError('too-large', `filters: longer than ${lengthLimit} characters`);
  const invalid = (why: string) => new EngineError('invalid', `invalid filter: ${why}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid((error as Error).message);
  }
  if (parsed === null) return noFilters;
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw invalid('a JSON object of lists is expected');
  const filters = new Map<string, readonly string[]>();
  let count = 0;
  for (const [key, values] of Object.entries(parsed)) {
    // null is an empty list, and in a list an empty text, as Go reads it.
    const list = Array.isArray(values)
      ? values
      : isObject(values)
        ? Object.keys(values)
        : values === null
          ? []
          : undefined;
    if (list === undefined) throw invalid(`'${key}' has to be a list`);
    const texts = list.map((value: unknown) => {
      // docker-py sends truth values and numbers as they are.
      if (value === null) return '';
      if (typeof value === 'boolean' || typeof value === 'number') return String(value);
      if (typeof value !== 'string') throw invalid(`'${key}' has to be a list of texts`);
      return value;
    });
    count += texts.length;
    if (count > valueLimit) throw invalid(`more than ${valueLimit} values`);
    filters.set(key, texts);
  }
  return filters;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
