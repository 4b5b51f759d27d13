// Reads vitest's JSON reports. As a program: `test-reports.mjs FILE…` prints what failed and what was skipped in all of them, and
// `N passed, N failed` as the last line; its status is 1 when something failed or a report is missing.
import { existsSync, readFileSync } from 'node:fs';

/** Of failures with one reason. */
const MOST_TITLES = 5;

/**
 * @typedef {{ title: string, why?: string }} Failure
 * @typedef {{ passed: string[], failed: Failure[], skipped: { why: string, title: string }[] }} Outcome
 * @param {string} file @param {string} root the directory that names of test files are shown without
 * @returns {Outcome}
 */
export function readReport(file, root) {
  /** @type {Outcome} */
  const outcome = { passed: [], failed: [], skipped: [] };
  const { testResults } = JSON.parse(readFileSync(file, 'utf8'));
  for (const result of testResults) {
    const name = result.name.replace(root, '');
    let hasFailed = false;
    for (const test of result.assertionResults) {
      const title = `${name}: ${test.fullName}`;
      if (test.status === 'passed') outcome.passed.push(title);
      else if (test.status === 'failed') {
        hasFailed = true;
        outcome.failed.push({ title, why: firstWords(test.failureMessages.join('\n')) });
      } else {
        const why = /\[needs (.*)\]$/.exec(test.title)?.[1] ?? 'another test of its file failed, or it says skip';
        outcome.skipped.push({ why, title });
      }
    }
    // A hook that failed (the ledger's among them) fails the file without failing a test.
    if (result.status === 'failed' && !hasFailed) {
      outcome.failed.push({ title: `${name}: the file itself`, why: firstWords(String(result.message)) });
    }
  }
  return outcome;
}

/** What an error says, and the line of the test that it comes from. @param {string} message */
function firstWords(message) {
  const lines = message.split('\n').map((line) => line.trim());
  const place = lines.find((line) => /^at .*\.test\.ts:/.test(line));
  const words = lines.filter((line) => line !== '' && !line.startsWith('at ')).slice(0, 8);
  return [...words, ...(place === undefined ? [] : [place])].map((line) => line.slice(0, 300)).join('\n');
}

/** The same reason is told once. @param {readonly Failure[]} failures */
function printFailures(failures) {
  /** @type {Map<string, string[]>} */
  const byReason = new Map();
  for (const { title, why = '' } of failures) byReason.set(why, [...(byReason.get(why) ?? []), title]);
  console.log('\nFailed:');
  for (const [why, titles] of byReason) {
    const shown = why === '' ? titles.length : MOST_TITLES;
    for (const title of titles.slice(0, shown)) console.log(`  ${title}`);
    if (titles.length > shown) console.log(`  and ${titles.length - shown} more, for the same reason:`);
    for (const line of why === '' ? [] : why.split('\n')) console.log(`      ${line}`);
  }
}

/** @param {readonly Failure[]} failures @param {ReadonlyMap<string, number>} skips @param {number} passed */
export function printSummary(failures, skips, passed) {
  if (failures.length > 0) printFailures(failures);
  if (skips.size > 0) {
    console.log('\nSkipped, by what the host lacks:');
    for (const [why, number] of skips) console.log(`  ${number} ${why}`);
  }
  console.log(`\n${passed} passed, ${failures.length} failed`);
}

function main() {
  /** @type {Failure[]} */
  const failures = [];
  /** @type {Map<string, number>} */
  const skips = new Map();
  let passed = 0;
  for (const file of process.argv.slice(2)) {
    if (!existsSync(file)) {
      failures.push({ title: `${file}: no report` });
      continue;
    }
    const outcome = readReport(file, '/opt/tsdocker/');
    passed += outcome.passed.length;
    failures.push(...outcome.failed);
    for (const { why } of outcome.skipped) skips.set(why, (skips.get(why) ?? 0) + 1);
  }
  printSummary(failures, skips, passed);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

if (import.meta.filename === process.argv[1]) main();
