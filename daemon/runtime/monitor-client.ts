// A connection to one container's monitor (native-bindings/launcher/client.c has the other end): start report, log position, resize,
// signals, stdin, and the end, which is the end of the connection. The files that a monitor writes are read elsewhere.
import type { Socket } from 'node:net';
import { EngineError } from '../errors/engine-error.ts';
import type { LogHold, LogPosition, LogWriter } from '../logs/reader/log-writer.ts';
import {
  awaitStart,
  connectToMonitor,
  MAX_PAYLOAD_BYTES,
  type MemoryShortage,
  type MonitorConnection,
  message,
  resizeMessage,
} from './monitor-connection.ts';
import type { Program } from './program/program.ts';

export interface StdinStream {
  /** Resolves when the monitor can take more: its pace is the container's. Rejects when the monitor is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** With `endOfInput` the container reads end of file after what was written; without, others may go on writing. */
  close(options: { endOfInput: boolean }): void;
}

const NO_HOLD = 0xffffffff;

export class MonitorClient implements LogWriter {
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
  readonly #shortageListeners: MonitorConnection['shortageListeners'];
  readonly #version: number;
  readonly #holds = new Set<{ seq: number }>();
  #heldSeq = NO_HOLD;
  /** It stays when its writers leave: what they wrote may wait for the container to read. */
  #stdin: Promise<Socket> | undefined;

  private constructor(connection: MonitorConnection, runDir: string, initialHoldSeq: number | undefined) {
    this.#socket = connection.socket;
    this.#runDir = runDir;
    this.#listeners = connection.logListeners;
    this.#endListeners = connection.endListeners;
    this.#shortageListeners = connection.shortageListeners;
    this.#version = connection.version;
    this.pid = connection.pid;
    this.ended = connection.ended;
    this.initialHold = initialHoldSeq === undefined ? undefined : this.holdLog(initialHoldSeq);
  }

  /** Connects to a monitor that runs, waiting for its start report. Throws LaunchError when its start fails, EngineError 'not-found' when no
   * monitor listens in `runDir` (any more), 'unavailable' when it does not answer. */
  static async connect(runDir: string): Promise<MonitorClient> {
    return new MonitorClient(await connectToMonitor(runDir), runDir, undefined);
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

  /**
   * Calls back with the totals of now, and whenever they have grown: the last time before `ended`. Monitors of version 0 know nothing of it;
   * what they leave in the exit record is all.
   */
  onShortage(callback: (shortage: MemoryShortage) => void): void {
    this.#shortageListeners.add(callback);
    if (this.#version >= 1) this.#send('O', Buffer.of(1));
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

  get heldSeq(): number {
    return Math.min(...[...this.#holds].map(({ seq }) => seq));
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

  /**
   * For one writer of any number. All share one connection, which is not the one for everything else: a container that does not read
   * blocks its writers only, and however many they are, the monitor has room for others. Rejects when the monitor is gone.
   */
  async openStdin(): Promise<StdinStream> {
    this.#stdin ??= this.#connectStdin();
    return new SharedStdin(await this.#stdin);
  }

  close(): void {
    this.#socket.destroy();
    this.#stdin?.then(
      (socket) => socket.end(),
      () => undefined,
    );
  }

  async #connectStdin(): Promise<Socket> {
    try {
      const { socket } = await connectToMonitor(this.#runDir);
      // Each writer that waits is one that listens.
      socket.setMaxListeners(0);
      socket.once('close', () => {
        this.#stdin = undefined;
      });
      return socket;
    } catch (error) {
      this.#stdin = undefined;
      throw error;
    }
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

class SharedStdin implements StdinStream {
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
    if (endOfInput && this.#socket.writable) this.#socket.write(message('Z', new Uint8Array()));
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
