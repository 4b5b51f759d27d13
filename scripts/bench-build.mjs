// The rows of scripts/bench for builds: `tsdocker build` on this engine beside `docker buildx build` on a dockerd with BuildKit. Each can be asked
// for by its name.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = new URL('..', import.meta.url).pathname;

const echoes = Array.from({ length: 15 }, (_, n) => `RUN echo ${n}\n`).join('');
const busy = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done';
const stages = [1, 2, 3, 4];

/**
 * `make` writes the context; `before` is done before each build, and not measured.
 * @typedef {{ title: string, dockerfile: string, flags?: string[], make?: (dir: string) => void, before?: (dir: string) => void, times?: number, needsMirror?: boolean }} Row
 * @type {Record<string, Row>}
 */
const rows = {
  'build-run': { title: 'build: 15 RUN echo, no cache', dockerfile: `FROM busybox\n${echoes}`, flags: ['--no-cache'] },
  'build-cached': { title: 'build: the same, all of it cached', dockerfile: `FROM busybox\n${echoes}` },
  'build-stages': {
    title: 'build: four stages that do not need each other, no cache',
    dockerfile: `${stages.map((n) => `FROM busybox AS s${n}\nRUN echo ${n}; ${busy}; echo >/made${n}\n`).join('')}FROM scratch\n${stages.map((n) => `COPY --from=s${n} /made${n} /\n`).join('')}`,
    flags: ['--no-cache'],
  },
  'build-small-files': {
    title: 'build: COPY of 10,000 small files, no cache',
    dockerfile: 'FROM scratch\nCOPY files /files\n',
    flags: ['--no-cache'],
    make: (dir) => writeFiles(`${dir}/files`, 10_000),
  },
  'build-big-file': {
    title: 'build: COPY of one file of 500 MB, no cache',
    dockerfile: 'FROM scratch\nCOPY big /big\n',
    flags: ['--no-cache'],
    make: (dir) => execFileSync('sh', ['-c', 'head -c 500M /dev/urandom >"$0/big"', dir]),
    times: 3,
  },
  'build-changed': {
    title: 'build: a context of 50,000 files of which one has changed',
    dockerfile: 'FROM scratch\nCOPY files/0 /files\n',
    make: (dir) => writeFiles(`${dir}/files`, 50_000),
    before: (dir) => writeFileSync(`${dir}/files/0/0`, `changed ${Math.random()}`),
    times: 5,
  },
  'build-gcc': {
    title: 'build: apt-get install gcc in a Debian, no cache',
    dockerfile:
      'FROM bench-debian\nRUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends gcc\n',
    flags: ['--no-cache'],
    // After one of each, so that the mirror's own cache serves both.
    times: 2,
    needsMirror: true,
  },
  'build-memory': {
    title: 'the most memory of the daemon above idle, context of 2 GB',
    dockerfile: 'FROM scratch\nCOPY big /big\n',
    flags: ['--no-cache'],
    make: (dir) => execFileSync('sh', ['-c', 'head -c 2G /dev/urandom >"$0/big"', dir]),
  },
};

export const buildRowNames = Object.keys(rows);

/** A hundred a directory. @param {string} dir @param {number} count */
function writeFiles(dir, count) {
  for (let n = 0; n < count; n++) {
    if (n % 100 === 0) mkdirSync(`${dir}/${n / 100}`, { recursive: true });
    writeFileSync(`${dir}/${Math.floor(n / 100)}/${n % 100}`, `file ${n}\n`);
  }
}

/** Debian puts it there, beside a docker that is installed or only unpacked. @param {string} docker */
function buildxDir(docker) {
  const dir = `${dirname(docker)}/../libexec/docker/cli-plugins`;
  return existsSync(`${dir}/docker-buildx`) ? dir : undefined;
}

