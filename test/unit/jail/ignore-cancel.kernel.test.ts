// Patterns of a stranger may be many and slow: a job that nobody waits for any more ends between two of them, not behind them all.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { newCancelFlag, setCancelFlag, watchCancelFlag } from '../../../daemon/jail/cancellation.ts';
import { linkTree } from '../../../daemon/jail/jobs/link-tree.ts';

const from = mkdtempSync(join(tmpdir(), 'tsd-ignore-'));
writeFileSync(join(from, 'a'), '');
afterAll(() => rmSync(from, { recursive: true }));

test('a walk past many patterns ends in their middle', () => {
  const exclude = Array.from({ length: 100 }, (_, i) => `*b${i}`);
  const directory = process.cwd();
  const flag = newCancelFlag();
  let looks = 0;
  watchCancelFlag(flag, () => {
    if (++looks === 50) setCancelFlag(flag, true);
  });
  try {
    expect(() => linkTree({ from, exclude })).toThrow('cancelled');
    expect(looks).toBe(50);
  } finally {
    process.chdir(directory);
    watchCancelFlag(newCancelFlag(), () => undefined);
  }
});
