// One daemon per test file, with a ledger at its end: a container that a test leaves is removed, what the engine leaves fails the file.
import { afterAll, afterEach, beforeAll } from 'vitest';
import { eventually } from './eventually.ts';
import { openFileCount, zombiesOf } from './ledger.ts';
import { type DaemonOptions, TestDaemon } from './test-daemon.ts';

export interface DaemonFixture {
  readonly daemon: TestDaemon;
}

/** Registers the hooks; `fixture.daemon` is there from the first test on. Containers are removed after each test. */
export function useDaemon(options: DaemonOptions = {}): DaemonFixture {
  let daemon: TestDaemon | undefined;
  let filesAtStart = 0;
  beforeAll(async () => {
    daemon = await TestDaemon.start(options);
    filesAtStart = openFileCount(daemon.pid);
  });
  afterEach(async () => {
    if (daemon === undefined) return;
    // A test that ends with the daemon gone has said so by restarting it: else it has fallen, and its last words matter.
    const words = daemon.isRunning ? undefined : daemon.logTail();
    if (!daemon.isRunning) await daemon.start();
    await daemon.removeAllContainers();
    await daemon.removeAllVolumes();
    if (words !== undefined) throw new Error(`the daemon is gone after this test:\n${words}`);
  });
  afterAll(async () => {
    if (daemon === undefined) return;
    const problems: string[] = [];
    if (daemon.isRunning) {
      const { pid } = daemon;
      // A monitor closes its socket a moment before it can be reaped.
      await eventually('no zombies', () => zombiesOf(pid).length === 0).catch(() =>
        problems.push(`zombies of the daemon: ${zombiesOf(pid).join(' ')}`),
      );
      const grown = openFileCount(daemon.pid) - filesAtStart;
      // Pools that fill on first use (jail workers, prepared namespaces, the database's files) may hold some.
      if (grown > 40) problems.push(`the daemon holds ${grown} more open files than at its start`);
    }
    await daemon.dispose();
    if (problems.length > 0) throw new Error(problems.join('\n'));
  });
  return {
    get daemon() {
      if (daemon === undefined)
        throw new Error('the daemon is started before the first test, not while the file is read');
      return daemon;
    },
  };
}
