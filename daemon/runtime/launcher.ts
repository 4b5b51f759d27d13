// Starts programs: writes one into a memfd, spawns the launcher on it and hands back its control socket as a MonitorClient.
// The launcher itself runs from a sealed memfd, so that nothing in a container can ever write to the file it came from (CVE-2019-5736).
import { spawn } from 'node:child_process';
import { closeSync, readFileSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { F_SEAL, MFD } from '../../native-bindings/constants.ts';
import { fcntlAddSeals, memfdCreate } from '../../native-bindings/files.ts';
import { EngineError } from '../errors/engine-error.ts';
import { MonitorClient } from './monitor-client.ts';
import { encodeProgram, FIRST_PROGRAM_FD, LAST_PROGRAM_FD, type Program } from './program.ts';

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

const EVERY_SEAL = F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE;

export class Launcher implements Disposable {
  readonly #binary: number;

  private constructor(binary: number) {
    this.#binary = binary;
  }

  /** Copies the launcher into memory. Throws what reading the file throws, and SystemError. */
  static open(binaryPath: string): Launcher {
    return new Launcher(sealedMemfd('tsdocker', readFileSync(binaryPath), true));
  }

  /** Resolves when execve has succeeded. Rejects with LaunchError when any operation fails. */
  async launch(options: LaunchOptions): Promise<MonitorClient> {
    if (options.fds.length > LAST_PROGRAM_FD - FIRST_PROGRAM_FD + 1) {
      throw new EngineError(
        'invalid',
        `the container needs ${options.fds.length} open files at once: use fewer mounts`,
      );
    }
    const program = sealedMemfd('tsdocker-program', encodeProgram(options.program), false);
    let socket: Socket;
    try {
      socket = await this.#spawn(options, program);
    } finally {
      closeSync(program);
    }
    const hold = options.holdLogFrom === undefined ? {} : { holdSeq: options.holdLogFrom };
    return MonitorClient.adopt(socket, options.runDir, { program: options.program, ...hold });
  }

  [Symbol.dispose](): void {
    closeSync(this.#binary);
  }

  /** By /proc/PID of the daemon: in the child, libuv has put other files at the numbers that were free in the daemon. */
  #spawn({ id, fds }: LaunchOptions, program: number): Promise<Socket> {
    const child = spawn(`/proc/${process.pid}/fd/${this.#binary}`, [id], {
      argv0: 'tsdocker-monitor',
      cwd: '/',
      env: {},
      stdio: [program, 'pipe', 'ignore', ...fds],
    });
    return new Promise((resolve, reject) => {
      child.once('error', (cause) =>
        reject(new EngineError('system', `start the launcher: ${cause.message}`, { cause })),
      );
      child.once('spawn', () => {
        // The monitor outlives the daemon: it must not keep the event loop alive, its socket does while somebody uses it.
        child.unref();
        resolve(child.stdout as Socket);
      });
    });
  }
}

function sealedMemfd(name: string, content: Uint8Array, isExecutable: boolean): number {
  const fd = createMemfd(name, isExecutable);
  try {
    let offset = 0;
    while (offset < content.length) offset += writeSync(fd, content, offset, content.length - offset, offset);
    fcntlAddSeals(fd, EVERY_SEAL);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** MFD_EXEC asks for what vm.memfd_noexec may otherwise deny; kernels before 6.3 do not know it and allow execution anyway. */
function createMemfd(name: string, isExecutable: boolean): number {
  if (!isExecutable) return memfdCreate(name, MFD.ALLOW_SEALING);
  try {
    return memfdCreate(name, MFD.ALLOW_SEALING | MFD.EXEC);
  } catch {
    return memfdCreate(name, MFD.ALLOW_SEALING);
  }
}
