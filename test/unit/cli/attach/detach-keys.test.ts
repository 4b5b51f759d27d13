import { describe, expect, it } from 'vitest';
import { DetachFilter, defaultDetachKeys, parseDetachKeys } from '../../../../cli/attach/detach-keys.ts';

const feed = (keys: readonly number[], ...inputs: string[]) => {
  const filter = new DetachFilter(keys);
  let passed = '';
  for (const input of inputs) {
    const { pass, detached } = filter.feed(Buffer.from(input));
    passed += pass.toString();
    if (detached) return { passed, detached };
  }
  return { passed, detached: false };
};

describe('detach keys', () => {
  it('reads sequences', () => {
    expect(parseDetachKeys('ctrl-p,ctrl-q')).toEqual(defaultDetachKeys);
    expect(parseDetachKeys('a,ctrl-@,ctrl-[')).toEqual([97, 0, 27]);
    expect(() => parseDetachKeys('ctrl-é')).toThrow("Unknown character: 'ctrl-é'");
    expect(() => parseDetachKeys('ab')).toThrow("Unknown character: 'ab'");
  });

  it('holds the start of a sequence back until it is decided', () => {
    expect(feed(defaultDetachKeys, 'x\x10')).toEqual({ passed: 'x', detached: false });
    expect(feed(defaultDetachKeys, 'x\x10', 'y')).toEqual({ passed: 'x\x10y', detached: false });
    expect(feed(defaultDetachKeys, 'x\x10', '\x10\x11z')).toEqual({ passed: 'x\x10', detached: true });
    expect(feed(defaultDetachKeys, 'x\x10\x11')).toEqual({ passed: 'x', detached: true });
  });
});
