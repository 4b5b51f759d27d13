import { describe, expect, it } from 'vitest';
import { displayWidth, ellipsis } from '../../../../cli/formats/display-width.ts';
import {
  goJson,
  goQuote,
  goTime,
  indentJson,
  localRfc3339Nano,
  parseExactJson,
} from '../../../../cli/formats/go-text.ts';
import { alignTable, listLayout } from '../../../../cli/formats/table-writer.ts';
import { parseTimestamp } from '../../../../cli/formats/timestamp.ts';

describe('tables', () => {
  it('aligns by runs of lines that have the column', () => {
    const text = 'ID\tNAME\nabcdefghijklm\tx\nplain\nA\tB\n';
    expect(alignTable(text, listLayout)).toBe('ID              NAME\nabcdefghijklm   x\nplain\nA         B\n');
  });

  it('counts wide characters twice and shortens by columns', () => {
    expect(displayWidth('日本')).toBe(4);
    expect(ellipsis('日本語', 5)).toBe('日本…');
    expect(ellipsis('abc', 3)).toBe('abc');
    expect(ellipsis('abcd', 3)).toBe('ab…');
    expect(alignTable('日本\tx\n', { minWidth: 0, padding: 1 })).toBe('日本 x\n');
  });
});

describe('texts as Go writes them', () => {
  it('quotes', () => expect(goQuote('a"\n\x01é…')).toBe('"a\\"\\n\\x01é…"'));

  it('prints times in the local zone', () => {
    expect(goTime(1795205573)).toMatch(/^2026-11-\d\d \d\d:12:53 [+-]\d{4} \S+$/);
    expect(localRfc3339Nano(1795205573, '222071778')).toMatch(/^2026-11-\d\dT\d\d:12:53\.222071778(Z|[+-]\d\d:\d\d)$/);
  });

  it('keeps whole numbers beyond 2^53 exact', () => {
    const value = parseExactJson('{"timeNano":1795205573222071778,"a":1.5}');
    expect(goJson(value)).toBe('{"timeNano":1795205573222071778,"a":1.5}');
  });

  it('indents without touching numbers, order or texts', () => {
    const text = '[{"b":12345678901234567890,"a":{},"e":[],"s":"{[,:]\\"","l":[1,2]}]';
    expect(indentJson(text, '    ')).toBe(
      `[\n    {\n        "b": 12345678901234567890,\n        "a": {},\n        "e": [],\n        "s": "{[,:]\\"",\n        "l": [\n            1,\n            2\n        ]\n    }\n]`,
    );
  });
});

describe('timestamps', () => {
  it('takes durations, dates and seconds', () => {
    expect(parseTimestamp('10m', 1_000_000_000)).toBe('999400');
    expect(parseTimestamp('2020-01-01T00:00:00Z')).toBe('1577836800.000000000');
    expect(parseTimestamp('2020-01-01T05:06:07.25+02:00')).toBe('1577847967.250000000');
    expect(parseTimestamp('1577836800.25')).toBe('1577836800.25');
    expect(() => parseTimestamp('foo')).toThrow('failed to parse value as time or duration: "foo"');
  });
});
