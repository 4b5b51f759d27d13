// Starts programs: writes one into a memfd, spawns the launcher on it and hands back its control socket as a MonitorClient.
// The launcher itself runs from a sealed memfd, so that nothing in a container can ever write to the file it came from (CVE-2019-5736).
import type { MonitorClient } from './monitor-client.ts';
import type { Program } from './program.ts';

export interface LaunchOptions {
  /** Shown as the monitor's process title. */
  readonly id: string;
  /** Where the program's `rundir` operation points: further connections are made there. */
  readonly runDir: string;
  readonly program: Program;
  /** Become 3, 4, … in the launcher; the caller closes its own. */
  readonly fds: readonly number[];
  /** Keep the log from its first byte until `initialHold` of the client is released: for an attach before the start. The value is the
   * first sequence number of the program's `log` operation. */
  readonly holdLogFrom?: number;
}

export interface Launcher extends Disposable {
  /** Resolves when execve has succeeded. Rejects with LaunchError when any operation fails. */
  launch(options: LaunchOptions): Promise<MonitorClient>;
}
