// Where the project's files stand, and where the tests put what they build.
import { existsSync, mkdirSync } from 'node:fs';

export const projectRoot = new URL('../..', import.meta.url).pathname;
export const fixturesDir = `${projectRoot}test/fixtures`;

/** Built fixtures; kept between runs, made again when their source is newer. */
export const builtFixturesDir = `${projectRoot}build/fixtures`;
mkdirSync(builtFixturesDir, { recursive: true });

/** The first of these commands that PATH has, as an absolute path. */
export function findCommand(...names: string[]): string | undefined {
  for (const name of names) {
    for (const dir of (process.env.PATH ?? '').split(':')) {
      if (dir !== '' && existsSync(`${dir}/${name}`)) return `${dir}/${name}`;
    }
  }
  return undefined;
}
