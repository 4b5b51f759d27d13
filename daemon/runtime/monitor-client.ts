// A connection to one container's monitor (native-bindings/launcher/client.c has the other end): start report, log position, resize,
// signals, stdin, and the end, which is the end of the connection. The files that a monitor writes are read elsewhere.
import { closeSync, constants, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { errnoName } from '../../native-bindings/errno.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { OpName } from './opcodes.ts';
import type { Program } from './program.ts';

/** The launcher's report of the first operation that failed. `opIndex` is -1 for what is not an operation. */
export class LaunchError extends Error {
  readonly opIndex: number;
  readonly op: OpName | undefined;
  readonly errno: number;
  /** Like 'ENOENT'. */
  readonly errnoName: string;
  /** The operand, mostly a path. */
  readonly detail: string;

  constructor(report: { opIndex: number; errno: number; detail: string }, program?: Program) {
    const op = program?.ops[report.opIndex]?.op;
    const name = report.errno > 0 ? errnoName(report.errno) : 'EPROTO';
    const subject = [
      op ?? (report.opIndex >= 0 ? `operation ${report.opIndex}` : 'launcher'),
      report.detail && JSON.stringify(report.detail),
    ];
    super(`${subject.filter(Boolean).join(' ')}: ${name}`);
    this.name = 'LaunchError';
    this.opIndex = report.opIndex;
    this.op = op;
    this.errno = report.errno;
    this.errnoName = name;
    this.detail = report.detail;
  }
}

export interface LogPosition {
  readonly seq: number;
  /** Bytes in that file. */
  readonly size: number;
}

/** Keeps log files from the given one on from being deleted by rotation; the container waits rather than lose them. */
export interface LogHold {
  moveTo(seq: number): void;
  release(): void;
}

export interface StdinStream {
  /** Resolves when the monitor can take more: its pace is the container's. Rejects when the monitor is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** With `endOfInput` the container reads end of file after what was written; without, others may go on writing. */
  close(options: { endOfInput: boolean }): void;
}

const HEADER_BYTES = 8;
const MAX_PAYLOAD_BYTES = 64 * 1024;
/** sockaddr_un.sun_path less its NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
const NO_HOLD = 0xffffffff;

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export class MonitorClient {
  /** The container's first process, in the daemon's pid namespace. Reading it is safe while `ended` is pending. */
  readonly pid: number;
  /** Resolves when the monitor is gone: the exit record is then in place, unless the monitor was killed. */
  readonly ended: Promise<void>;
  /** What the connection held from the start on: only with `launch({holdLog: true})`. Release it once the readers hold for themselves. */
  readonly initialHold: LogHold | undefined;

  readonly #socket: Socket;
  readonly #runDir: string;
  readonly #listeners: Set<(position: LogPosition) => void>;
  readonly #endListeners: Set<() => void>;
  readonly #holds = new Set<{ seq: number }>();
  #heldSeq = NO_HOLD;

  private constructor(connection: StartedConnection, runDir: string, initialHoldSeq: number | undefined) {
    this.#socket = connection.socket;
    this.#runDir = runDir;
    this.#listeners = connection.logListeners;
    this.#endListeners = connection.endListeners;
    this.pid = connection.pid;
    this.ended = connection.ended;
    this.initialHold = initialHoldSeq === undefined ? undefined : this.holdLog(initialHoldSeq);
  }

  /** Connects to a monitor that runs, waiting for its start report. Throws LaunchError when its start fails, EngineError 'not-found' when no
   * monitor listens in `runDir`. */
  static async connect(runDir: string): Promise<MonitorClient> {
    return new MonitorClient(await awaitStart(await connectTo(runDir)), runDir, undefined);
  }

  /** For Launcher: takes over the control socket of a monitor that is about to start. */
  static async adopt(
    socket: Socket,
    runDir: string,
    options: { program: Program; holdSeq?: number },
  ): Promise<MonitorClient> {
    const client = new MonitorClient(await awaitStart(socket, options.program), runDir, options.holdSeq);
    if (options.holdSeq === undefined) client.#sendHold();
    return client;
  }

  /** Calls back at once with the position of now, and after the log has grown, with the newest position only. Returns what ends the
   * subscription. */
  onLog(callback: (position: LogPosition) => void): () => void {
    this.#listeners.add(callback);
    this.#send('W', Buffer.of(1));
    return () => {
      if (this.#listeners.delete(callback) && this.#listeners.size === 0) this.#send('W', Buffer.of(0));
    };
  }

  /** Calls back when the monitor has ended, before anything that waits for `ended` runs: log files can then still be opened. Returns what ends
   * the subscription. */
  onEnd(callback: () => void): () => void {
    this.#endListeners.add(callback);
    return () => this.#endListeners.delete(callback);
  }

  /** True when `ended` has resolved or is about to. */
  get hasEnded(): boolean {
    return this.#socket.destroyed;
  }

  resize(rows: number, columns: number): void {
    if (this.#socket.writable) this.#socket.write(resizeMessage({ rows, columns }));
  }

  /** Signals the container's first process: the monitor is its parent, so the pid cannot be another's. */
  signal(signo: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(signo, 0);
    this.#send('G', payload);
  }

  /** Any number of holds; the lowest counts. All end with the connection. */
  holdLog(seq: number): LogHold {
    const hold = { seq };
    this.#holds.add(hold);
    this.#sendHold();
    return {
      moveTo: (next) => {
        hold.seq = next;
        this.#sendHold();
      },
      release: () => {
        if (this.#holds.delete(hold)) this.#sendHold();
      },
    };
  }

  /** A connection of its own, so that a container that does not read blocks nothing else. */
  async openStdin(): Promise<StdinStream> {
    const { socket } = await awaitStart(await connectTo(this.#runDir));
    return new StdinConnection(socket);
  }

  close(): void {
    this.#socket.destroy();
  }

  #sendHold(): void {
    let lowest = NO_HOLD;
    for (const { seq } of this.#holds) lowest = Math.min(lowest, seq);
    // Moving a hold forward is for every file of a reader, not for every block.
    if (lowest === this.#heldSeq && lowest !== NO_HOLD) return;
    this.#heldSeq = lowest;
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(lowest, 0);
    this.#send('K', payload);
  }

  #send(type: string, payload: Buffer): void {
    if (this.#socket.writable) this.#socket.write(message(type, payload));
  }
}

export function resizeMessage({ rows, columns }: TerminalSize): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt16LE(rows, 0);
  payload.writeUInt16LE(columns, 2);
  return message('R', payload);
}

class StdinConnection implements StdinStream {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; start += MAX_PAYLOAD_BYTES) {
      await this.#write(message('I', bytes.subarray(start, start + MAX_PAYLOAD_BYTES)));
    }
  }

  close({ endOfInput }: { endOfInput: boolean }): void {
    if (endOfInput) this.#socket.write(message('Z', new Uint8Array()));
    this.#socket.end();
  }

  #write(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(new EngineError('conflict', 'write to stdin: the process has ended', { cause: error }));
        else resolve();
      });
    });
  }
}

