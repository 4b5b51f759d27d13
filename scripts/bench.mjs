// The measurements of scripts/bench. Each is taken for both engines in turns, so that a busy moment of the host hits both.
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildRowNames, buildRows } from './bench-build.mjs';
import { imageRows } from './bench-images.mjs';
import { networkRows } from './bench-network.mjs';

const root = new URL('..', import.meta.url).pathname;
const [roundsWord = '15', ...asked] = process.argv.slice(2);
const rounds = Number(roundsWord);
/** 'build' is all of them. */
const names = asked.flatMap((name) => (name === 'build' ? buildRowNames : [name]));
if (!Number.isInteger(rounds) || rounds < 1 || names.some((name) => !buildRowNames.includes(name))) {
  console.error(
    `bench: scripts/bench [ROUNDS [NAME…]]: the names are build, or of its rows ${buildRowNames.join(', ')}`,
  );
  process.exit(2);
}
const top = mkdtempSync('/tmp/tsd-bench-');

/** @typedef {{ name: string, dir: string, socket: string, child: import('node:child_process').ChildProcess, agent: Agent }} Engine */

/** @param {string} file */
function command(file) {
  return (process.env.PATH ?? '')
    .split(':')
    .map((dir) => `${dir}/${file}`)
    .find((path) => existsSync(path));
}

/** @param {Engine} engine @param {string} method @param {string} path @param {unknown} [body] @param {Buffer} [raw] @returns {Promise<{status: number, body: Buffer}>} */
function call(engine, method, path, body, raw) {
  return new Promise((resolve, reject) => {
    const text = raw ?? (body === undefined ? undefined : Buffer.from(JSON.stringify(body)));
    const headers = {
      Host: 'bench',
      ...(text === undefined
        ? {}
        : { 'Content-Type': raw ? 'application/x-tar' : 'application/json', 'Content-Length': String(text.length) }),
    };
    const req = request(
      { socketPath: engine.socket, method, path: `/v1.41${path}`, headers, agent: engine.agent },
      (res) => {
        /** @type {Buffer[]} */
        const chunks = [];
        res.on('data', (chunk) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => {
          const answer = { status: res.statusCode ?? 0, body: Buffer.concat(chunks) };
          if (answer.status >= 400)
            reject(new Error(`${engine.name}: ${method} ${path}: ${answer.status} ${answer.body}`));
          else resolve(answer);
        });
      },
    );
    req.on('error', reject);
    req.end(text);
  });
}

/** @param {string} name @param {string[]} argv @returns {Promise<Engine>} */
async function start(name, argv) {
  const dir = `${top}/${name}`;
  mkdirSync(`${dir}/run`, { recursive: true });
  // As it is where engines are installed: /run is in memory.
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', `${dir}/run`]);
  const socket = `${dir}/d.sock`;
  const [file = '', ...args] = argv.map((arg) => arg.replaceAll('DIR', dir));
  writeFileSync(`${dir}/empty.json`, '{}');
  const { openSync } = await import('node:fs');
  const log = openSync(`${dir}/log`, 'a');
  const child = spawn('unshare', ['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', file, ...args], {
    stdio: ['ignore', log, log],
    detached: true,
  });
  const engine = { name, dir, socket, child, agent: new Agent({ keepAlive: true, maxSockets: 200 }) };
  for (let n = 0; n < 600; n++) {
    if (child.exitCode !== null)
      throw new Error(`${name} ended at its start:\n${readFileSync(`${dir}/log`, 'utf8').slice(-2000)}`);
    try {
      await call(engine, 'GET', '/_ping');
      return engine;
    } catch {
      await sleep(50);
    }
  }
  throw new Error(`${name} does not answer`);
}

