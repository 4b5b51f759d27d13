// The rows of scripts/bench that need bridges and ports. Each engine is in a network namespace of its own; where a client from outside is
// needed, one more namespace is a host beside it, on a veth pair.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const root = new URL('..', import.meta.url).pathname;
const STREAM_SECONDS = 3;

/**
 * @typedef {import('./bench.mjs').Engine} Engine
 * @typedef {{
 *   engines: Engine[], rounds: number,
 *   call: (engine: Engine, method: string, path: string, body?: unknown, raw?: Buffer) => Promise<{ status: number, body: Buffer }>,
 *   compare: (name: string, unit: string, engines: Engine[], times: number, measure: (engine: Engine) => Promise<number> | number) => Promise<void>,
 *   timeMs: (work: () => unknown) => Promise<number>,
 *   cli: (engine: Engine, args: string[], binary?: string) => void, hasDocker: boolean,
 * }} Bench
 */

/** @param {Bench} bench */
export async function networkRows(bench) {
  const { engines, rounds, call, compare, timeMs, cli, hasDocker } = bench;
  const few = Math.max(3, Math.ceil(rounds / 3));
  /** @param {Engine} engine @param {Record<string, unknown>} [hostConfig] */
  const cycle = async (engine, hostConfig = {}) => {
    const id = await run(bench, engine, ['true'], { NetworkMode: 'bridge', ...hostConfig });
    await call(engine, 'POST', `/containers/${id}/wait`);
    await call(engine, 'DELETE', `/containers/${id}?force=1`);
  };
  for (const engine of engines) for (let n = 0; n < 3; n++) await cycle(engine);

  await compare('create + start + wait + delete, socket, default bridge', 'ms', engines, rounds * 2, (engine) =>
    timeMs(() => cycle(engine)),
  );
  await compare('twenty of these at once', 'ms', engines, few, (engine) =>
    timeMs(() => Promise.all(Array.from({ length: 20 }, () => cycle(engine)))),
  );
  if (hasDocker) {
    await compare('docker run --rm busybox true, default bridge', 'ms', engines, rounds, (engine) =>
      timeMs(() => cli(engine, ['run', '--rm', 'busybox', 'true'])),
    );
  }
  const published = { PortBindings: { '80/tcp': [{ HostPort: '30000' }] } };
  await compare('the cycle with the first published port', 'ms', engines, rounds, (engine) =>
    timeMs(() => cycle(engine, published)),
  );
  for (const engine of engines) {
    const PortBindings = Object.fromEntries(
      Array.from({ length: 99 }, (_, i) => [`${1000 + i}/tcp`, [{ HostPort: `${30001 + i}` }]]),
    );
    await run(bench, engine, ['sleep', '10000'], { NetworkMode: 'bridge', PortBindings }, 'bench-ports');
  }
  await compare('the cycle with the hundredth published port', 'ms', engines, rounds, (engine) =>
    timeMs(() => cycle(engine, published)),
  );
  for (const engine of engines) await call(engine, 'DELETE', '/containers/bench-ports?force=1');
  await throughput(bench);
}

/** @param {Bench} bench @param {Engine} engine @param {string[]} Cmd @param {Record<string, unknown>} HostConfig @param {string} [name] @param {string} [Image] */
async function run({ call }, engine, Cmd, HostConfig, name, Image = 'busybox') {
  const query = name === undefined ? '' : `?name=${name}`;
  const { body } = await call(engine, 'POST', `/containers/create${query}`, {
    Image,
    Cmd,
    AttachStdin: false,
    HostConfig,
    ExposedPorts: Object.fromEntries(Object.keys(HostConfig.PortBindings ?? {}).map((port) => [port, {}])),
  });
  const { Id } = JSON.parse(body.toString());
  await call(engine, 'POST', `/containers/${Id}/start`);
  return Id;
}

/** One stream at a time, from a program of a few lines on both sides. @param {Bench} bench */
async function throughput(bench) {
  const { engines, rounds, call, compare } = bench;
  const dir = mkdtempSync(`${tmpdir()}/tsd-stream-`);
  /** @type {Map<string, number>} */
  const outside = new Map();
  try {
    try {
      execFileSync('cc', ['-static', '-O2', '-o', `${dir}/stream`, `${root}test/fixtures/stream.c`]);
    } catch {
      console.log('bench: no C compiler here: throughput is not measured');
      return;
    }
    const tar = execFileSync('tar', ['-C', dir, '-c', 'stream']);
    /** @type {Map<string, string>} */
    const addresses = new Map();
    for (const engine of engines) {
      await call(engine, 'POST', '/images/create?fromSrc=-&repo=stream&tag=latest', undefined, tar);
      const PortBindings = { '5001/tcp': [{ HostPort: '5001' }] };
      const config = { NetworkMode: 'bridge', PortBindings };
      await run(bench, engine, ['/stream', 'serve', '5001'], config, 'bench-serve', 'stream');
      const seen = JSON.parse((await call(engine, 'GET', '/containers/bench-serve/json')).body.toString());
      addresses.set(engine.name, seen.NetworkSettings.Networks.bridge.IPAddress);
      outside.set(engine.name, await hostBeside(Number(readFileSync(`${engine.dir}/d.pid`, 'utf8'))));
    }
    const times = Math.max(3, Math.ceil(rounds / 3));
    await compare('TCP, container to container', 'Mbit', engines, times, async (engine) => {
      const send = ['/stream', 'send', addresses.get(engine.name) ?? '', '5001', String(STREAM_SECONDS)];
      const id = await run(bench, engine, send, { NetworkMode: 'bridge' }, undefined, 'stream');
      await call(engine, 'POST', `/containers/${id}/wait`);
      const { body } = await call(engine, 'GET', `/containers/${id}/logs?stdout=1`);
      await call(engine, 'DELETE', `/containers/${id}?force=1`);
      return Number(body.subarray(8).toString());
    });
    await compare('TCP, from another host through a published port', 'Mbit', engines, times, (engine) => {
      const send = [`${dir}/stream`, 'send', '192.0.2.1', '5001', String(STREAM_SECONDS)];
      return Number(execFileSync('nsenter', [`--net=/proc/${outside.get(engine.name)}/ns/net`, ...send]));
    });
    for (const engine of engines) await call(engine, 'DELETE', '/containers/bench-serve?force=1');
  } finally {
    for (const pid of outside.values()) process.kill(pid, 'SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The process that holds the namespace of another host, 192.0.2.2, which reaches the engine's as 192.0.2.1. @param {number} enginePid */
async function hostBeside(enginePid) {
  const holder = spawn('unshare', ['--net', 'sleep', '100000'], { stdio: 'ignore' });
  const pid = holder.pid ?? 0;
  const own = execFileSync('readlink', ['/proc/self/ns/net']).toString();
  for (let n = 0; n < 200; n++) {
    if (existsSync(`/proc/${pid}`) && execFileSync('readlink', [`/proc/${pid}/ns/net`]).toString() !== own) break;
    await sleep(10);
  }
  /** @param {number} of @param {string[]} args */
  const ip = (of, ...args) => execFileSync('nsenter', [`--net=/proc/${of}/ns/net`, 'ip', ...args]);
  ip(enginePid, 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan0', 'netns', String(pid));
  ip(enginePid, 'addr', 'add', '192.0.2.1/24', 'dev', 'lan0');
  ip(enginePid, 'link', 'set', 'lan0', 'up');
  ip(pid, 'addr', 'add', '192.0.2.2/24', 'dev', 'lan0');
  ip(pid, 'link', 'set', 'lan0', 'up');
  return pid;
}
