// `--filter KEY=VALUE`, as the API's `filters` parameter.

export function validateFilter(text: string): string {
  const at = text.indexOf('=');
  if (text !== '' && at < 0) throw new Error('bad format of filter (expected name=value)');
  return text;
}

/** Undefined without filters. Values of one key are alternatives. */
export function filtersQuery(filters: readonly string[]): string | undefined {
  const query: Record<string, Record<string, boolean>> = Object.create(null);
  for (const filter of filters) {
    if (filter === '') continue;
    const at = filter.indexOf('=');
    const key = filter.slice(0, at).trim().toLowerCase();
    query[key] ??= Object.create(null) as Record<string, boolean>;
    query[key][filter.slice(at + 1).trim()] = true;
  }
  return Object.keys(query).length > 0 ? JSON.stringify(query) : undefined;
}
