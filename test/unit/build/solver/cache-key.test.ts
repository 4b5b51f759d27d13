// What counts for the cache, and what does not.
import { expect, test } from 'vitest';
import type { ExecMount, ExecOperation, FileOperation } from '../../../../daemon/build/graph/operation.ts';
import {
  contentKey,
  contentSelections,
  definitionKey,
  settingsKey,
} from '../../../../daemon/build/solver/cache-key.ts';
import { base, context, copy, noSettings, run } from './solver-fixture.ts';

const exec = run('make', base).vertex.operation as ExecOperation;
const file = copy('/x', context, base).vertex.operation as FileOperation;
const settings = settingsKey(noSettings);

test('a definition is what is done and with what', () => {
  const key = definitionKey(exec, settings, ['a']);
  expect(definitionKey({ ...exec }, settings, ['a'])).toBe(key);
  expect(definitionKey({ ...exec, proxyEnv: ['http_proxy=x'] }, settings, ['a'])).toBe(key);
  expect(definitionKey({ ...exec, env: ['A=1'] }, settings, ['a'])).not.toBe(key);
  expect(definitionKey(exec, settings, ['b'])).not.toBe(key);
  expect(contentKey(exec, settings, ['a'])).not.toBe(key);
  const backwards = Object.fromEntries(Object.entries(exec).reverse()) as unknown as ExecOperation;
  expect(definitionKey(backwards, settings, ['a'])).toBe(key);
});

test('of the surroundings the names of hosts count, and no limits; for files nothing does', () => {
  const hosts = settingsKey({ ...noSettings, extraHosts: [{ name: 'db', address: '10.0.0.1' }] });
  expect(hosts).not.toBe(settings);
  expect(settingsKey({ ...noSettings, extraHosts: [{ name: 'db', address: '10.0.0.2' }] })).toBe(hosts);
  expect(settingsKey({ ...noSettings, memoryBytes: 1e9, cpuShares: 2, cgroupParent: '/x' })).toBe(settings);
  expect(settingsKey({ ...noSettings, network: { kind: 'host' } })).not.toBe(settings);
  expect(definitionKey(file, hosts, ['a'])).toBe(definitionKey(file, settings, ['a']));
});

test('of what is copied only the selected files matter, unless something is written on top of it', () => {
  const [under, from] = contentSelections(file, 2);
  expect(under).toBeUndefined();
  expect(from).toMatchObject([{ sources: ['/x'], followsLinks: true }]);
  const onItself: FileOperation = { ...file, actions: file.actions.map((action) => ({ ...action, input: 1 })) };
  expect(contentSelections(onItself, 2)).toEqual([undefined, undefined]);
});

test('of mounts only those matter by content whose writes are lost', () => {
  const root = exec.mounts[0] as ExecMount;
  const bind = { type: 'bind', target: '/m', input: 1, selector: '/sub', isReadonly: true, output: -1 } as const;
  const selected = [{ sources: ['/sub'], hasWildcards: false }];
  const of = (mount: ExecMount) => contentSelections({ ...exec, mounts: [root, mount] }, 2);
  expect(of(bind)).toMatchObject([undefined, selected]);
  expect(of({ ...bind, isReadonly: false })).toMatchObject([undefined, selected]);
  expect(of({ ...bind, isReadonly: false, output: 1 })).toEqual([undefined, undefined]);
});