function message(type: string, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
  bytes.write(type, 0, 'latin1');
  bytes.writeUInt32LE(payload.length, 4);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

function connectTo(runDir: string): Promise<Socket> {
  const path = join(runDir, 'monitor.sock');
  const isShort = Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => {
      reject(new EngineError('not-found', `connect ${path}: no monitor listens there`, { cause }));
    };
    let directory: number | undefined;
    try {
      if (!isShort) directory = openSync(runDir, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (error) {
      fail(error);
      return;
    }
    const socket = connect({ path: directory === undefined ? path : `/proc/self/fd/${directory}/monitor.sock` });
    const finish = () => {
      if (directory !== undefined) closeSync(directory);
      socket.removeAllListeners();
    };
    socket.once('connect', () => {
      finish();
      resolve(socket);
    });
    socket.once('error', (error) => {
      finish();
      fail(error);
    });
  });
}

interface StartedConnection {
  readonly socket: Socket;
  readonly pid: number;
  readonly ended: Promise<void>;
  readonly logListeners: Set<(position: LogPosition) => void>;
  readonly endListeners: Set<() => void>;
}

/** Reads the monitor's messages for as long as the connection lasts; resolves with the first, S, and rejects when it is F or the end. */
function awaitStart(socket: Socket, program?: Program): Promise<StartedConnection> {
  const logListeners = new Set<(position: LogPosition) => void>();
  const endListeners = new Set<() => void>();
  return new Promise((resolve, reject) => {
    let rest: Buffer = Buffer.alloc(0);
    const ended = new Promise<void>((resolveEnded) => {
      socket.once('close', () => {
        reject(new LaunchError({ opIndex: -1, errno: 0, detail: 'the launcher ended without a report' }));
        for (const listener of endListeners) listener();
        resolveEnded();
      });
    });
    // A reset is an end like any other: the exit record tells how the container ended.
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      while (rest.length >= HEADER_BYTES) {
        const length = rest.readUInt32LE(4);
        if (length > MAX_PAYLOAD_BYTES) {
          socket.destroy();
          return;
        }
        if (rest.length < HEADER_BYTES + length) break;
        receive(String.fromCharCode(rest[0] as number), rest.subarray(HEADER_BYTES, HEADER_BYTES + length));
        rest = rest.subarray(HEADER_BYTES + length);
      }
    });
    const receive = (type: string, payload: Buffer) => {
      if (type === 'S' && payload.length >= 4) {
        resolve({ socket, pid: payload.readUInt32LE(0), ended, logListeners, endListeners });
      } else if (type === 'F' && payload.length >= 8) {
        const report = {
          opIndex: payload.readInt32LE(0),
          errno: payload.readInt32LE(4),
          detail: payload.toString('utf8', 8),
        };
        reject(new LaunchError(report, program));
        socket.destroy();
      } else if (type === 'L' && payload.length >= 16) {
        const position = { seq: payload.readUInt32LE(0), size: Number(payload.readBigUInt64LE(8)) };
        for (const listener of logListeners) listener(position);
      }
    };
  });
}
