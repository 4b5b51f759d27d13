import { describe, expect, it } from 'vitest';
import { binarySize, formatGeneral, humanDuration, humanSize } from '../../../../daemon/protocols/units/human-units.ts';

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
    [90_000_000_000, '2 years'],
  ])('calls %d ms %s', (ms, text) => expect(humanDuration(ms)).toBe(text));
});
