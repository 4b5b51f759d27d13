// A client that goes away takes its build with it: what runs is killed, nothing of it stays, and the next build is as if it had not been.

import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { expect } from 'vitest';
import { queryOf } from '../../harness/build/build-engine.ts';
import { type BuildFiles, contextTar } from '../../harness/build/build-files.ts';
import { ownTest, useBuilder } from '../../harness/build/use-builder.ts';
import { eventually } from '../../harness/eventually.ts';
import { processIds } from '../../harness/ledger.ts';

const fixture = useBuilder();

/** Sends a build and leaves once `isTime` says so. */
async function abandon(files: BuildFiles, isTime: () => boolean): Promise<void> {
  const { own } = fixture;
  const path = `/build?${queryOf({})}`;
  const req = request({ socketPath: own.daemon.socketPath, method: 'POST', path, agent: false });
  req.on('error', () => {});
  req.on('response', (answer) => answer.resume().on('error', () => {}));
  req.end(contextTar(files));
  try {
    await eventually('the step runs', isTime);
  } finally {
    req.destroy();
  }
}

function running(words: string): number[] {
  return processIds().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim() === words;
    } catch {
      return false;
    }
  });
}

const step = (n: number) => ({ Dockerfile: `FROM busybox\nRUN echo begun && sleep 98${n} & sleep 97${n}; wait\n` });

ownTest('its processes are gone at once, and all else soon', async () => {
  const { own } = fixture;
  await abandon(step(1), () => running('sleep 981').length === 1 && running('sleep 971').length === 1);
  await eventually('the processes are gone', () => running('sleep 981').length + running('sleep 971').length === 0);
  expect(await own.daemon.leftovers()).toEqual([]);
  expect(await own.api.get('/containers/json?all=1')).toEqual([]);
  const next = await own.tryBuild({ Dockerfile: 'FROM busybox\nRUN echo next' }, { noCache: true });
  expect(next).toMatchObject({ error: undefined, output: 'next\n' });
});

ownTest('a step that two builds wait for goes on for the one that stays', async () => {
  const { own } = fixture;
  const shared = { Dockerfile: 'FROM busybox\nRUN sleep 1.9; echo finished >/x\n' };
  const staying = own.tryBuild(shared);
  await abandon(shared, () => running('sleep 1.9').length > 0);
  expect(await staying).toMatchObject({ error: undefined });
});

ownTest('other builds and containers are left alone', async () => {
  const { own } = fixture;
  const other = own.tryBuild({ Dockerfile: 'FROM busybox\nRUN sleep 1.8; echo other\n' }, { noCache: true });
  await eventually('the other one runs', () => running('sleep 1.8').length === 1);
  await abandon(step(3), () => running('sleep 973').length === 1);
  expect(await other).toMatchObject({ error: undefined, output: 'other\n' });
});

ownTest('a client that leaves while it sends leaves nothing', async () => {
  const { own } = fixture;
  const tar = contextTar({ Dockerfile: 'FROM busybox\nCOPY . /x', big: Buffer.alloc(4 << 20, 7) });
  const headers = { 'Content-Type': 'application/x-tar', 'Content-Length': String(tar.length) };
  const req = request({ socketPath: own.daemon.socketPath, method: 'POST', path: '/build', headers, agent: false });
  req.on('error', () => {});
  req.write(tar.subarray(0, 3 << 20));
  await new Promise((resolve) => setTimeout(resolve, 300));
  req.destroy();
  expect(await own.daemon.leftovers()).toEqual([]);
  expect(await own.tryBuild({ Dockerfile: 'FROM busybox\nRUN true' })).toMatchObject({ error: undefined });
});
