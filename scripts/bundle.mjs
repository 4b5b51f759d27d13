// Bundles the daemon, its jail worker and the command line into dist/, aside first and then renamed, so that a running
// engine never reads a half-written file. Only the native FFI packages stay outside: they carry prebuilt binaries.
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const target = `${root}dist`;
const aside = `${root}build/dist.new-${process.pid}`;

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
  external: ['ffi-napi', 'ref-napi'],
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
};

async function bundle() {
  mkdirSync(aside, { recursive: true });
  await Promise.all([
    build({
      ...shared,
      entryPoints: { tsdockerd: 'daemon/main.ts', 'jail-worker': 'daemon/images/jail-worker.ts' },
      outdir: aside,
      banner: { js: requireBanner },
      minifySyntax: true,
      keepNames: false,
    }),
    build({ ...shared, entryPoints: { main: 'cli/main.ts' }, outdir: `${aside}/cli`, splitting: true, minify: true }),
  ]);
  copyFileSync(`${root}native-bindings/launcher/tsdocker-launcher`, `${aside}/tsdocker-launcher`);
  chmodSync(`${aside}/tsdocker-launcher`, 0o755);
}

try {
  await bundle();
  const old = `${root}build/dist.old-${process.pid}`;
  if (existsSync(target)) renameSync(target, old);
  renameSync(aside, target);
  rmSync(old, { recursive: true, force: true });
} catch (error) {
  rmSync(aside, { recursive: true, force: true });
  if (error instanceof Error && 'errors' in error) process.exit(1);
  throw error;
}
