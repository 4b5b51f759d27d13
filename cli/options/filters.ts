// `--filter KEY=VALUE`, as the API's `filters` parameter.

export function validateFilter(text: string): string {
  const at = text.indexOf('=');
  if (text !== '' && at < 0) throw new Error('bad format of filter (expected name=value)');
  return text;
}

/** Undefined without filters. Values of one key are alternatives. */
export function filtersQuery(filters: readonly string[]): string | undefined {
  const query = new Map<string, Set<string>>();
  for (const filter of filters) {
    if (filter === '') continue;
    const at = filter.indexOf('=');
    const key = filter.slice(0, at).trim().toLowerCase();
    const values = query.get(key) ?? new Set();
    query.set(key, values.add(filter.slice(at + 1).trim()));
  }
  const fields = [...query.keys()].sort().map((key) => {
    const values = [...(query.get(key) ?? [])].sort().map((value) => `${JSON.stringify(value)}:true`);
    return `${JSON.stringify(key)}:{${values.join(',')}}`;
  });
  return fields.length > 0 ? `{${fields.join(',')}}` : undefined;
}
