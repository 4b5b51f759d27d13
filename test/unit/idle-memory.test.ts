import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { watchIdleMemory } from '../../daemon/idle-memory.ts';
import { eventually } from '../harness/eventually.ts';

const rules = { lookMs: 40, quietShare: 0.5, worthMs: 30 };

function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('memory is given back once, after work and not before', async () => {
  const collect = vi.fn();
  using _watch = watchIdleMemory(collect, rules);
  await sleep(3 * rules.lookMs);
  expect(collect, 'nothing was done yet').not.toHaveBeenCalled();
  work(200);
  await eventually('a collection', () => collect.mock.calls.length > 0);
  await sleep(3 * rules.lookMs);
  expect(collect, 'nothing was done since').toHaveBeenCalledTimes(1);
});
