// What the daemon's log says of failures: somebody who reads only the message sees that something failed.
import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';

/** Fields up to the message, across lines: `{ err: error, … }, 'cannot …'`. */
const told = /\b(?:warn|error|tell|onNote)\(\s*\{([^{}]*)\},\s*(['"`])((?:(?!\2).)*)\2/gs;
const says = /\bcannot\b|\bfailed\b|\bfailure\b|\bends the daemon\b|\bis damaged\b|\bdamaged\b/;

function failures(): { where: string; message: string }[] {
  return globSync('daemon/**/*.ts', { cwd: projectRoot }).flatMap((where) =>
    [...readFileSync(projectRoot + where, 'utf8').matchAll(told)]
      .filter(([, fields]) => /\berr\b/.test(fields ?? ''))
      .map(([, , , message = '']) => ({ where, message })),
  );
}

test('a message that comes with an error says that something failed', () => {
  const all = failures();
  expect(all.length).toBeGreaterThan(30);
  expect(all.filter(({ message }) => !says.test(message))).toEqual([]);
});

test('a failure about one container names it', () => {
  const texts = globSync('daemon/containers/**/*.ts', { cwd: projectRoot }).map(
    (where) => [where, readFileSync(projectRoot + where, 'utf8')] as const,
  );
  const nameless = texts.flatMap(([where, text]) =>
    [...text.matchAll(told)]
      .filter(([, fields = '']) => /\bcontainer: \S*\bcontainer\.id\b/.test(fields) && !/\bname: /.test(fields))
      .map(([, , , message]) => `${where}: ${message}`),
  );
  expect(nameless).toEqual([]);
});
