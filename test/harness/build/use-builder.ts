// One builder per test file. TSD_BUILD_REFERENCE=1 puts a dockerd with BuildKit there, to see that the tests expect what docker does:
// its commands (dockerd, docker with buildx) are those of PATH.
import { afterAll, beforeAll, test } from 'vitest';
import type { DaemonOptions } from '../test-daemon.ts';
import { useDaemon } from '../use-daemon.ts';
import { type BuildEngine, OwnBuilder } from './build-engine.ts';
import { ReferenceBuilder } from './reference-builder.ts';

export const isReference = process.env.TSD_BUILD_REFERENCE === '1';

export interface BuilderFixture {
  readonly engine: BuildEngine;
  /** The engine under test as itself; for tests that are skipped for the reference. */
  readonly own: OwnBuilder;
}

/** For what only this engine has, or docker does in another way: not judged by the reference. */
export function ownTest(name: string, body: () => Promise<void>, timeoutMs?: number): void {
  if (isReference) test.skip(name, () => {});
  else test(name, body, timeoutMs);
}

export function useBuilder(options: DaemonOptions = {}): BuilderFixture {
  if (isReference) return useReference();
  const fixture = useDaemon(options);
  let own: OwnBuilder | undefined;
  const builder = () => {
    own ??= new OwnBuilder(fixture.daemon);
    return own;
  };
  return {
    get engine() {
      return builder();
    },
    get own() {
      return builder();
    },
  };
}

function useReference(): BuilderFixture {
  let reference: ReferenceBuilder | undefined;
  beforeAll(async () => {
    reference = await ReferenceBuilder.start();
  });
  afterAll(() => reference?.dispose());
  return {
    get engine() {
      if (reference === undefined) throw new Error('the reference is started before the first test');
      return reference;
    },
    get own(): OwnBuilder {
      throw new Error('not a test for the reference: it has to be an ownTest');
    },
  };
}
