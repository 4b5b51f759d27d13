// Docker's words stop at the door: what a container is stands in its spec, and no file below the edge reads Docker's body.
import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../../daemon/', import.meta.url).pathname;
const sources = globSync('**/*.ts', { cwd: root })
  .sort()
  .map((name) => ({ name, text: readFileSync(`${root}${name}`, 'utf8') }));

/** What speaks Docker's language, and the stored body, which its language is kept in. */
const edge = /^(spec\/docker|docker-api|docker-types)\/|^containers\/container-record\.ts$/;
/** Who reads requests and answers them, or keeps body and spec in step. */
const mayTranslate =
  /^containers\/([a-z]+\/)?((plan|create|update)-container|container-(record|filters)|join-namespaces|links|plan-endpoints|volumes-from|needs)\.ts$|^networks\/(endpoint-config|network-entry)\.ts$/;

const below = sources.filter(({ name }) => !edge.test(name));
const namesOf = (found: typeof sources) => found.map(({ name }) => name);

test('nobody below the edge reads HostConfig', () => {
  expect(sources.length).toBeGreaterThan(400);
  expect(
    namesOf(
      below.filter(({ text }) => /hostconfig|host-config\.ts/i.test(text.replaceAll('normalise-host-config.ts', ''))),
    ),
  ).toEqual([]);
});

test('the body is shown by inspect and lists, copied by commit, and changed with the spec: nothing else looks at it', () => {
  const readers = below.filter(({ text }) => /\brecord\.body\b|\bbody\.config\b/.test(text));
  expect(namesOf(readers)).toEqual(
    ['commit-container', 'seen/container-filters', 'start/plan-container'].map((name) => `containers/${name}.ts`),
  );
});

test('parsers of Docker’s words are for who takes its requests', () => {
  const users = below.filter(({ text }) => /\/docker\/[a-z-]+\.ts'/.test(text));
  expect(namesOf(users.filter(({ name }) => !mayTranslate.test(name)))).toEqual([]);
});
