/** All that an async iterable gives, mapped while it is valid. */
export async function collect<T, R>(source: AsyncIterable<T>, map: (item: T) => R): Promise<R[]> {
  const all: R[] = [];
  for await (const item of source) all.push(map(item));
  return all;
}
