import { afterAll, expect, test } from 'vitest';
import { StoreFixture } from './store-fixture.ts';

const fixture = new StoreFixture();
afterAll(() => fixture.close());

function add(label: string): string {
  const config = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [] },
    config: { Labels: { label } },
  };
  return fixture.catalogue.add(config as never, { topLayer: undefined });
}

test('configs stay parsed, but not more of them than fit into two megabytes', () => {
  const small = add('small');
  const parsed = fixture.catalogue.config(small);
  expect(fixture.catalogue.config(small), 'it is parsed once').toBe(parsed);
  for (const letter of ['a', 'b', 'c']) add(letter.repeat(700 << 10));
  const again = fixture.catalogue.config(small);
  expect(again).toEqual(parsed);
  expect(again, 'it had to give way').not.toBe(parsed);
});
