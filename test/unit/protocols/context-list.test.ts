// The list of a client's directory and the answer to it, as they are written and read.
import { describe, expect, test } from 'vitest';
import {
  type ContextEntry,
  compareContextPaths,
  decodeContextEntry,
  encodeContextEntry,
} from '../../../daemon/protocols/context-list/context-entry.ts';
import {
  type ContextOffer,
  decodeContextOffer,
  encodeContextOffer,
} from '../../../daemon/protocols/context-list/context-offer.ts';

const common = { path: 'a/b', mode: 0o644, uid: 1, gid: 2, mtimeNs: '1700000000123456789' };

describe('an entry', () => {
  const entries: [string, ContextEntry, string][] = [
    [
      'file',
      { ...common, kind: 'file', sizeBytes: 12, stamp: 'x' },
      '["f","a/b",420,1,2,"1700000000123456789",12,"x"]',
    ],
    ['directory', { ...common, kind: 'directory' }, '["d","a/b",420,1,2,"1700000000123456789"]'],
    ['symlink', { ...common, kind: 'symlink', target: '../x' }, '["l","a/b",420,1,2,"1700000000123456789","../x"]'],
    ['fifo', { ...common, kind: 'fifo' }, '["p","a/b",420,1,2,"1700000000123456789"]'],
    [
      'bytes',
      { ...common, path: '\u00ff\u00e9\n', kind: 'fifo' },
      '["p","\u00ff\u00e9\\n",420,1,2,"1700000000123456789"]',
    ],
  ];
  test.each(entries)('%s', (_, entry, line) => {
    expect(encodeContextEntry(entry)).toBe(line);
    expect(decodeContextEntry(line)).toEqual(entry);
  });

  const paths = [
    '',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/../b',
    './a',
    'a\0',
    '\u0100',
    'n'.repeat(256),
    'n/'.repeat(2100),
  ];
  test.each(paths)('with the path %j is refused', (path) => {
    expect(() => decodeContextEntry(JSON.stringify(['d', path, 420, 0, 0, '0']))).toThrow(/path/);
  });

  test.each([
    '',
    '{}',
    '[]',
    '["d","a",420,0,0,0]',
    '["d","a",420,0,0,"1e9"]',
    '["d","a",4096,0,0,"0"]',
    '["d","a",1.5,0,0,"0"]',
    '["d","a",0,-1,0,"0"]',
    '["d","a",0,0,4294967295,"0"]',
    '["f","a",0,0,0,"0",-1,""]',
    '["f","a",0,0,0,"0",1]',
    '["f","a",0,0,0,"0",9007199254740993,""]',
    `["f","a",0,0,0,"0",1,"${'s'.repeat(101)}"]`,
    '["l","a",0,0,0,"0",""]',
    '["l","a",0,0,0,"0","x\\u0000"]',
    '["c","a",0,0,0,"0"]',
  ])('%s is none', (line) => {
    expect(() => decodeContextEntry(line)).toThrow(/cannot be|no JSON|no array/);
  });
});

test('a directory comes before what is in it, and all of that before the next', () => {
  const sorted = ['a', 'a/b', 'a/b/c', 'a/c', 'a-b', 'a.c', 'a0', 'ab', 'b'];
  expect([...sorted].reverse().sort(compareContextPaths)).toEqual(sorted);
  expect(compareContextPaths('a', 'a')).toBe(0);
});

describe('an offer', () => {
  const offer: ContextOffer = {
    update: 'abc',
    files: 3,
    bytes: 9,
    needed: [
      [0, 1],
      [4, 2],
    ],
  };
  const lines = (text: string): string[] => text.split('\n').slice(0, -1);

  test('there and back', () => {
    const text = [...encodeContextOffer(offer)].join('');
    expect(text).toBe('{"update":"abc","files":3,"bytes":9}\n[0,1]\n[4,2]\n');
    expect(decodeContextOffer(lines(text))).toEqual(offer);
  });

  test.each([
    '',
    '{"update":"a","files":1}\n[0,1]\n',
    '{"update":"a","files":1,"bytes":1}\n',
    '{"update":"a","files":2,"bytes":1}\n[1,1]\n[0,1]\n',
    '{"update":"a","files":0,"bytes":1}\n[1,0]\n',
    '{"update":"a","files":1,"bytes":1}\n[-1,1]\n',
    '{"update":"a","files":1,"bytes":1}\n{"x":1}\n',
    'x\n',
  ])('%j is none', (text) => {
    expect(() => decodeContextOffer(lines(text))).toThrow();
  });
});
