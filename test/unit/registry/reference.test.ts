import { describe, expect, test } from 'vitest';
import { familiar, familiarName, isValidTag, parseReference } from '../../../daemon/registry/reference.ts';
import { usualMs, workMs } from '../../harness/pace.ts';

const valid: [string, string, string][] = [
  ['busybox', 'docker.io/library/busybox', 'busybox'],
  ['busybox:1', 'docker.io/library/busybox', 'busybox:1'],
  ['user/app', 'docker.io/user/app', 'user/app'],
  ['library/app', 'docker.io/library/app', 'app'],
  ['docker.io/app', 'docker.io/library/app', 'app'],
  ['docker.io/library/app:x', 'docker.io/library/app', 'app:x'],
  ['index.docker.io/user/app', 'docker.io/user/app', 'user/app'],
  ['localhost/app', 'localhost/app', 'localhost/app'],
  ['localhost:5000/a/b:v', 'localhost:5000/a/b', 'localhost:5000/a/b:v'],
  ['reg.example/a', 'reg.example/a', 'reg.example/a'],
  ['127.0.0.1:5000/a', '127.0.0.1:5000/a', '127.0.0.1:5000/a'],
  ['[::1]:5000/a', '[::1]:5000/a', '[::1]:5000/a'],
  ['HOST/a', 'HOST/a', 'HOST/a'],
  ['a.b_c__d-e---f', 'docker.io/library/a.b_c__d-e---f', 'a.b_c__d-e---f'],
  ['constructor', 'docker.io/library/constructor', 'constructor'],
  ['a/library/b', 'docker.io/a/library/b', 'a/library/b'],
  ['docker.io/library/a/b', 'docker.io/library/a/b', 'library/a/b'],
  [`a@sha256:${'0'.repeat(64)}`, 'docker.io/library/a', `a@sha256:${'0'.repeat(64)}`],
  [`a:b@sha256:${'0'.repeat(64)}`, 'docker.io/library/a', `a:b@sha256:${'0'.repeat(64)}`],
];

describe('references', () => {
  test.each(valid)('%s is %s', (text, repository, shown) => {
    const reference = parseReference(text);
    expect(reference.repository).toBe(repository);
    expect(familiar(reference)).toBe(shown);
    expect(parseReference(familiar(reference))).toEqual(reference);
  });

  const invalid = [
    '',
    ':x',
    'a:',
    'a//b',
    '../x',
    '/a',
    'a/',
    'a b',
    'a:b c',
    'a:-b',
    `a:${'x'.repeat(129)}`,
    'UPPER',
    'a/B',
    '-a',
    'a-',
    'a..b',
    'a___b',
    'a._b',
    'a@sha256:short',
    `a@sha256:${'0'.repeat(63)}`,
    `a@sha256:${'F'.repeat(64)}`,
    'localhost/..%2f',
    'naïve',
    `${'a/'.repeat(150)}b`,
    '0'.repeat(64),
    'host:port/a',
    '-host.x/a',
    'http://x/a',
    'a\n',
    'a\0',
  ];
  test.each(invalid)('%j is none', (text) => {
    expect(() => parseReference(text)).toThrow(/invalid/);
  });

  test('reading is linear: a hundred thousand characters take no time', () => {
    const texts = [
      'a'.repeat(1e5),
      'a-'.repeat(5e4),
      'a/'.repeat(5e4),
      `a:${'b'.repeat(1e5)}`,
      `a@${'b+'.repeat(5e4)}`,
    ];
    const work = () => {
      for (const text of texts) expect(() => parseReference(text)).toThrow(/invalid/);
    };
    expect(workMs(work)).toBeLessThan(200 * usualMs());
  });

  test('tags and short names', () => {
    expect([isValidTag('v1.0_x-y'), isValidTag('.x'), isValidTag('')]).toEqual([true, false, false]);
    expect(familiarName('docker.io/library/x')).toBe('x');
  });
});
