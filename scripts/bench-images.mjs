// The rows of scripts/bench for images: load, save, push and pull of a Debian file system in several layers, with a registry on the engine's
// own loopback, and the memory of the daemon while it pulls a gigabyte.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const layerCount = 5;
/** What was removed is deleted in the background by one engine, at once by the other: neither is to be measured. */
const QUIET_MS = 1500;

/**
 * What a minimal Debian holds: the files of its required and important packages, about 100 MB, as they are installed here; without their
 * leading slash, those of one package together.
 */
function debianFiles() {
  const packages = execFileSync('dpkg-query', ['-W', '-f', `\${Priority} \${binary:Package}\n`], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => /^(required|important) /.test(line))
    .map((line) => line.slice(line.indexOf(' ') + 1));
  const files = execFileSync('dpkg', ['-L', ...packages], { encoding: 'utf8' }).split('\n');
  // Where they lie in truth: packages still name /lib and /bin, which are links.
  const real = files
    .filter((path) => path.startsWith('/') && path !== '/.' && existsSync(path))
    .map((path) => join(realpathSync(dirname(path)), basename(path)));
  return [...new Set(real)];
}

/** A Debian root file system in several layers. @param {string} dir @returns {string} path of a docker-save archive */
function makeArchive(dir) {
  const work = `${dir}/image`;
  mkdirSync(work, { recursive: true });
  const files = debianFiles();
  /** @type {{diffId: string, file: string}[]} */
  const layers = [];
  let bytes = 0;
  for (let n = 0; n < layerCount; n++) {
    const file = `layer${n}.tar`;
    const part = files.slice(
      Math.floor((n * files.length) / layerCount),
      Math.floor(((n + 1) * files.length) / layerCount),
    );
    const list = part.map((path) => path.slice(1)).join('\n');
    execFileSync('tar', ['-C', '/', '--no-recursion', '-cf', `${work}/${file}`, '-T', '-'], { input: list });
    const tar = readFileSync(`${work}/${file}`);
    bytes += tar.length;
    layers.push({ diffId: `sha256:${createHash('sha256').update(tar).digest('hex')}`, file });
  }
  const config = JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: ['/usr/bin/true'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  });
  writeFileSync(`${work}/config.json`, config);
  const item = { Config: 'config.json', RepoTags: ['127.0.0.1:5000/bench:1'], Layers: layers.map(({ file }) => file) };
  writeFileSync(`${work}/manifest.json`, JSON.stringify([item]));
  execFileSync('tar', [
    '-C',
    work,
    '-cf',
    `${dir}/image.tar`,
    'manifest.json',
    'config.json',
    ...layers.map(({ file }) => file),
  ]);
  rmSync(work, { recursive: true });
  console.log(`the image: ${Math.round(bytes / 1e6)} MB in ${layers.length} layers`);
  return `${dir}/image.tar`;
}

/** In the engine's network namespace. @param {any} engine */
async function startRegistry(engine) {
  const data = `${engine.dir}/registry`;
  const config = `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${data}}}\nhttp: {addr: "127.0.0.1:5000"}\n`;
  writeFileSync(`${engine.dir}/registry.yml`, config);
  const args = ['-t', String(engine.child.pid), '-n', 'docker-registry', 'serve', `${engine.dir}/registry.yml`];
  const child = spawn('nsenter', args, { stdio: 'ignore' });
  await sleep(1500);
  return { empty: () => rmSync(data, { recursive: true, force: true }), stop: () => child.kill('SIGKILL') };
}

/** @param {any} bench */
export async function imageRows({ engines, rounds, compare, timeMs, cli, daemonPids, pssMiB, top, command }) {
  if (['docker-registry', 'docker', 'dpkg-query'].some((file) => command(file) === undefined)) {
    console.log('bench: images are left out: docker, docker-registry or dpkg-query is missing');
    return;
  }
  const archive = makeArchive(top);
  const name = '127.0.0.1:5000/bench:1';
  const times = Math.max(3, Math.ceil(rounds / 5));
  const registries = new Map();
  for (const engine of engines) registries.set(engine.name, await startRegistry(engine));
  /** @param {any} engine @param {string[]} names */
  const remove = (engine, ...names) => {
    try {
      cli(engine, ['rmi', '-f', ...names]);
    } catch {
      // Not there yet.
    }
  };
  try {
    await compare('docker load', 'ms', engines, times, async (/** @type {any} */ engine) => {
      remove(engine, name);
      await sleep(QUIET_MS);
      return timeMs(() => cli(engine, ['load', '-q', '-i', archive]));
    });
    await compare('docker save', 'ms', engines, times, (/** @type {any} */ engine) =>
      timeMs(() => cli(engine, ['save', '-o', `${engine.dir}/saved.tar`, name])),
    );
    await compare('docker push, to an empty registry', 'ms', engines, times, (/** @type {any} */ engine) => {
      registries.get(engine.name).empty();
      return timeMs(() => cli(engine, ['push', '-q', name]));
    });
    await compare('docker pull', 'ms', engines, times, async (/** @type {any} */ engine) => {
      remove(engine, name);
      await sleep(QUIET_MS);
      return timeMs(() => cli(engine, ['pull', '-q', name]));
    });
    const big = '127.0.0.1:5000/big:1';
    await compare(
      'the most memory of the daemon while it pulls 1 GB, PSS',
      'MiB',
      engines,
      1,
      async (/** @type {any} */ engine) => {
        execFileSync('sh', [
          '-c',
          'head -c 1G /dev/urandom >"$0/big" && tar -C "$0" -cf "$0/big.tar" big && rm "$0/big"',
          engine.dir,
        ]);
        await cli(engine, ['import', `${engine.dir}/big.tar`, big]);
        rmSync(`${engine.dir}/big.tar`);
        await cli(engine, ['push', '-q', big]);
        remove(engine, big);
        await sleep(5000);
        let most = 0;
        let isDone = false;
        const env = { ...process.env, DOCKER_HOST: `unix://${engine.socket}`, DOCKER_CONFIG: `${top}/config` };
        const pulling = once(spawn('docker', ['pull', '-q', big], { env, stdio: 'ignore' }), 'close').finally(() => {
          isDone = true;
        });
        while (!isDone) {
          most = Math.max(
            most,
            daemonPids(engine)
              .map(pssMiB)
              .reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0),
          );
          await Promise.race([sleep(100), pulling]);
        }
        await pulling;
        remove(engine, big);
        return most;
      },
    );
  } finally {
    for (const registry of registries.values()) registry.stop();
  }
}
