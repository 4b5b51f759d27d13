// One project per kind of test. Processes, not threads, run them: a thread that ends after loading the FFI library would end the
// process, and tests that enter namespaces must own theirs. The kinds that start daemons run one file at a time, so that
// the ledger of a file sees only that file's traces.
import { defineConfig } from 'vitest/config';

/** Emulated machines are slow: limits on time grow by this factor, as they do in test/harness. */
const seconds = 1000 * Math.max(1, Number(process.env.TSD_TIME_FACTOR ?? 1) || 1);

function kind(name: string, include: string[], options: { alone: boolean; timeoutMs: number }) {
  return {
    test: {
      name,
      include,
      pool: 'forks' as const,
      environment: 'node' as const,
      fileParallelism: !options.alone,
      testTimeout: options.timeoutMs,
      hookTimeout: options.timeoutMs,
    },
  };
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    passWithNoTests: true,
    projects: [
      {
        ...kind('unit', ['test/unit/**/*.test.ts'], { alone: false, timeoutMs: 20 * seconds }),
      },
      kind('integration', ['test/integration/**/*.test.ts'], { alone: true, timeoutMs: 60 * seconds }),
      kind('clients', ['test/clients/**/*.test.ts'], { alone: true, timeoutMs: 60 * seconds }),
      kind('hostile', ['test/hostile/**/*.test.ts'], { alone: true, timeoutMs: 120 * seconds }),
      kind('vm', ['test/vm/**/*.test.ts'], { alone: true, timeoutMs: 120 * seconds }),
      kind('fresh', ['test/fresh/**/*.test.ts'], { alone: true, timeoutMs: 900 * seconds }),
      kind('fault', ['test/fault/**/*.test.ts'], { alone: true, timeoutMs: 180 * seconds }),
    ],
  },
});
