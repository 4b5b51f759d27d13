// Starts programs: writes one into a memfd, spawns the launcher on it and hands back its control socket as a MonitorClient.
// The launcher itself runs from a sealed memfd, so that nothing in a container can ever write to the file it came from (CVE-2019-5736).
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { F_SEAL, MFD } from '../../native-bindings/constants.ts';
import { fcntlAddSeals, memfdCreate } from '../../native-bindings/files.ts';
import { reapChild, socketPair, spawnWithFds } from '../../native-bindings/spawn.ts';
import { EngineError } from '../errors/engine-error.ts';
import { MonitorClient } from './monitor-client.ts';
import { resizeMessage, type TerminalSize } from './monitor-connection.ts';
import { encodeProgram, FIRST_PROGRAM_FD, LAST_PROGRAM_FD, type Program } from './program/program.ts';

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
  /** Of the program's terminal, from its beginning. */
  readonly terminalSize?: TerminalSize;
}

const EVERY_SEAL = F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE;

/** A monitor closes its socket a moment before it can be reaped. */
const REAP_DELAYS_MS = [1, 10, 100, 1000, 5000];

export class Launcher implements Disposable {
  readonly #binary: number;
  readonly #nullDevice: number;
  readonly #children = new Set<number>();

  private constructor(binary: number) {
    this.#binary = binary;
    this.#nullDevice = openSync('/dev/null', 'r+');
  }

  /** Copies the launcher into memory. Throws what reading the file throws, and SystemError. */
  static open(binaryPath: string): Launcher {
    return new Launcher(sealedMemfd('tsdocker', readFileSync(binaryPath), true));
  }

  /** Resolves when execve has succeeded. Rejects with LaunchError when any operation fails, with SystemError when the launcher cannot run. */
  async launch(options: LaunchOptions): Promise<MonitorClient> {
    if (options.fds.length > LAST_PROGRAM_FD - FIRST_PROGRAM_FD + 1) {
      throw new EngineError(
        'invalid',
        `the container needs ${options.fds.length} open files at once: use fewer mounts`,
      );
    }
    const socket = this.#spawn(options);
    const { program, holdLogFrom } = options;
    return MonitorClient.adopt(socket, options.runDir, {
      program,
      ...(holdLogFrom === undefined ? {} : { holdSeq: holdLogFrom }),
    });
  }

  /**
   * Starts the launcher's binary in another mode (native-bindings/launcher/modes.h): `fds` become 1, 3, 4, … there. Returns the pid. It is
   * reaped when `end`, the daemon's end of its socket, has closed.
   */
  startMode(name: string, fds: readonly [number, ...number[]], end: Socket, label?: string): number {
    const [control, ...others] = fds;
    const path = `/proc/${process.pid}/fd/${this.#binary}`;
    const pid = spawnWithFds(path, label === undefined ? [name] : [name, label], [
      this.#nullDevice,
      control,
      this.#nullDevice,
      ...others,
    ]);
    this.#children.add(pid);
    end.once('close', () => this.#reap(0));
    return pid;
  }

  [Symbol.dispose](): void {
    closeSync(this.#binary);
    closeSync(this.#nullDevice);
  }

  /** By /proc/PID of the daemon: in the child other files lie at the numbers that were free here. */
  #spawn({ id, fds, program, terminalSize }: LaunchOptions): Socket {
    const programFd = sealedMemfd('tsdocker-program', encodeProgram(program), false);
    const opened = [programFd];
    try {
      const [ours, theirs] = socketPair();
      opened.push(theirs);
      const socket = new Socket({ fd: ours, readable: true, writable: true });
      // Before there is a monitor: it reads what is there before the child may go, so no process sees its terminal without a size.
      if (terminalSize !== undefined) socket.write(resizeMessage(terminalSize));
      try {
        const path = `/proc/${process.pid}/fd/${this.#binary}`;
        this.#children.add(spawnWithFds(path, ['tsdocker-monitor', id], [programFd, theirs, this.#nullDevice, ...fds]));
      } catch (error) {
        socket.destroy();
        throw error;
      }
      socket.once('close', () => this.#reap(0));
      return socket;
    } finally {
      for (const fd of opened) closeSync(fd);
    }
  }

  /** Monitors outlive the daemon; those that end before it are its children to reap. One whose socket was closed early is found later. */
  #reap(attempt: number): void {
    for (const pid of this.#children) if (reapChild(pid)) this.#children.delete(pid);
    const delayMs = REAP_DELAYS_MS[attempt];
    if (this.#children.size > 0 && delayMs !== undefined) setTimeout(() => this.#reap(attempt + 1), delayMs).unref();
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
