// What a build was asked for and cannot do is an error, or told where it is done for some of its outputs.
import { expect, test } from 'vitest';
import type { BuildRequest, OutputChoice } from '../../../daemon/build/build-request.ts';
import type { BuildEvent } from '../../../daemon/build/solver/build-event.ts';
import { tellIgnored } from '../../../daemon/build/tell-ignored.ts';

function told(types: readonly OutputChoice['type'][], annotations: ReadonlyMap<string, string>): BuildEvent[] {
  const events: BuildEvent[] = [];
  const outputs = types.map((type) => ({ type, attributes: {} }));
  tellIgnored({
    annotations,
    outputs,
    tell: (event: BuildEvent) => void events.push(event),
  } as unknown as BuildRequest);
  return events;
}

test('annotations that would go nowhere are refused, and told where only some outputs have them', () => {
  const some = new Map([['a', 'b']]);
  expect(() => told(['image'], some)).toThrow(expect.objectContaining({ code: 'not-implemented' }));
  expect(told(['image', 'oci'], some).at(-1)).toMatchObject({
    name: 'annotations',
    error: expect.stringContaining('oci'),
  });
  expect(told(['oci'], some)).toEqual([]);
  expect(told(['image'], new Map())).toEqual([]);
});
