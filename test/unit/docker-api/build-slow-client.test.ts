// POST /build with a client that does not read: the daemon keeps some MiB for it, leaves out the rest of the output, and says how much that was.
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BuildOutcome, BuildRequest, PlannedStep } from '../../../daemon/build/build-request.ts';
import { createApp, registerRoutes } from '../../../daemon/docker-api/api-server.ts';
import type { App } from '../../../daemon/docker-api/app.ts';
import { type FakeServices, fakeServices } from './fake-services.ts';

const MIB = 1024 * 1024;
const TOLD = 64;
const vertex = `sha256:${'a'.repeat(64)}`;
const second = `sha256:${'b'.repeat(64)}`;
const done: BuildOutcome = { metadata: {}, unusedArgs: [] };
const leftOut = /\n\[(\d+) bytes of output were left out\]\n/g;

let app: App;
let fake: FakeServices;
let port = 0;

beforeEach(async () => {
  fake = fakeServices();
  fake.on('build.receive', () => ({ kind: 'dockerfile', text: 'FROM a' }));
  app = createApp(fake.services);
  registerRoutes(app, fake.services);
  await app.listen({ port: 0, host: '127.0.0.1' });
  ({ port } = app.addresses()[0] as AddressInfo);
});
afterEach(() => app.close());

type Work = (request: BuildRequest, plan: (steps: readonly PlannedStep[]) => void) => Promise<BuildOutcome>;

/** Sends the request, and reads nothing. */
function ask(query: string, work: Work): Socket {
  fake.on('build.build', work);
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  socket.write(`POST /build?${query} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx`);
  return socket;
}

async function readAll(socket: Socket): Promise<{ bytes: number; lines: Record<string, unknown>[] }> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  const body = Buffer.concat(parts).toString('latin1');
  const lines = body.split('\n').filter((line) => line.startsWith('{'));
  return { bytes: body.length, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

const log = (digest: string, text: string) =>
  ({ kind: 'log', vertex: digest, stream: 'stdout', bytes: Buffer.from(text), atMs: 1 }) as const;
const began = { kind: 'vertex', digest: vertex, inputs: [], name: '', startedMs: 1, isCached: false } as const;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Of output: what came, and what was said to be left out. */
function counted(text: string): { came: number; leftOut: number } {
  const gaps = [...text.matchAll(leftOut)].map(([, count]) => Number(count));
  const came = text.replaceAll(leftOut, '').replaceAll(/[^x]/g, '').length;
  return { came, leftOut: gaps.reduce((sum, gap) => sum + gap, 0) };
}

test('our own client: events stay, output and counts do not', async () => {
  const told = Promise.withResolvers<void>();
  const socket = ask('events=1', async ({ tell }) => {
    tell(began);
    for (let n = 0; n < TOLD; n++) {
      tell(log(vertex, 'x'.repeat(MIB)));
      tell({ kind: 'status', vertex, id: 'loading', current: n, total: TOLD, startedMs: 1 });
      await turn();
    }
    tell({ ...began, completedMs: 2 });
    told.resolve();
    return done;
  });
  await told.promise;
  const { bytes, lines } = await readAll(socket);
  const events = lines.flatMap(({ id, aux }) => (id === 'tsdocker.build.event' ? [aux as Record<string, string>] : []));
  const text = events.map(({ bytes = '' }) => Buffer.from(bytes, 'base64').toString()).join('');
  const { came, leftOut } = counted(text);
  expect(came + leftOut).toBe(TOLD * MIB);
  expect(leftOut).toBeGreaterThan(TOLD * 0.5 * MIB);
  expect(bytes).toBeLessThan(TOLD * 0.5 * MIB);
  expect(events.filter(({ kind }) => kind === 'status').length).toBeLessThan(TOLD);
  // The end comes after what is said of the output.
  expect(events.at(-1)).toMatchObject({ kind: 'vertex', completedMs: 2 });
  expect(lines.at(-1)).toMatchObject({ id: 'tsdocker.build.result' });
});

test('a client that reads again is told what it has missed, and has what follows', async () => {
  const [told, read] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const socket = ask('events=1', async ({ tell }) => {
    tell(began);
    for (let n = 0; n < TOLD; n++) {
      tell(log(vertex, 'x'.repeat(MIB)));
      await turn();
    }
    told.resolve();
    await read.promise;
    tell(log(vertex, 'again'));
    return done;
  });
  await told.promise;
  let end = '';
  socket.on('data', (part: Buffer) => {
    end = (end + part.toString('latin1')).slice(-1000);
  });
  socket.resume();
  const lastEvent = () => Buffer.from(/.*"bytes":"([^"]*)"/s.exec(end)?.[1] ?? '', 'base64').toString();
  await vi.waitFor(() => expect(lastEvent()).toContain('left out'), { timeout: 10_000 });
  read.resolve();
  await new Promise((resolve) => socket.once('close', resolve));
  expect(lastEvent()).toBe('again');
});

