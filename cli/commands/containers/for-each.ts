// Commands that do one thing to each of their operands: all at once, names printed in order, failures collected.
import type { Cli } from '../../context.ts';
import { joinErrors } from '../../errors.ts';

/** How many requests are under way at a time. */
const parallel = 50;

/** Prints each name whose `act` succeeded, unless it answers false; throws what failed. */
export async function forEachName(cli: Cli, names: readonly string[], act: (name: string) => Promise<unknown>) {
  const errors: unknown[] = [];
  const results = names.map(() => Promise.withResolvers<unknown>());
  for (const { promise } of results) promise.catch(() => {});
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < names.length; i = next++) {
      await act(names[i] ?? '').then(
        (result) => results[i]?.resolve(result),
        (error: unknown) => results[i]?.reject(error),
      );
    }
  };
  const workers = Array.from({ length: Math.min(parallel, names.length) }, worker);
  for (const [i, name] of names.entries()) {
    try {
      if ((await results[i]?.promise) !== false) cli.out.line(name);
    } catch (error) {
      errors.push(error);
    }
  }
  await Promise.all(workers);
  if (errors.length > 0) throw joinErrors(errors);
}
