import { describe, expect, it } from 'vitest';
import { boolFlag, listFlag, stringFlag } from '../../../../daemon/protocols/flags/flag.ts';
import { flagUsages } from '../../../../daemon/protocols/flags/usage.ts';
import { formatDurationNs, parseDurationNs } from '../../../../daemon/protocols/units/go-duration.ts';
import { parseInteger, parseNanoCpus } from '../../../../daemon/protocols/units/go-numbers.ts';
import { parseSizeBytes } from '../../../../daemon/protocols/units/size.ts';

describe('values of flags', () => {
  it.each([
    ['1.5g', 1610612736],
    ['64m', 67108864],
    ['64MiB', 67108864],
    ['10 kb', 10240],
    ['512', 512],
    ['.5k', 512],
    ['0', 0],
  ])('reads the size %s as %d bytes', (text, bytes) => expect(parseSizeBytes(text)).toBe(bytes));

  it.each([['x'], [''], ['-1'], ['1x'], ['1kk'], ['1 2'], ['1bb']])('refuses the size %j', (text) => {
    expect(() => parseSizeBytes(text)).toThrow(/^invalid (size|suffix): /);
  });

  it.each([
    ['1h2m3.5s', 3_723_500_000_000],
    ['250ms', 250_000_000],
    ['-5s', -5_000_000_000],
    ['0', 0],
    ['1us', 1000],
  ])('reads the duration %s', (text, ns) => expect(parseDurationNs(text)).toBe(ns));

  it("refuses durations in Go's words", () => {
    expect(() => parseDurationNs('x')).toThrow('time: invalid duration "x"');
    expect(() => parseDurationNs('5')).toThrow('time: missing unit in duration "5"');
    expect(() => parseDurationNs('5constructor')).toThrow(
      'time: unknown unit "constructor" in duration "5constructor"',
    );
  });

  it('prints durations as Go does', () => {
    expect([0, 1500, 2e6, 9e10, 3.6e12].map(formatDurationNs)).toEqual(['0s', '1.5µs', '2ms', '1m30s', '1h0m0s']);
  });

  it.each([
    ['1.5', 1_500_000_000],
    ['.5', 500_000_000],
    ['3/2', 1_500_000_000],
    ['2', 2_000_000_000],
    ['1e-2', 10_000_000],
  ])('reads %s CPUs', (text, nano) => expect(parseNanoCpus(text)).toBe(nano));

  it('refuses CPUs that are no number or too fine', () => {
    expect(() => parseNanoCpus('x')).toThrow('failed to parse x as a rational number');
    expect(() => parseNanoCpus('1/0')).toThrow('failed to parse');
    expect(() => parseNanoCpus('0.0000000001')).toThrow('value is too precise');
  });

  it('reads integers in the bases of Go and refuses what does not fit', () => {
    const int = { bits: 64, signed: true } as const;
    expect([parseInteger('0x10', int), parseInteger('010', int), parseInteger('-7', int)]).toEqual([16, 8, -7]);
    expect(() => parseInteger('99999999999999999999', int)).toThrow('value out of range');
    expect(() => parseInteger('65536', { bits: 16, signed: false })).toThrow('strconv.ParseUint');
    expect(() => parseInteger('-1', { bits: 16, signed: false })).toThrow('invalid syntax');
  });
});

describe('the help of flags', () => {
  const specs = {
    tag: listFlag('tag,t', 'Name and optionally a tag in the format that the registry wants it to be in'),
    quiet: boolFlag('quiet,q', 'Be quiet'),
    proxy: boolFlag('proxy', 'Proxy', { initial: true }),
    secret: stringFlag('secret', 'Hidden', { hidden: true }),
  };

  it('sorts, aligns, wraps and shows defaults', () => {
    expect(flagUsages(specs, 60)).toBe(
      [
        '      --proxy      Proxy (default true)',
        '  -q, --quiet      Be quiet',
        '  -t, --tag list   Name and optionally a tag in the',
        '                   format that the registry wants it',
        '                   to be in',
        '',
      ].join('\n'),
    );
  });

  it('does not break on a terminal that is too narrow', () => {
    expect(flagUsages(specs, 40)).toContain('  -q, --quiet      \n                Be quiet');
    expect(flagUsages(specs, 10)).toContain('  -q, --quiet      Be quiet\n');
  });
});
