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
import { binarySize, formatGeneral, humanDuration, humanSize } from '../../../../cli/formats/units.ts';

const hour = 3_600_000;

describe("docker's units", () => {
  it.each([
    [0, '0B'],
    [999, '999B'],
    [1000, '1kB'],
    [1983765, '1.984MB'],
    [999_950, '1000kB'],
    [1.5e15, '1.5PB'],
  ])('shows %d bytes as %s', (bytes, text) => expect(humanSize(bytes)).toBe(text));

  it('shows three digits where docker does, and powers of 1024 for memory', () => {
    expect(humanSize(1983765, 3)).toBe('1.98MB');
    expect(humanSize(999_950, 3)).toBe('1e+03kB');
    expect(binarySize(25275940864)).toBe('23.54GiB');
    expect(binarySize(376832)).toBe('368KiB');
  });

  it.each([
    [123456, 3, '1.23e+05'],
    [0.00001234, 3, '1.23e-05'],
    [100, 3, '100'],
    [1.5, 4, '1.5'],
  ])('formats %d with %%.%dg', (value, digits, text) => expect(formatGeneral(value, digits)).toBe(text));

  it.each([
    [500, 'Less than a second'],
    [1000, '1 second'],
    [59_000, '59 seconds'],
    [60_000, 'About a minute'],
    [119_000, 'About a minute'],
    [120_000, '2 minutes'],
    [hour, 'About an hour'],
    [1.4 * hour, 'About an hour'],
    [1.6 * hour, '2 hours'],
    [47 * hour, '47 hours'],
    [48 * hour, '2 days'],
    [24 * 14 * hour, '2 weeks'],
    [24 * 60 * hour, '2 months'],
    [24 * 365 * 2 * hour, '2 years'],
  ])('calls %d ms %s', (ms, text) => expect(humanDuration(ms)).toBe(text));
});

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
