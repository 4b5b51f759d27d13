// The steps of scripts/test after its set-up: each is counted, none stops the others. The last line printed is `N passed, N failed`.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { printSummary, readReport } from './test-reports.mjs';

const root = new URL('..', import.meta.url).pathname;
const reports = `${root}build/reports`;
const kinds = ['unit', 'integration', 'clients', 'hostile', 'fault', 'fresh', 'vm'];
const isStrict = process.env.STRICT === '1';

const total = { passed: 0, failed: 0 };
/** @type {import('./test-reports.mjs').Failure[]} */
const failures = [];
/** @type {Map<string, number>} */
const skips = new Map();

/** @param {string} file @param {string[]} args @param {number} limitMs @returns {Promise<number>} */
function run(file, args, limitMs) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    const timer = setTimeout(() => {
      console.log(`test: ${file} ${args.join(' ')} took longer than ${limitMs / 1000} s and is ended`);
      child.kill('SIGKILL');
    }, limitMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      console.log(String(error));
      resolve(127);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(code ?? 1);
    });
  });
}

/** @param {string} title @param {boolean} isGood @param {string} [why] */
function count(title, isGood, why) {
  if (isGood) total.passed++;
  else {
    total.failed++;
    failures.push(why === undefined ? { title } : { title, why });
  }
}

/** @param {string} why @param {string} [what] */
function skip(why, what) {
  if (isStrict) count(`${what ?? why} (skipped: ${why})`, false);
  else skips.set(why, (skips.get(why) ?? 0) + 1);
}

/** @param {string} name @param {string} file @param {string[]} args @param {number} seconds */
async function step(name, file, args, seconds) {
  const at = Date.now();
  console.log(`\n== ${name}`);
  const isGood = (await run(file, args, seconds * 1000)) === 0;
  console.log(`== ${name}: ${isGood ? 'good' : 'FAILED'} (${((Date.now() - at) / 1000).toFixed(1)} s)`);
  count(name, isGood);
  return isGood;
}

/** 77 is the script's word for a compiler that cannot do it. */
async function fuzzedDecoder() {
  const name = 'fuzz the launcher’s decoder, 20 s';
  console.log(`\n== ${name}`);
  const status = await run('native-bindings/launcher/fuzz', [], 180 * 1000);
  if (status === 77) skip('clang with libFuzzer', name);
  else count(name, status === 0);
}

/** The launcher's own tests again, with a launcher that stops at the first wrong access or overflow. */
async function sanitizedLauncher() {
  const name = 'the launcher under ASan and UBSan';
  if (!(await step(`build ${name}`, 'make', ['-s', '-C', 'native-bindings/launcher', 'sanitized'], 120))) return;
  const files = ['launcher', 'monitor', 'join', 'monitor-stdio', 'log'].map(
    (file) => `test/unit/runtime/${file}.kernel.test.ts`,
  );
  const binary = `TSDOCKER_LAUNCHER=${root}build/launcher/tsdocker-launcher-sanitized`;
  await step(name, 'env', [binary, 'scripts/with-node', 'node_modules/vitest/vitest.mjs', 'run', ...files], 300);
}

/** @param {string} file @param {string} within @returns {number} how many failed */
function countReport(file, within) {
  const { passed, failed, skipped } = readReport(file, within);
  for (const title of passed) count(title, true);
  for (const { title, why } of failed) count(title, false, why);
  for (const { why, title } of skipped) skip(why, title);
  return failed.length;
}

/** The same engine on another system: cgroup v2, systemd, Debian's kernel. */
async function virtualMachine() {
  const name = 'tests: vm';
  if (process.arch !== 'x64') return skip('an x86-64 host for the virtual machine', name);
  for (const command of ['qemu-system-x86_64', 'debootstrap', 'mke2fs']) {
    const isThere = (process.env.PATH ?? '').split(':').some((dir) => existsSync(`${dir}/${command}`));
    if (!isThere) return skip(`${command} for the virtual machine`, name);
  }
  console.log(`\n== ${name}`);
  const results = `${root}build/vm/reports`;
  rmSync(results, { recursive: true, force: true });
  const status = await run('scripts/vm', ['test'], 3300 * 1000);
  const files = existsSync(results) ? readdirSync(results).filter((file) => file.endsWith('.json')) : [];
  let failedHere = 0;
  for (const file of files) failedHere += countReport(`${results}/${file}`, '/opt/tsdocker/');
  if (files.length === 0 || (status !== 0 && failedHere === 0)) count(`${name}: status ${status}`, false);
}

/** @param {string} kind @param {number} seconds */
async function vitest(kind, seconds) {
  console.log(`\n== tests: ${kind}`);
  const report = `${reports}/${kind}.json`;
  rmSync(report, { force: true });
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    kind,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const status = await run('scripts/with-node', args, seconds * 1000);
  if (!existsSync(report)) {
    count(`tests: ${kind}: no report, status ${status}`, false);
    return;
  }
  const failedHere = countReport(report, root);
  if (status !== 0 && failedHere === 0) count(`tests: ${kind}: status ${status}`, false);
}

async function main() {
  const asked = process.argv.slice(2);
  const unknown = asked.filter((kind) => !kinds.includes(kind));
  if (unknown.length > 0) {
    console.error(`test: no kind ${unknown.join(', ')}: there are ${kinds.join(', ')}`);
    process.exit(2);
  }
  const isWhole = asked.length === 0;
  const wants = (/** @type {string} */ kind) => isWhole || asked.includes(kind);
  mkdirSync(reports, { recursive: true });

  const isBuilt = await step('build', 'scripts/build', [], 180);
  if (isWhole) {
    await step('format and lint', 'scripts/with-node', ['node_modules/@biomejs/biome/bin/biome', 'ci', '.'], 120);
    await step('types', 'scripts/with-node', ['node_modules/typescript/bin/tsc', '-b'], 180);
    await fuzzedDecoder();
    await sanitizedLauncher();
  }
  const limits = { unit: 900, integration: 2100, clients: 900, hostile: 1200, fault: 1800, fresh: 1800 };
  for (const kind of kinds) {
    if (!wants(kind)) continue;
    if (!isBuilt && kind !== 'unit') count(`tests: ${kind}: not run, the build failed`, false);
    else if (kind === 'fresh' && isWhole && process.env.TSD_FRESH !== 'yes') {
      console.log(
        '\n== tests: fresh: left out, as where CI is not set: `scripts/test fresh` runs them, TSD_FRESH=yes with all others',
      );
    } else if (kind === 'vm' && isWhole && process.env.TSD_VM !== 'yes') {
      console.log(
        '\n== tests: vm: left out, as where CI is not set: `scripts/test vm` runs them, TSD_VM=yes with all others',
      );
    } else if (kind === 'vm') await virtualMachine();
    else await vitest(kind, limits[/** @type {keyof typeof limits} */ (kind)]);
  }

  printSummary(failures, skips, total.passed);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

await main();
