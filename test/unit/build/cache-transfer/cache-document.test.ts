// The document of a cache: what is written is read back, what BuildKit writes is read, and what a stranger writes is bounded.
import { describe, expect, test } from 'vitest';
import {
  chainOf,
  decodeCache,
  decodeRecords,
  encodeCache,
  encodeRecords,
  MAX_DOCUMENT_BYTES,
} from '../../../../daemon/build/cache-transfer/cache-document.ts';
import { documentRecords, RecordIndex } from '../../../../daemon/build/cache-transfer/record-graph.ts';
import { MAX_LAYERS } from '../../../../daemon/snapshots/layer-store.ts';

const hex = (digit: string) => digit.repeat(64);
const blob = (digit: string) => `sha256:${hex(digit)}`;
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const layers = [
  { blob: blob('1'), parent: -1 },
  { blob: blob('2'), parent: 0 },
];

describe('records of this engine', () => {
  const records = documentRecords([
    {
      identity: hex('a'),
      names: new Map([[hex('a'), [`layers:${blob('1')}`]]]),
      createdMs: 1000,
      layer: 1,
    },
    // It was run anew: keys above it are made with something else.
    {
      identity: hex('f'),
      names: new Map([
        [hex('b'), [hex('a')]],
        [hex('c'), [hex('a'), 'git:1']],
      ]),
      createdMs: 2000,
      layer: 1,
    },
    { identity: hex('d'), names: new Map([[hex('d'), [hex('f')]]]), createdMs: 3000, layer: undefined },
  ]);

  test('come back as they were', () => {
    const document = { layers, records };
    expect(decodeCache(encodeCache(document))).toEqual(document);
    expect(decodeRecords(encodeRecords(records), 2)).toEqual(records);
    expect(documentRecords([])).toEqual([]);
  });

  test('are found by each of their keys, with what they are known as', () => {
    const index = new RecordIndex(layers, records);
    expect(index.lookup(hex('a'))).toEqual({ identity: hex('a'), layers: [0, 1], createdMs: 1000 });
    for (const key of ['b', 'c', 'f'])
      expect(index.lookup(hex(key))).toEqual({ identity: hex('f'), layers: [0, 1], createdMs: 2000 });
    expect(index.lookup(hex('d'))).toBeUndefined();
    expect(index.lookup(hex('1'))).toBeUndefined();
    const used = [`layers:${blob('1')}`, hex('a'), 'git:1', hex('f')];
    expect(used.filter((identity) => !index.hasUses(identity))).toEqual([]);
    expect([hex('b'), hex('d'), 'git:2', 'layers:'].filter((identity) => index.hasUses(identity))).toEqual([]);
  });
});

test('a document of BuildKit is read: what Go leaves out, links of several inputs, times before there were any', () => {
  const document = decodeCache(
    bytes({
      layers: [{ blob: blob('1'), parent: -1, annotations: { mediaType: 'x' } }, { blob: blob('2') }],
      records: [
        { digest: 'random:abc', layers: [{ layer: 1, createdAt: '0001-01-01T00:00:00Z' }] },
        { digest: blob('3'), inputs: [[{ selector: blob('4'), link: 0 }], null], chains: [{ layers: [0, 1] }] },
        { digest: blob('5'), layers: null },
      ],
    }),
  );
  expect(document.layers).toEqual(layers);
  expect(document.records).toMatchObject([
    { digest: 'random:abc', layer: 1, createdMs: undefined },
    { inputs: [[{ link: 0, selector: blob('4') }], []], layer: undefined },
    { inputs: [] },
  ]);
  expect(chainOf(document.layers, 1)).toEqual([0, 1]);
  expect(decodeCache(bytes({}))).toEqual({ layers: [], records: [] });
});

describe('a document of a stranger', () => {
  const record = (more: object) => ({ layers, records: [{ digest: blob('3'), ...more }] });
  const chain = (length: number) => Array.from({ length }, (_, index) => ({ blob: blob('1'), parent: index - 1 }));
  const links = (length: number) => Array.from({ length }, () => ({ link: 0 }));

  test.each([
    ['no object', [], 'it is no object'],
    ['a layer that is no digest', { layers: [{ blob: '../../etc', parent: -1 }] }, 'no sha256 digest'],
    ['a parent that is none', { layers: [{ blob: blob('1'), parent: 7 }] }, 'stands on number 7'],
    ['a parent that is no number', { layers: [{ blob: blob('1'), parent: '0' }] }, 'no index'],
    ['a layer on itself', { layers: [{ blob: blob('1') }] }, 'stands on itself'],
    [
      'layers on each other',
      {
        layers: [
          { blob: blob('1'), parent: 1 },
          { blob: blob('2'), parent: 0 },
        ],
      },
      'stands on itself',
    ],
    ['too high a chain', { layers: chain(MAX_LAYERS + 1) }, `more than ${MAX_LAYERS} layers`],
    [
      'too high a chain, from above',
      {
        layers: chain(MAX_LAYERS + 1)
          .reverse()
          .map((layer, index, all) => ({ ...layer, parent: index + 1 < all.length ? index + 1 : -1 })),
      },
      'too many others',
    ],
    ['too many layers', { layers: chain(30_000).map((layer) => ({ ...layer, parent: -1 })) }, '30000 entries'],
    ['a record of a layer that is none', record({ layers: [{ layer: 2 }] }), 'has layer 2'],
    ['a record of a layer below all', record({ layers: [{ layer: -1 }] }), 'has layer -1'],
    ['a record on one that is none', record({ inputs: [[{ link: 1 }]] }), 'stands on record 1'],
    ['a record on itself', record({ inputs: [[{ link: 0 }]] }), 'in a circle'],
    ['a record without a digest', { records: [{}] }, 'digest is no text'],
    ['a selector that is no text', record({ inputs: [[{ link: 0, selector: 1 }]] }), 'no text as selector'],
    ['inputs that are none', record({ inputs: { a: 1 } }), 'is no list'],
    [
      'too many links',
      {
        records: [
          { digest: blob('1') },
          ...Array.from({ length: 3 }, () => ({ digest: blob('2'), inputs: [links(70_000)] })),
        ],
      },
      'no JSON, or too much of it',
    ],
  ])('%s', (_, document, message) => {
    expect(() => decodeCache(bytes(document))).toThrow(message);
  });

  test('as bytes: no JSON, too deep, too large', () => {
    expect(() => decodeCache(Buffer.from('{'))).toThrow('no JSON');
    expect(() => decodeCache(Buffer.from('['.repeat(1e6)))).toThrow('no JSON');
    expect(() => decodeCache(Buffer.alloc(MAX_DOCUMENT_BYTES + 1, 0x20))).toThrow('more than');
    expect(() => decodeRecords(bytes([{ digest: 'x', layers: [{ layer: 1 }] }]), 1)).toThrow('has layer 1');
  });

  test('with a long chain of records is read without a deep stack', () => {
    const long = Array.from({ length: 40_000 }, (_, link) => ({
      digest: 'x',
      inputs: link === 0 ? [] : [[{ link: link - 1 }]],
    }));
    expect(decodeCache(bytes({ records: long })).records).toHaveLength(40_000);
    const circle = long.map((one, index) => (index === 0 ? { ...one, inputs: [[{ link: 39_999 }]] } : one));
    expect(() => decodeCache(bytes({ records: circle }))).toThrow('in a circle');
  });
});
