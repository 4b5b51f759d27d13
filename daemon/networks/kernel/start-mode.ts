// How the network's helper processes are started: modes of the launcher's binary, which the composition root has.
import type { Socket } from 'node:net';

/**
 * `fds` become 1, 3, 4, … in the helper. `end` is the daemon's end of the socket that is 1; `label` is for process lists. Returns the pid.
 */
export type StartMode = (name: string, fds: readonly [number, ...number[]], end: Socket, label?: string) => number;