test('the classic stream: the step that is told now is bounded, too', async () => {
  const told = Promise.withResolvers<void>();
  const socket = ask('', async ({ tell }, plan) => {
    plan([
      { text: 'RUN one', vertex },
      { text: 'RUN two', vertex: second },
    ]);
    tell(began);
    for (let n = 0; n < TOLD; n++) {
      tell(log(vertex, 'x'.repeat(MIB)));
      await turn();
    }
    tell({ ...began, completedMs: 2 });
    tell({ ...began, digest: second, inputs: [vertex] });
    tell(log(second, 'x'));
    tell({ ...began, digest: second, inputs: [vertex], completedMs: 3 });
    told.resolve();
    return done;
  });
  await told.promise;
  const { bytes, lines } = await readAll(socket);
  const text = lines.map(({ stream = '' }) => String(stream)).join('');
  const { came, leftOut } = counted(text);
  expect(came + leftOut).toBe(TOLD * MIB + 1);
  expect(leftOut).toBeGreaterThan(TOLD * 0.5 * MIB);
  expect(bytes).toBeLessThan(TOLD * 0.5 * MIB);
  expect(text).toContain('Step 2/2 : RUN two\n');
});

test('what waits for its step is bounded for all of them together', async () => {
  const others = Array.from({ length: TOLD }, (_, n) => `sha256:${String(n).padStart(64, '0')}`);
  const socket = ask('', async ({ tell }, plan) => {
    plan([{ text: 'RUN one', vertex }, ...others.map((digest) => ({ text: 'RUN other', vertex: digest }))]);
    tell(began);
    for (const digest of others) tell(log(digest, 'x'.repeat(MIB)));
    for (const digest of [vertex, ...others]) tell({ ...began, digest, completedMs: 2 });
    return done;
  });
  const { lines } = await readAll(socket);
  const { came, leftOut } = counted(lines.map(({ stream = '' }) => String(stream)).join(''));
  expect(came + leftOut).toBe(TOLD * MIB);
  expect(leftOut).toBeGreaterThanOrEqual((TOLD - 16) * MIB);
});

test('two builds with one buildid: both can be ended until the last one has', async () => {
  const ended: string[] = [];
  const began = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const first = Promise.withResolvers<BuildOutcome>();
  const works: Work[] = [
    async () => {
      began[0]?.resolve();
      return first.promise;
    },
    async ({ signal }) => {
      began[1]?.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      ended.push('second');
      throw signal.reason;
    },
  ];
  const answers: Promise<unknown>[] = [];
  for (const [n, work] of works.entries()) {
    answers.push(readAll(ask('buildid=same', work)));
    await began[n]?.promise;
  }
  first.resolve(done);
  await answers[0];
  const cancelled = await app.inject({ method: 'POST', url: '/build/cancel?id=same' });
  expect(cancelled.statusCode).toBe(204);
  await answers[1];
  expect(ended).toEqual(['second']);
});
