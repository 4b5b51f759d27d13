// Bundles the daemon, its jail worker and the command line into dist/, aside first and then renamed, so that nobody
// reads a half-written file. What was compiled for this machine lies in dist/linux-<architecture>.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { build } from 'esbuild';
import { licenceTexts } from './bundle-licences.mjs';
import { writeCodeCache } from './code-cache.mjs';

const root = new URL('..', import.meta.url).pathname;
const target = `${root}dist`;
const aside = `${root}build/dist.new-${process.pid}`;

const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

/** Short hash of the source tree's commit; a package from npm has none. */
function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return 'release';
  }
}

/** The same for every build of one commit: SOURCE_DATE_EPOCH (reproducible-builds.org), else the commit's time; without either, now. */
function buildTime() {
  const seconds = process.env.SOURCE_DATE_EPOCH ?? commitTime() ?? Math.floor(Date.now() / 1000);
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.000000000+00:00`;
}

function commitTime() {
  try {
    return execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return undefined;
  }
}

/** CommonJS dependencies inside an ESM bundle need a `require` of their own. */
const requireBanner =
  "import { createRequire as tsdCreateRequire } from 'node:module';" +
  'const require = tsdCreateRequire(import.meta.url);' +
  'const __filename = import.meta.filename, __dirname = import.meta.dirname;';

/** @type {import('esbuild').BuildOptions} */
const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  define: {
    TSDOCKER_VERSION: JSON.stringify(version),
    TSDOCKER_COMMIT: JSON.stringify(commit()),
    TSDOCKER_BUILD_TIME: JSON.stringify(buildTime()),
  },
  sourcemap: 'linked',
  sourcesContent: false,
  metafile: true,
  legalComments: 'none',
  logLevel: 'warning',
};

/**
 * The command line's FFI stays out of its bundle: it is beside the daemon's, where it finds what is compiled (native-bindings/binaries.ts),
 * and loaded by the commands that use it.
 * @type {import('esbuild').Plugin}
 */
const nativeBindingsApart = {
  name: 'native-bindings-apart',
  setup({ onResolve }) {
    onResolve({ filter: /\/native-bindings\/xattrs\.ts$/ }, () => ({ path: '../xattrs.mjs', external: true }));
    onResolve({ filter: /\/native-bindings\// }, ({ path }) => ({
      errors: [{ text: `${path} would be in the command line's bundle` }],
    }));
  },
};

/**
 * What Fastify would load on demand and the daemon never asks for: its compilers of schemas (daemon/docker-api/api-server.ts gives it others),
 * which bring two thirds of a megabyte of ajv and its kin, and the requests without a socket that tests make.
 * @type {import('esbuild').Plugin}
 */
const unusedLeftOut = {
  name: 'unused-left-out',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(@fastify\/(ajv-compiler|fast-json-stringify-compiler)|light-my-request)$/ }, ({ path }) => ({
      path,
      namespace: 'unused',
    }));
    onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is not in the bundle`)});`,
    }));
  },
};

async function bundle() {
  mkdirSync(aside, { recursive: true });
  const results = await Promise.all([
    build({
      ...shared,
      entryPoints: { daemon: 'daemon/main.ts', 'jail-worker': 'daemon/jail/jail-worker.ts' },
      outdir: aside,
      banner: { js: requireBanner },
      minifySyntax: true,
      keepNames: false,
      plugins: [unusedLeftOut],
    }),
    build({ ...shared, entryPoints: { tsdockerd: 'daemon/boot.ts' }, outdir: aside }),
    build({
      ...shared,
      entryPoints: { 'zstd-program': 'daemon/jail/decoding/zstd-program.ts' },
      outdir: aside,
      minify: true,
    }),
    build({ ...shared, entryPoints: { xattrs: 'native-bindings/xattrs.ts' }, outdir: aside, minify: true }),
    // CommonJS, one file: it starts faster than modules, and its compiled code can be kept (code-cache.mjs).
    build({
      ...shared,
      format: 'cjs',
      outExtension: { '.js': '.cjs' },
      entryPoints: { main: 'cli/boot.ts', client: 'cli/main.ts' },
      outdir: `${aside}/cli`,
      minify: true,
      plugins: [nativeBindingsApart],
      // As code of a script and not of a module, it has `require` alone (which takes modules too).
      supported: { 'dynamic-import': false },
    }),
  ]);
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}));
  writeFileSync(`${aside}/LICENCES.txt`, licenceTexts(root, inputs));
  await writeCodeCache(`${aside}/cli/main.cjs`);
  const platform = `linux-${process.arch}`;
  mkdirSync(`${aside}/${platform}`);
  const native = `${root}build/native/${platform}`;
  copyFileSync(`${root}native-bindings/launcher/tsdocker-launcher`, `${aside}/${platform}/tsdocker-launcher`);
  for (const name of ['ref.node', 'ffi.node']) copyFileSync(`${native}/${name}`, `${aside}/${platform}/${name}`);
  chmodSync(`${aside}/${platform}/tsdocker-launcher`, 0o755);
}

/** Entries last: what they refer to is there before them. Each file is replaced in one step, so a build harms no running command. */
function install() {
  const made = readdirSync(aside, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(aside.length + 1))
    .sort((a, b) => Number(isEntry(a)) - Number(isEntry(b)));
  for (const name of made) {
    mkdirSync(dirname(`${target}/${name}`), { recursive: true });
    renameSync(`${aside}/${name}`, `${target}/${name}`);
  }
  const kept = new Set(made);
  for (const entry of readdirSync(target, { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath}/${entry.name}`;
    if (entry.isFile() && !kept.has(path.slice(target.length + 1))) rmSync(path);
  }
}

/** @param {string} name */
function isEntry(name) {
  return /(^|\/)(main\.cjs|tsdockerd\.mjs|jail-worker\.mjs|zstd-program\.mjs)$/.test(name);
}

try {
  await bundle();
  install();
} catch (error) {
  if (error instanceof Error && 'errors' in error) process.exitCode = 1;
  else throw error;
} finally {
  rmSync(aside, { recursive: true, force: true });
}
