// The steps of scripts/test after its set-up: each is counted, none stops the others. The last line printed is `N passed, N failed`.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';

const root = new URL('..', import.meta.url).pathname;
const reports = `${root}build/reports`;
const kinds = ['unit', 'integration', 'clients', 'hostile', 'fault'];
const isStrict = process.env.STRICT === '1';

const total = { passed: 0, failed: 0 };
/** @type {string[]} */
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

/** @param {string} what @param {boolean} isGood */
function count(what, isGood) {
  if (isGood) total.passed++;
  else {
    total.failed++;
    failures.push(what);
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

/** The launcher's own tests again, with a launcher that stops at the first wrong access or overflow. */
async function sanitizedLauncher() {
  const name = 'the launcher under ASan and UBSan';
  if (!(await step(`build ${name}`, 'make', ['-s', '-C', 'native-bindings/launcher', 'sanitized'], 120))) return;
  const files = ['launcher', 'monitor', 'join', 'monitor-stdio', 'log'].map(
    (file) => `test/unit/runtime/${file}.kernel.test.ts`,
  );
  const binary = `TSDOCKER_LAUNCHER=${root}build/launcher/tsdocker-launcher-sanitized`;
  await step(name, 'env', [binary, 'scripts/with-node', 'node_modules/vitest/vitest.mjs', 'run', ...files], 120);
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
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  let failedHere = 0;
  for (const file of testResults) {
    const name = file.name.replace(root, '');
    for (const test of file.assertionResults) {
      const title = `${name}: ${test.fullName}`;
      if (test.status === 'passed') count(title, true);
      else if (test.status === 'failed') {
        failedHere++;
        count(title, false);
      } else skip(/\[needs (.*)\]$/.exec(test.title)?.[1] ?? 'another test of its file failed, or it says skip', title);
    }
    // A hook that failed (the ledger's among them) fails the file without failing a test.
    if (
      file.status === 'failed' &&
      !file.assertionResults.some((/** @type {{status: string}} */ t) => t.status === 'failed')
    ) {
      failedHere++;
      count(`${name}: ${String(file.message).split('\n').slice(0, 6).join(' | ') || 'the file itself'}`, false);
    }
  }
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
    if (existsSync('/usr/bin/clang') || existsSync('/usr/bin/clang-14')) {
      if (existsSync(`${root}native-bindings/launcher/fuzz`))
        await step('fuzz the launcher’s decoder, 20 s', 'native-bindings/launcher/fuzz', [], 180);
    } else skip('clang with libFuzzer', 'fuzz the launcher’s decoder');
    await sanitizedLauncher();
  }
  const limits = { unit: 300, integration: 420, clients: 240, hostile: 360, fault: 420 };
  for (const kind of kinds) {
    if (!wants(kind)) continue;
    if (!isBuilt && kind !== 'unit') count(`tests: ${kind}: not run, the build failed`, false);
    else await vitest(kind, limits[/** @type {keyof typeof limits} */ (kind)]);
  }

  if (failures.length > 0) {
    console.log('\nFailed:');
    for (const failure of failures) console.log(`  ${failure}`);
  }
  if (skips.size > 0) {
    console.log('\nSkipped, by what the host lacks:');
    for (const [why, number] of skips) console.log(`  ${number} ${why}`);
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

await main();
