// A build's processes and what becomes of them: kill -9 of the daemon, its orderly end, a client that leaves. Nothing is left of a step that nobody
// waits for any more, and the next build is well.

import { readFileSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { eventually, timeFactor } from '../harness/eventually.ts';
import { processIds } from '../harness/ledger.ts';
import { tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

function context(...steps: string[]): Buffer {
  return Buffer.from(
    tarOf([{ name: 'Dockerfile', data: `FROM busybox\n${steps.map((step) => `RUN ${step}\n`).join('')}` }]),
  );
}

/** Sends a build and does not wait for it. */
function begin(tar: Buffer, query = ''): { sent: ClientRequest; text: () => string; ended: Promise<void> } {
  const headers = { 'Content-Type': 'application/x-tar', 'Content-Length': String(tar.length) };
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let text = '';
  const sent = request({
    socketPath: fixture.daemon.socketPath,
    method: 'POST',
    path: `/build?${query}`,
    headers,
    agent: false,
  });
  sent.on('response', (answer) => {
    answer.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    answer.on('error', () => undefined).on('close', () => resolve());
  });
  sent.on('error', () => resolve()).end(tar);
  return { sent, text: () => text, ended };
}

async function build(tar: Buffer, query = ''): Promise<string> {
  const { text, ended } = begin(tar, query);
  await ended;
  return text();
}

const newMarker = () => String(100_000 + Math.floor(Math.random() * 800_000));

function sleepers(marker: string): number {
  return processIds().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1') === `sleep\0${marker}\0`;
    } catch {
      return false;
    }
  }).length;
}

/** Steps keep a network for a moment. */
function nothingLeft(): Promise<unknown> {
  return eventually('nothing is left', async () => (await fixture.daemon.leftovers(0)).length === 0, {
    timeoutMs: 15_000,
    everyMs: 100,
  });
}

test('kill -9 of the daemon: the next one ends what runs, and its step is not remembered', async () => {
  const { daemon } = fixture;
  const marker = newMarker();
  const steps = ['echo done > /done', `echo begun > /begun; sleep ${marker} & sleep ${marker}`];
  const { ended } = begin(context(...steps));
  await eventually('both run', () => sleepers(marker) === 2);
  await daemon.crash();
  await ended;
  expect(sleepers(marker)).toBe(2);
  await daemon.start();
  expect(sleepers(marker)).toBe(0);
  await nothingLeft();
  const text = await build(context('echo done > /done', `echo again; ls /begun`));
  expect(text).toContain('again');
  expect(text).toContain('/begun: No such file or directory');
});

test('kill -9 at any moment', async () => {
  const { daemon } = fixture;
  const steps = Array.from({ length: 10 }, (_, n) => `echo ${n} > /file${n}`);
  for (let n = 0; n < 6; n++) {
    const { ended } = begin(context(...steps, `echo round ${n}`), 'nocache=1');
    await sleep(Math.random() * 600 * timeFactor);
    await daemon.crash();
    await ended;
    await daemon.start();
    await nothingLeft();
  }
  expect(await build(context(...steps, 'cat /file0 /file9'))).toMatch(/Successfully built/);
});

test('the daemon ends: so do its steps', async () => {
  const { daemon } = fixture;
  const marker = newMarker();
  const { ended, text } = begin(context(`sleep ${marker}`));
  await eventually('it runs', () => sleepers(marker) === 1);
  expect(await daemon.stop()).toBe(0);
  await ended;
  expect(sleepers(marker)).toBe(0);
  expect(text()).not.toContain('Successfully built');
  await daemon.start();
  await nothingLeft();
});

test('a client that goes away ends its step', async () => {
  const marker = newMarker();
  const { sent } = begin(context(`trap "" TERM INT HUP; sleep ${marker}; sleep ${marker}`));
  await eventually('it runs', () => sleepers(marker) === 1);
  sent.destroy();
  await eventually('it has ended', () => sleepers(marker) === 0);
  await nothingLeft();
});

test('two builds that want the same step share it, and one that leaves does not end it for the other', async () => {
  const marker = newMarker();
  const tar = context(`sleep 1; sleep 0.${marker}; echo shared`);
  const leaving = begin(tar);
  const staying = build(tar);
  await sleep(700);
  leaving.sent.destroy();
  expect(await staying).toContain('Successfully built');
  await nothingLeft();
});
