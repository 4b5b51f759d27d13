import { describe, expect, test } from 'vitest';
import { parseBoundedJson } from '../../../../daemon/images/documents/bounded-json.ts';

const parse = (text: string) => parseBoundedJson(Buffer.from(text));

describe('JSON of strangers', () => {
  test('is read as it is', () => {
    const value = { a: ['[[[[{{{{,,,,::::', '\\', '"\\"', ''], 'k"': { é: null, n: -1.5e3 } };
    expect(parse(JSON.stringify(value))).toEqual(value);
    expect(parse(`${'['.repeat(64)}${']'.repeat(64)}`)).toBeDefined();
  });

  test.each([
    ['too deep', `${'['.repeat(65)}${']'.repeat(65)}`, /deeper/],
    ['too many parts', `[${'1,'.repeat(400_001)}1]`, /parts/],
    ['no end of a text', '{"a', /./],
    ['a backslash at the end', '"\\', /./],
  ])('%s is refused', (_, text, error) => {
    expect(() => parse(text)).toThrow(error);
  });

  test('what is no UTF-8 is refused', () => {
    expect(() => parseBoundedJson(Buffer.from([0x22, 0xff, 0x22]))).toThrow(/UTF-8/);
  });
});
