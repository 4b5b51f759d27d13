// A cache from elsewhere: what is looked for in it, when it is fetched, and what happens where it does not have what it says.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Edge } from '../../../../daemon/build/graph/operation.ts';
import type { ImportedRecord } from '../../../../daemon/build/solver/imported-cache.ts';
import { holdLayers } from '../../../../daemon/build/steps/layers-result.ts';
import { base, context, copy, run, SolverFixture } from './solver-fixture.ts';

let fixture: SolverFixture;
let fetched: string[];
/** Names of those whose layers are here, and of those that cannot be had. */
let here: string[];
let broken: string[];
beforeEach(() => {
  fixture = new SolverFixture();
  [fetched, here, broken] = [[], [], []];
});
afterEach(() => {
  fixture[Symbol.dispose]();
  expect(fixture.errors).toEqual([]);
  expect([...fixture.layers.holds.keys()]).toEqual([]);
  expect(fixture.directoriesHeld).toBe(0);
});

/** Builds, forgets it, and has it in the cache from elsewhere. */
async function builtElsewhere(edge: Edge): Promise<void> {
  const found = new Map<string, ImportedRecord>();
  const used = new Set<string>();
  await using solve = fixture.open();
  await solve.evaluate(edge);
  for (const { key, record } of solve.known.values()) {
    if (record === undefined) continue;
    const { description, outputs } = record;
    for (const input of key.inputs) used.add(input);
    const imported: ImportedRecord = {
      identity: key.identity,
      createdMs: 5,
      here: () => (here.includes(description) ? holdLayers(fixture.layers, outputs[0]) : undefined),
      fetch: async () => {
        fetched.push(description);
        if (broken.includes(description)) throw new Error('it is broken');
        return holdLayers(fixture.layers, outputs[0]);
      },
    };
    for (const name of [key.key, ...key.aliases]) found.set(name, imported);
  }
  for (const record of [...fixture.records.all()]) fixture.records.remove(record);
  fixture.imported = { lookup: (key) => found.get(key), hasUses: (identity) => used.has(identity) };
}

const kept = () => [...fixture.records.all()].map(({ description, createdMs }) => `${description} ${createdMs}`).sort();

test('has what is needed, of which only that is fetched; the rest is known where its layers are here', async () => {
  const edge = run('c', run('b', run('a', base)));
  await builtElsewhere(edge);
  here = ['RUN a'];
  expect((await fixture.build(edge)).ran).toEqual([]);
  expect(fetched).toEqual(['RUN c']);
  expect(fixture.cached.sort()).toEqual(['RUN a', 'RUN b', 'RUN c']);
  expect(kept()).toEqual(['RUN a 5', 'RUN c 5']);
  expect((await fixture.build(edge)).ran).toEqual([]);
  expect(fetched).toEqual(['RUN c']);
});

test('is behind a step that is new', async () => {
  const old = run('b', run('a', base));
  await builtElsewhere(old);
  expect((await fixture.build(run('new', old))).ran).toEqual(['RUN new']);
  expect(fetched).toEqual(['RUN b']);
  expect(fixture.cached.sort()).toEqual(['RUN a', 'RUN b']);
});

test('saves stages that were copied from, by definition, and copies of a context by their content', async () => {
  const edge = copy('/c', context, copy('/s', run('stage', base), run('a', base)));
  await builtElsewhere(edge);
  expect((await fixture.build(edge)).ran).toEqual(['context']);
  expect(fetched).toEqual(['COPY /c']);
  fixture.content = 'other';
  expect((await fixture.build(edge)).ran).toEqual(['context', 'COPY /c']);
  expect(fetched).toEqual(['COPY /c', 'COPY /s']);
});

test('that does not have what it says is told, and the step runs', async () => {
  const edge = run('b', run('a', base));
  await builtElsewhere(edge);
  broken = ['RUN b'];
  expect((await fixture.build(edge)).ran).toEqual(['RUN b']);
  expect(fetched).toEqual(['RUN b', 'RUN a']);
  expect(fixture.cached).toEqual(['RUN a']);
  expect(fixture.events.filter(({ kind }) => kind === 'warning')).toMatchObject([
    { short: 'RUN b: it is run, since a cache does not have what it says: it is broken' },
  ]);
});

test('is not asked for vertices that ignore it', async () => {
  const graph = (ignoresCache: boolean) => run('b', run('a', base, { ignoresCache }), { ignoresCache });
  await builtElsewhere(graph(false));
  expect((await fixture.build(graph(true))).ran).toEqual(['RUN a', 'RUN b']);
  expect(fetched).toEqual([]);
});

test('is brought whole for who gives it on', async () => {
  const edge = copy('/s', run('stage', base), run('a', base));
  await builtElsewhere(edge);
  await using solve = fixture.open();
  await solve.evaluate(edge);
  expect(fetched).toEqual(['COPY /s']);
  await solve.bringAll();
  expect(fetched.sort()).toEqual(['COPY /s', 'RUN a', 'RUN stage']);
  expect([...solve.known.values()].filter(({ record }) => record === undefined)).toEqual([]);
});
