// Fifty clients at once, each with archives that are made to fill a daemon: it stays small, and answers everybody else.
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { answerClock } from '../harness/answer-clock.ts';
import { create } from '../harness/containers.ts';
import { sleep, timeFactor } from '../harness/eventually.ts';
import { keysWithoutEnd, largeWindow, longValues, manyDirectories, manyNames } from '../harness/hostile-archives.ts';
import { pssBytes, residentBytes } from '../harness/ledger.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const CLIENTS = 50;
const SOAK_MS = 10_000;
const MEMORY_BYTES = 250 * (1 << 20);
const PING_MS = 100;

const fixture = useDaemon({ dataInMemory: 'size=1g,nr_inodes=400k' });

interface Attack {
  method: string;
  path: string;
  body?: Buffer;
  /** Sends so much of its body, and then nothing. */
  stallsAfter?: number;
}

/** Resolves to the status, 0 when the daemon cut the connection. Leaves after `patienceMs`. What comes is thrown away. */
function send(attack: Attack, patienceMs: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const { method, path, body, stallsAfter } = attack;
  const client = request({ socketPath: fixture.daemon.socketPath, method, path, agent: false }, (answer) => {
    answer.resume().once('close', () => resolve(answer.statusCode ?? 0));
  });
  client.once('error', () => resolve(0));
  if (stallsAfter === undefined) client.end(body);
  else client.write((body as Buffer).subarray(0, stallsAfter));
  setTimeout(() => client.destroy(), patienceMs).unref();
  return promise;
}

/** Every 20 ms: how long `_ping` takes beyond what a processor was waited for, and how large the daemon is. */
async function watch(until: Promise<unknown>): Promise<{ pings: number[]; rss: number; pss: number }> {
  const seen = { pings: [] as number[], rss: 0, pss: 0 };
  const { pid, api } = fixture.daemon;
  const clock = answerClock(pid);
  let isOver = false;
  void until.finally(() => {
    isOver = true;
  });
  for (let round = 0; !isOver; round++) {
    const answered = clock.begin();
    expect((await api.send('GET', '/_ping')).status).toBe(200);
    seen.pings.push(answered());
    seen.rss = Math.max(seen.rss, residentBytes(pid));
    if (round % 10 === 0) seen.pss = Math.max(seen.pss, pssBytes(pid));
    await sleep(20);
  }
  seen.pings.sort((a, b) => a - b);
  return seen;
}

test('fifty clients with hostile archives: the daemon stays below 250 MB and answers others, most of them within 100 ms', async () => {
  const { daemon } = fixture;
  const id = await create(daemon, 'true');
  const full = await create(daemon, 'true');
  const filled = await daemon.api.send('PUT', `/containers/${full}/archive?path=/`, { raw: manyDirectories(1000) });
  expect(filled.status).toBe(200);
  const importing = { method: 'POST', path: '/images/create?fromSrc=-' };
  const putting = { method: 'PUT', path: `/containers/${id}/archive?path=/` };
  const loading = { method: 'POST', path: '/images/load?quiet=1' };
  const values = longValues();
  const attacks: Attack[] = [
    { ...importing, body: keysWithoutEnd() },
    { ...putting, body: keysWithoutEnd() },
    { ...importing, body: values },
    { ...importing, body: values, stallsAfter: values.length >> 1 },
    { ...loading, body: values },
    { ...loading, body: values, stallsAfter: values.length >> 1 },
    { ...putting, body: manyDirectories(11_000) },
    { ...importing, body: manyDirectories(11_000) },
    { ...loading, body: manyNames(60_000) },
    { ...importing, body: largeWindow() },
    { ...loading, body: largeWindow() },
    { method: 'GET', path: `/containers/${full}/export` },
    { method: 'GET', path: `/containers/${full}/changes` },
    { method: 'GET', path: `/containers/json?all=1&size=1` },
  ];
  await send(attacks[0] as Attack, 60_000);
  const statuses = new Map<string, number>();
  const end = performance.now() + SOAK_MS;
  const client = async (number: number): Promise<void> => {
    for (let round = number; performance.now() < end; round += 7) {
      const attack = attacks[round % attacks.length] as Attack;
      const status = await send(attack, 3000 + 50 * number);
      const key = `${attack.method} ${attack.path.split('?')[0]?.replace(/[0-9a-f]{64}/, 'ID')} ${status}`;
      statuses.set(key, (statuses.get(key) ?? 0) + 1);
    }
  };
  const soak = Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
  const { pings, rss, pss } = await watch(soak);
  const at = (share: number): number => Math.round(pings[Math.floor(pings.length * share)] ?? 0);
  const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
  console.log(
    `soak: RSS ${megabytes(rss)} MB, PSS ${megabytes(pss)} MB; ${pings.length} pings: median ${at(0.5)}, 95 % ${at(0.95)}, 99 % ${at(0.99)}, most ${at(1 - 1 / pings.length)} ms`,
    Object.fromEntries([...statuses].sort()),
  );
  // What their clients gave up is given up, and the containers can be had again.
  for (const used of [id, full]) {
    const removed = await daemon.api.send('DELETE', `/containers/${used}?force=1`, { timeoutMs: 120_000 });
    expect(removed.status).toBe(204);
  }
  // Proportional: the pages of Node's program are other processes' as well.
  expect(pss).toBeLessThan(MEMORY_BYTES);
  expect(at(0.5)).toBeLessThan(PING_MS * timeFactor);
  expect(daemon.logTail()).not.toMatch(/jail worker/);
}, 300_000);