/** @param {Engine} engine */
async function stop(engine) {
  engine.agent.destroy();
  const pid = Number(readFileSync(`${engine.dir}/d.pid`, 'utf8'));
  process.kill(pid, 'SIGTERM');
  for (let n = 0; n < 400 && existsSync(`/proc/${pid}`); n++) await sleep(50);
  execFileSync('umount', ['-l', `${engine.dir}/run`]);
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** @param {() => unknown} work */
async function timeMs(work) {
  const at = performance.now();
  await work();
  return performance.now() - at;
}

/** Proportional memory of a process, MiB. @param {number} pid */
function pssMiB(pid) {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** The daemon's process and, for dockerd, its containerd. @param {Engine} engine */
function daemonPids(engine) {
  const main = Number(readFileSync(`${engine.dir}/d.pid`, 'utf8'));
  const own = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return own.filter((pid) => {
    if (pid === main) return true;
    try {
      return new RegExp(`^PPid:\\s+${main}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  });
}

/** What keeps a container going beside its own processes: monitors and shims. @param {Engine} engine */
function keeperPids(engine) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        if (!/tsdocker-monitor|containerd-shim/.test(line)) return false;
        if (line.includes(engine.dir)) return true;
        return readdirSync(`/proc/${pid}/fd`).some((fd) => {
          try {
            return execFileSync('readlink', [`/proc/${pid}/fd/${fd}`])
              .toString()
              .startsWith(engine.dir);
          } catch {
            return false;
          }
        });
      } catch {
        return false;
      }
    });
}

const quiet = { AttachStdin: false, HostConfig: { NetworkMode: 'none' } };

/** @param {Engine} engine @param {string[]} Cmd @param {string} [name] */
async function run(engine, Cmd, name) {
  const query = name === undefined ? '' : `?name=${name}`;
  const { Id } = JSON.parse(
    (await call(engine, 'POST', `/containers/create${query}`, { Image: 'busybox', Cmd, ...quiet })).body.toString(),
  );
  await call(engine, 'POST', `/containers/${Id}/start`);
  return Id;
}

/** @param {Engine} engine */
async function cycle(engine) {
  const id = await run(engine, ['true']);
  await call(engine, 'POST', `/containers/${id}/wait`);
  await call(engine, 'DELETE', `/containers/${id}?force=1`);
}

/** @param {Engine} engine @param {string[]} args @param {string} [binary] */
function cli(engine, args, binary = command('docker') ?? 'docker') {
  execFileSync(binary, args, {
    env: { ...process.env, DOCKER_HOST: `unix://${engine.socket}`, DOCKER_CONFIG: `${top}/config` },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** @type {{ name: string, unit: string, values: Map<string, number> }[]} */
const table = [];

let isInterrupted = false;

/** @param {string} name @param {string} unit @param {Engine[]} engines @param {number} times @param {(engine: Engine) => Promise<number> | number} measure */
async function compare(name, unit, engines, times, measure) {
  /** @type {Map<string, number[]>} */
  const samples = new Map(engines.map((engine) => [engine.name, []]));
  for (let n = 0; n < times; n++) {
    for (const engine of engines) {
      if (isInterrupted) throw new Error('interrupted');
      samples.get(engine.name)?.push(await measure(engine));
    }
  }
  const values = new Map([...samples].map(([engine, list]) => [engine, median(list)]));
  table.push({ name, unit, values });
  print(name, unit, values);
}

/** @param {string} name @param {string} unit @param {Map<string, number>} values */
function print(name, unit, values) {
  const ours = values.get('tsdocker') ?? Number.NaN;
  const theirs = values.get('dockerd');
  const show = (/** @type {number} */ value) => `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ${unit}`;
  // How many times better this engine is.
  const better = unit === 'Mbit' ? ours / (theirs ?? ours) : (theirs ?? ours) / ours;
  const ratio = theirs === undefined ? '' : `${better.toFixed(better < 2 ? 2 : 1)} x`;
  console.log(
    `${name.padEnd(58)}${show(ours).padStart(12)}${(theirs === undefined ? '-' : show(theirs)).padStart(12)}${ratio.padStart(9)}`,
  );
}

async function main() {
  mkdirSync(`${top}/config`, { recursive: true });
  const engines = [
    await start('tsdocker', [
      `${root}bin/tsdockerd`,
      '-H',
      'unix://DIR/d.sock',
      '--data-root',
      'DIR/data',
      '--exec-root',
      'DIR/run',
      '--pidfile',
      'DIR/d.pid',
      '--cgroup-parent',
      '/tsd-bench',
    ]),
  ];
  const dockerd = command('dockerd');
  if (dockerd !== undefined) {
    engines.push(
      await start('dockerd', [
        ...[
          dockerd,
          '--data-root',
          'DIR/data',
          '--exec-root',
          'DIR/run',
          '--pidfile',
          'DIR/d.pid',
          '-H',
          'unix://DIR/d.sock',
        ],
        ...[
          // An address that its search for a free one would not take from this host, since it is not on it.
          '--bip=172.31.250.1/24',
          '--config-file',
          'DIR/empty.json',
          '--cgroup-parent',
          '/tsd-bench-dockerd',
        ],
      ]),
    );
  } else console.log('bench: no dockerd here: only this engine is measured');
  const tar = execFileSync(`${root}scripts/make-image`, { maxBuffer: 1 << 28 });
  try {
    for (const engine of engines) {
      await call(engine, 'POST', '/images/create?fromSrc=-&repo=busybox&tag=latest', undefined, tar);
      for (let n = 0; n < 3; n++) await cycle(engine);
    }
    const theirs = engines[1] === undefined ? '' : execFileSync('dockerd', ['--version']).toString().trim();
    console.log(
      `\n${theirs}; kernel ${execFileSync('uname', ['-r']).toString().trim()}; medians of ${rounds} rounds in turns\n`,
    );
    console.log(`${''.padEnd(58)}${'tsdocker'.padStart(12)}${'dockerd'.padStart(12)}${'ratio'.padStart(9)}`);

    const builds = { engines, rounds, compare, timeMs, daemonPids, pssMiB, top, command };
    if (names.length > 0) {
      await buildRows(builds, names);
      return;
    }

    // Both have imported an image; then they rest.
    await sleep(15_000);
    await compare('memory of the idle daemon, PSS (dockerd: with containerd)', 'MiB', engines, 1, (engine) =>
      daemonPids(engine)
        .map(pssMiB)
        .reduce((a, b) => a + b, 0),
    );
    await compare('create + start + wait + delete, socket, no network', 'ms', engines, rounds * 3, (engine) =>
      timeMs(() => cycle(engine)),
    );
    await compare('twenty of these at once', 'ms', engines, Math.max(3, Math.ceil(rounds / 3)), (engine) =>
      timeMs(() => Promise.all(Array.from({ length: 20 }, () => cycle(engine)))),
    );
    if (command('docker') !== undefined) {
      await compare('docker run --rm --network none busybox true', 'ms', engines, rounds, (engine) =>
        timeMs(() => cli(engine, ['run', '--rm', '--network', 'none', 'busybox', 'true'])),
      );
    }
    const [ours] = engines;
    if (ours !== undefined) {
      await compare('tsdocker run --rm --network none busybox true', 'ms', [ours], rounds, (engine) =>
        timeMs(() => cli(engine, ['run', '--rm', '--network', 'none', 'busybox', 'true'], `${root}bin/tsdocker`)),
      );
    }
    await networkRows({ engines, rounds, call, compare, timeMs, cli, hasDocker: command('docker') !== undefined });
    await imageRows({ engines, rounds, compare, timeMs, cli, daemonPids, pssMiB, top, command });
    await buildRows(builds, buildRowNames);
    for (const engine of engines) await run(engine, ['sleep', '1000'], 'bench-c');
    if (command('docker') !== undefined) {
      await compare('docker exec c true', 'ms', engines, rounds, (engine) =>
        timeMs(() => cli(engine, ['exec', 'bench-c', 'true'])),
      );
    }

    const line = 'a line of some eighty characters, as programs write them into their logs, say\n';
    const lines = Math.ceil((50 << 20) / line.length);
    await compare('50 MB of log lines: written', 'ms', engines, Math.max(3, Math.ceil(rounds / 5)), async (engine) => {
      await call(engine, 'DELETE', '/containers/bench-log?force=1').catch(() => undefined);
      return await timeMs(async () => {
        const { Id } = JSON.parse(
          (
            await call(engine, 'POST', '/containers/create?name=bench-log', {
              Image: 'busybox',
              Cmd: ['sh', '-c', `yes '${line.trim()}' | head -n ${lines}`],
              HostConfig: {
                NetworkMode: 'none',
                LogConfig: { Type: 'json-file', Config: { 'max-size': '500m', 'max-file': '3' } },
              },
            })
          ).body.toString(),
        );
        await call(engine, 'POST', `/containers/${Id}/start`);
        await call(engine, 'POST', `/containers/${Id}/wait`);
      });
    });
    await compare('50 MB of log lines: read back', 'ms', engines, Math.max(3, Math.ceil(rounds / 5)), (engine) =>
      timeMs(async () => {
        const { body } = await call(engine, 'GET', '/containers/bench-log/logs?stdout=1');
        if (body.length < 50 << 20) throw new Error(`${engine.name}: only ${body.length} bytes of log`);
      }),
    );

    for (const engine of engines) {
      await call(engine, 'DELETE', '/containers/bench-log?force=1');
      await Promise.all(Array.from({ length: 10 }, () => run(engine, ['sleep', '1000'])));
    }
    await sleep(1000);
    await compare('memory of the monitor (shim) of one container, PSS', 'MiB', engines, 1, (engine) => {
      const pids = keeperPids(engine);
      return pids.map(pssMiB).reduce((a, b) => a + b, 0) / Math.max(1, pids.length);
    });
    for (const engine of engines) {
      for (const { Id } of JSON.parse((await call(engine, 'GET', '/containers/json?all=1')).body.toString()))
        await call(engine, 'DELETE', `/containers/${Id}?force=1`);
    }
    await sleep(15_000);
    await compare('memory of the daemon after all of this, PSS', 'MiB', engines, 1, (engine) =>
      daemonPids(engine)
        .map(pssMiB)
        .reduce((a, b) => a + b, 0),
    );
  } finally {
    for (const engine of engines) {
      try {
        for (const { Id } of JSON.parse((await call(engine, 'GET', '/containers/json?all=1')).body.toString()))
          await call(engine, 'DELETE', `/containers/${Id}?force=1`);
      } catch {
        // The engine is gone: what it left is shown by the clean-up below.
      }
      await stop(engine);
    }
  }
}

function cleanUp() {
  for (const hierarchy of readdirSync('/sys/fs/cgroup', { withFileTypes: true })) {
    for (const name of ['tsd-bench', 'tsd-bench-dockerd']) {
      for (const dir of [`/sys/fs/cgroup/${hierarchy.name}/${name}`, `/sys/fs/cgroup/${name}`]) {
        try {
          rmdirSync(dir);
        } catch {
          // Not there.
        }
      }
    }
  }
  rmSync(top, { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    isInterrupted = true;
    console.error('bench: ends with this measurement, and clears away');
  });
}
try {
  await main();
  if (process.env.BENCH_JSON)
    writeFileSync(
      process.env.BENCH_JSON,
      JSON.stringify(
        table.map(({ name, unit, values }) => ({ name, unit, ...Object.fromEntries(values) })),
        null,
        2,
      ),
    );
} finally {
  cleanUp();
}
