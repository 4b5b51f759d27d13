// The messages between daemon and monitor, and the connections that carry them: u8 type, three zero bytes, u32le length, payload, as in
// native-bindings/launcher/client.c. What is done with them is MonitorClient's.
import { closeSync, constants, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { EngineError } from '../errors/engine-error.ts';
import type { LogPosition } from '../logs/reader/log-writer.ts';
import { LaunchError } from './launch-error.ts';
import type { Program } from './program/program.ts';

/** Of the control group, counted from the start of the run. */
export interface MemoryShortage {
  /** Processes that the kernel has killed for want of memory. */
  readonly kills: number;
  /** How often the group stood still for want of memory, with its killer switched off (cgroup v1). */
  readonly stalls: number;
}

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

const HEADER_BYTES = 8;
export const MAX_PAYLOAD_BYTES = 64 * 1024;
/** sockaddr_un.sun_path less its NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
/** A monitor that is stopped or stuck must not hold up the daemon. */
const ANSWER_TIMEOUT_MS = 10_000;

export function resizeMessage({ rows, columns }: TerminalSize): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt16LE(rows, 0);
  payload.writeUInt16LE(columns, 2);
  return message('R', payload);
}

export function message(type: string, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
  bytes.write(type, 0, 'latin1');
  bytes.writeUInt32LE(payload.length, 4);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** Connects to the monitor of `runDir` and waits for its start report. Throws EngineError 'not-found' when none is there (any more),
 * 'unavailable' when it does not answer. */
export async function connectToMonitor(runDir: string): Promise<MonitorConnection> {
  const socket = await connectTo(runDir);
  const timer = setTimeout(() => socket.destroy(), ANSWER_TIMEOUT_MS);
  const started = performance.now();
  try {
    return await awaitStart(socket);
  } catch (error) {
    if (!(error instanceof LaunchError) || error.errno !== 0) throw error;
    if (performance.now() - started >= ANSWER_TIMEOUT_MS) {
      throw new EngineError('unavailable', `connect to the monitor of ${runDir}: it does not answer`, { cause: error });
    }
    throw new EngineError('not-found', `connect to the monitor of ${runDir}: it has just ended`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function connectTo(runDir: string): Promise<Socket> {
  const path = join(runDir, 'monitor.sock');
  const isShort = Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => {
      const { code } = cause as NodeJS.ErrnoException;
      // Only these say that nobody is there. Whatever else it is (no file left, a full backlog), the container behind it may be well.
      const isGone = code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED';
      reject(
        isGone
          ? new EngineError('not-found', `connect ${path}: no monitor listens there`, { cause })
          : new EngineError('unavailable', `connect ${path}: ${code ?? cause}`, { cause }),
      );
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

export interface MonitorConnection {
  readonly socket: Socket;
  readonly pid: number;
  readonly ended: Promise<void>;
  readonly logListeners: Set<(position: LogPosition) => void>;
  readonly endListeners: Set<() => void>;
  readonly shortageListeners: Set<(shortage: MemoryShortage) => void>;
  /** Of the protocol, as the monitor that was started with the container speaks it: 0 hangs up on a message that it does not know. */
  readonly version: number;
}

/** Reads the monitor's messages for as long as the connection lasts; resolves with the first, S, and rejects when it is F or the end. */
export function awaitStart(socket: Socket, program?: Program): Promise<MonitorConnection> {
  const logListeners = new Set<(position: LogPosition) => void>();
  const endListeners = new Set<() => void>();
  const shortageListeners = new Set<(shortage: MemoryShortage) => void>();
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
        const version = payload.length >= 8 ? payload.readUInt32LE(4) : 0;
        const pid = payload.readUInt32LE(0);
        resolve({ socket, pid, ended, logListeners, endListeners, shortageListeners, version });
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
      } else if (type === 'O' && payload.length >= 8) {
        const shortage = { kills: payload.readUInt32LE(0), stalls: payload.readUInt32LE(4) };
        for (const listener of shortageListeners) listener(shortage);
      }
    };
  });
}
