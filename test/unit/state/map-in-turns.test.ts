// Long work in pieces: everything is done, in order, and others come in between.
import { expect, test } from 'vitest';
import { mapInTurns } from '../../../daemon/state/map-in-turns.ts';

function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('others have the thread several times before long work is done', async () => {
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const results = await mapInTurns(Array(60).keys(), (n) => {
    work(2);
    return n * n;
  });
  isDone = true;
  expect(results).toEqual([...Array(60).keys()].map((n) => n * n));
  expect(turns).toBeGreaterThanOrEqual(5);
});

test('an error ends it', async () => {
  const failing = mapInTurns([1, 2, 3], (n) => {
    if (n === 2) throw new Error('two');
  });
  await expect(failing).rejects.toThrow('two');
});
