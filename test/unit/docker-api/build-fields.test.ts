// A parameter or a flag of a build that nobody reads is a promise without proof: each has to be named by who carries it out.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildFlags } from '../../../cli/build/build-flags.ts';
import { buildQuery } from '../../../daemon/docker-api/request/build-parameters.ts';
import { projectRoot } from '../../harness/paths.ts';

/** Docker's intermediate containers: there are none, so they are always removed. */
const meansNothing = ['rm', 'forcerm', 'forceRm'];

const textOf = (files: readonly string[]) =>
  files.map((file) => readFileSync(join(projectRoot, file), 'utf8')).join('\n');

function unread(names: readonly string[], object: string, files: readonly string[]): string[] {
  const text = textOf(files);
  const isRead = (name: string) =>
    new RegExp(`\\b${object}\\.${name}\\b`).test(text) ||
    new RegExp(`\\{[^{}]*\\b${name}\\b[^{}]*\\}(: Flags| = ${object}\\b)`).test(text);
  return names.filter((name) => !isRead(name) && !meansNothing.includes(name));
}

test('every parameter of POST /build is read', () => {
  const files = ['request/build-parameters.ts', 'request/build-body.ts', 'routes/build.ts'];
  const paths = files.map((file) => `daemon/docker-api/${file}`);
  expect(unread(Object.keys(buildQuery.properties), 'query', paths)).toEqual([]);
});

test('every flag of build is read', () => {
  const paths = ['cli/build/build-query.ts', 'cli/commands/images/build.ts'];
  expect(unread(Object.keys(buildFlags), 'flags', paths)).toEqual([]);
});
