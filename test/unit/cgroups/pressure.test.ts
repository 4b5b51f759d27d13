import { expect, test } from 'vitest';
import { parsePressure, readPressure } from '../../../daemon/cgroups/pressure.ts';

const some = 'some avg10=1.50 avg60=0.25 avg300=0.00 total=123456';

test('both lines of a resource, or the first alone', () => {
  const shares = { avg10: 1.5, avg60: 0.25, avg300: 0, total_us: 123456 };
  expect(parsePressure(`${some}\n${some.replace('some', 'full')}\n`)).toEqual({ some: shares, full: shares });
  expect(parsePressure(`${some}\n`)).toEqual({ some: shares });
  expect(parsePressure('')).toBeUndefined();
  expect(parsePressure('some avg10=x')).toBeUndefined();
});

test('the resources that the kernel counts', () => {
  const files = new Map([
    ['cpu.pressure', some],
    ['io.pressure', some],
  ]);
  expect(Object.keys(readPressure((name) => files.get(name)) ?? {})).toEqual(['cpu', 'io']);
  expect(
    readPressure(() => undefined),
    'a kernel without it',
  ).toBeUndefined();
});