/** Where apt in a step on the host's network gets to the mirror: a proxy in each engine's network namespace. @param {any[]} engines @param {string} top */
async function startProxy(engines, top) {
  const path = `${top}/proxy.sock`;
  const server = createServer((from, to) => {
    const url = new URL(from.url ?? '');
    const asked = request(url, { method: from.method, headers: from.headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(to);
    });
    asked.on('error', () => to.destroy());
    from.pipe(asked);
  });
  server.listen(path);
  await once(server, 'listening');
  const script = `const net = require('node:net');
net.createServer((from) => { const to = net.connect(process.argv[1]); from.pipe(to).pipe(from);
  from.on('error', () => to.destroy()); to.on('error', () => from.destroy()); }).listen(3128, '127.0.0.1');`;
  const inside = engines.map((engine) =>
    spawn('nsenter', ['-t', String(engine.child.pid), '-n', process.execPath, '-e', script, path], { stdio: 'ignore' }),
  );
  await sleep(500);
  return {
    stop: () => {
      for (const child of inside) child.kill('SIGKILL');
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A minimal Debian, as bench-debian. @param {any[]} engines @param {string} top */
function importDebian(engines, top) {
  const kept = `${root}build/fixtures/debian.tar`;
  let tar = kept;
  if (!existsSync(kept)) {
    const mirror = execFileSync(`${root}scripts/debian-mirror`, { encoding: 'utf8' }).trim();
    execFileSync('debootstrap', ['--variant=minbase', 'bookworm', `${top}/debian`, mirror], { stdio: 'ignore' });
    tar = `${top}/debian.tar`;
    execFileSync('tar', ['-C', `${top}/debian`, '--one-file-system', '-cf', tar, '.']);
    rmSync(`${top}/debian`, { recursive: true });
  }
  return Promise.all(
    engines.map(
      (engine) =>
        new Promise((resolve, reject) => {
          const path = '/images/create?fromSrc=-&repo=bench-debian&tag=latest';
          const req = request({ socketPath: engine.socket, method: 'POST', path }, (answer) =>
            answer.resume().on('end', resolve),
          );
          req.on('error', reject);
          createReadStream(tar).pipe(req);
        }),
    ),
  );
}

/** @param {any} bench @param {string[]} names */
export async function buildRows({ engines, rounds, compare, timeMs, daemonPids, pssMiB, top, command }, names) {
  const docker = command('docker');
  const plugins = docker === undefined ? undefined : buildxDir(docker);
  const able = engines.filter((/** @type {any} */ engine) => engine.name === 'tsdocker' || plugins !== undefined);
  if (able.length < engines.length) console.log('bench: builds of dockerd are left out: docker has no buildx here');
  mkdirSync(`${top}/buildx`, { recursive: true });
  writeFileSync(`${top}/buildx/config.json`, JSON.stringify({ cliPluginsExtraDirs: [plugins ?? ''] }));

  /** @param {any} engine @param {string} dir @param {string[]} flags */
  const build = (engine, dir, flags) => {
    const isOurs = engine.name === 'tsdocker';
    const file = isOurs ? `${root}bin/tsdocker` : (docker ?? 'docker');
    const args = [...(isOurs ? ['build'] : ['buildx', 'build']), ...flags, '-q', '-t', 'bench-built', dir];
    const env = {
      ...process.env,
      DOCKER_HOST: `unix://${engine.socket}`,
      DOCKER_CONFIG: `${top}/buildx`,
      HOME: engine.dir,
    };
    const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
    return once(child, 'close').then(([code]) => {
      if (code !== 0) throw new Error(`${engine.name}: ${file} ${args.join(' ')}: status ${code}`);
    });
  };

  for (const name of names) {
    const row = rows[name];
    if (row === undefined) continue;
    let flags = row.flags ?? [];
    /** @type {{ stop(): void } | undefined} */
    let proxy;
    if (row.needsMirror) {
      try {
        execFileSync(`${root}scripts/debian-mirror`, ['check']);
        await importDebian(able, top);
      } catch {
        console.log(`bench: ${name} is left out: it needs debootstrap and a Debian mirror that answers`);
        continue;
      }
      proxy = await startProxy(able, top);
      flags = [...flags, '--network', 'host', '--build-arg', 'http_proxy=http://127.0.0.1:3128'];
    }
    const dir = `${top}/context`;
    mkdirSync(dir);
    writeFileSync(`${dir}/Dockerfile`, row.dockerfile);
    row.make?.(dir);
    try {
      if (name === 'build-memory') {
        await compare(row.title, 'MiB', able, 1, async (/** @type {any} */ engine) => {
          const memory = () =>
            daemonPids(engine)
              .map(pssMiB)
              .reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);
          await sleep(3000);
          const idle = memory();
          let most = idle;
          let isDone = false;
          const building = build(engine, dir, flags).finally(() => {
            isDone = true;
          });
          while (!isDone) {
            most = Math.max(most, memory());
            await Promise.race([sleep(100), building]);
          }
          await building;
          return most - idle;
        });
        continue;
      }
      // Each has what a first build leaves: the base, the context, the results.
      if (row.times !== 1)
        for (const engine of able) await build(engine, dir, row.dockerfile.includes('busybox') ? [] : flags);
      await compare(row.title, 'ms', able, Math.min(rounds, row.times ?? rounds), (/** @type {any} */ engine) => {
        row.before?.(dir);
        return timeMs(() => build(engine, dir, flags));
      });
    } finally {
      proxy?.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  }
}
