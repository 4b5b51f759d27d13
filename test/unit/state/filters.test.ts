// Patterns of filters come from clients: what they may cost is bounded.
import { expect, test } from 'vitest';
import { filterPatterns } from '../../../daemon/state/filters.ts';
import { usualMs, workMs } from '../../harness/pace.ts';

const pattern = (value: string) => filterPatterns(new Map([['name', [value]]]), ['name'])('name')[0];

test.each([
  ['web', 'my-web-1', true],
  ['^web', 'my-web-1', false],
  ['^web$', 'web', true],
  ['^web$', 'web1', false],
  ['^/web$', '/web', true],
  ['1$', 'web-1', true],
  ['', 'anything', true],
  ['^', 'anything', true],
  ['^$', 'x', false],
  ['w.b', 'web', true],
  ['^(a|b)$', 'b', true],
  ['[', 'a[b', true],
  ['[', 'ab', false],
])('%j in %j is %j', (value, text, expected) => {
  expect(pattern(value)?.test(text)).toBe(expected);
});

test('nine characters that stand for a thousand are counted as a thousand', () => {
  const filters = new Map([['name', Array.from({ length: 100 }, () => '(x{1000})')]]);
  const work = () => expect(() => filterPatterns(filters, ['name'])).toThrow(/too large together/);
  expect(workMs(work)).toBeLessThan(500 * usualMs());
});

test('a thousand names are no large pattern', () => {
  const filters = new Map([['name', Array.from({ length: 1000 }, (_, n) => `^/project-web-${n}$`)]]);
  const names = filterPatterns(filters, ['name'])('name');
  expect(names.filter((name) => name.test('/project-web-77'))).toHaveLength(1);
});
