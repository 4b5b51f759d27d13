import { describe, expect, test } from 'vitest';
import { parseChallenges } from '../../../daemon/registry/challenge.ts';
import { usualMs, workMs } from '../../harness/pace.ts';

const read = (header: string | undefined) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe('WWW-Authenticate', () => {
  test('a bearer challenge has its parameters, quoted or not, with commas inside', () => {
    expect(read('Bearer realm="https://auth.example/token",service=reg,scope="repository:a/b:pull,push"')).toEqual([
      ['bearer', { realm: 'https://auth.example/token', service: 'reg', scope: 'repository:a/b:pull,push' }],
    ]);
  });

  test('several challenges in one header are told apart', () => {
    expect(read('Basic realm="x", BEARER Realm = "y"')).toEqual([
      ['basic', { realm: 'x' }],
      ['bearer', { realm: 'y' }],
    ]);
  });

  test('an escaped quote is part of the value; the first of two equal parameters counts', () => {
    expect(read('Bearer realm="a\\"b", realm="c"')).toEqual([['bearer', { realm: 'a"b' }]]);
  });

  test('what cannot be read is left out, and a long header costs nothing', () => {
    expect(read(undefined)).toEqual([]);
    expect(read('')).toEqual([]);
    expect(read('Bearer realm="open')).toEqual([['bearer', {}]]);
    expect(read('=,=,"x"')).toEqual([]);
    const work = () => {
      read(`Bearer ${'a=b,'.repeat(1_000_000)}`);
      read(`Bearer realm="${'\\'.repeat(1_000_000)}`);
    };
    expect(workMs(work)).toBeLessThan(2000 * usualMs());
  });
});
