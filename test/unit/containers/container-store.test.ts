import { expect, it } from 'vitest';
import type { ContainerRecord } from '../../../daemon/containers/container-record.ts';
import { ContainerStore } from '../../../daemon/containers/container-store.ts';
import { newState } from '../../../daemon/containers/lifecycle/container-state.ts';
import type { DockerBody } from '../../../daemon/spec/docker/from-docker.ts';
import { Database } from '../../../daemon/state/database.ts';
import { specOf } from '../spec/spec-of.ts';

function record(id: string, name: string): ContainerRecord {
  const labels = JSON.parse('{"__proto__":"x"}');
  return {
    id,
    name,
    createdNs: '1',
    imageId: 'sha256:0',
    body: { config: { Labels: labels } as DockerBody['config'], hostConfig: {} },
    spec: specOf({}, { Labels: labels }),
    endpoints: [],
  };
}

const first = `aa${'0'.repeat(62)}`;
const second = `ab${'0'.repeat(62)}`;

function filled(): { db: Database; store: ContainerStore } {
  const db = Database.open(':memory:');
  const store = new ContainerStore(db);
  store.insert(record(first, 'web'), newState());
  store.insert(record(second, 'constructor'), newState());
  return { db, store };
}

it('finds by full id, name, slash name and unique prefix, in this order', () => {
  const { store } = filled();
  expect(store.get(first).record.name).toBe('web');
  expect(store.get('/web').id).toBe(first);
  expect(store.get('constructor').id).toBe(second);
  expect(store.get('aa').id).toBe(first);
  expect(() => store.get('a')).toThrow('multiple IDs found with provided prefix: a');
  for (const ref of ['', 'nope', '__proto__', 'toString', 'AA', `${first}0`]) {
    expect(() => store.get(ref), ref).toThrow(`No such container: ${ref}`);
  }
  // A name wins over a prefix of an id.
  store.rename(store.get('web'), 'ab');
  expect(store.get('ab').id).toBe(first);
});

it('gives a name to one container only, and frees it with the row', () => {
  const { store } = filled();
  const again = record(`ac${'0'.repeat(62)}`, 'web');
  const conflict = `Conflict. The container name "/web" is already in use by container "${first}".`;
  expect(() => store.insert(again, newState())).toThrow(conflict);
  expect(() => store.rename(store.get('constructor'), 'web')).toThrow(conflict);
  expect(store.get('constructor').record.name).toBe('constructor');
  store.delete(store.get('web'));
  expect(store.insert(again, newState()).record.name).toBe('web');
});

it('reads back what it stored; what it cannot read is a dead container that can be removed', async () => {
  const { db, store } = filled();
  const container = store.get('web');
  await container.locked((held) => store.saveState(held, { ...container.state, status: 'exited', exitCode: 7 }));
  db.run("UPDATE containers SET record = '{' WHERE id = ?", second);
  const next = new ContainerStore(db);
  expect([...next.load().unreadable.keys()]).toEqual([second]);
  expect(next.get('web').state).toMatchObject({ status: 'exited', exitCode: 7 });
  expect(Object.entries(next.get('web').spec.labels)).toEqual([['__proto__', 'x']]);
  const dead = next.get('constructor');
  expect(dead.state).toMatchObject({ status: 'dead', error: expect.stringContaining('cannot be read') });
  expect(dead.record).toMatchObject({ id: second, imageId: 'sha256:0', spec: { mounts: [] } });
  next.delete(dead);
  expect(db.all('SELECT id FROM containers')).toHaveLength(1);
  expect(() => next.get('constructor')).toThrow('No such container');
});

it('a state that is not the one that was stored is told; one of an earlier version is taken', async () => {
  const { db, store } = filled();
  const container = store.get('web');
  await container.locked((held) => store.saveState(held, { ...container.state, status: 'exited', exitCode: 7 }));
  const stored = String(db.get('SELECT state FROM containers WHERE id = ?', first)?.state);
  for (const [text, isTaken] of [
    [stored, true],
    ['{"status":"exited","exitCode":7}', true],
    [stored.replace('"exitCode":7', '"exitCode":5'), false],
    ['{"status":"exitee"}', false],
    ['{', false],
    ['null', false],
  ] as const) {
    db.run('UPDATE containers SET state = ? WHERE id = ?', text, first);
    const next = new ContainerStore(db);
    const { stateless } = next.load();
    expect([...stateless.keys()], text).toEqual(isTaken ? [] : [first]);
    expect(next.get('web').state, text).toMatchObject({ status: 'exited', exitCode: isTaken ? 7 : 255 });
  }
});
