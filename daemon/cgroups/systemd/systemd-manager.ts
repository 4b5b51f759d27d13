// systemd's manager over its private socket, which root may use and which needs no bus daemon. Connects when something is asked, and again
// when systemd has closed the connection (it does when it executes itself anew).
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { EngineError } from '../../errors/engine-error.ts';
import type { DbusValue, Variant } from '../../protocols/dbus/dbus-codec.ts';
import { type DbusMessage, decodeMessage, encodeCall, messageLength } from '../../protocols/dbus/dbus-message.ts';
import { FormatError } from '../../protocols/format-error.ts';

export interface UnitProperty {
  name: string;
  signature: string;
  value: DbusValue;
}

/** An error that systemd answered with: "org.freedesktop.systemd1.UnitExists" and the like. */
export class SystemdError extends EngineError {
  readonly systemdName: string;

  constructor(member: string, name: string, message: string) {
    super('system', `systemd: ${member}: ${message}`);
    this.systemdName = name;
  }
}

const PRIVATE_SOCKET = '/run/systemd/private';
const MANAGER_PATH = '/org/freedesktop/systemd1';
const MANAGER = 'org.freedesktop.systemd1.Manager';
/** As sd-bus waits. */
const CALL_LIMIT_MS = 25_000;
const MAX_GREETING_BYTES = 4096;

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

interface Connection {
  socket: Socket;
  replies: Map<number, Waiting<DbusMessage>>;
  /** By unit: how its job ended ("done", "failed", "canceled" …). */
  jobs: Map<string, Waiting<string>[]>;
}

/** As sd_booted(3): whether systemd is this host's init system. */
export function isSystemdRunning(): boolean {
  return existsSync('/run/systemd/system');
}

export class SystemdManager implements Disposable {
  readonly #socketPath: string;
  #connection: Promise<Connection> | undefined;
  #serial = 0;

  constructor(socketPath = PRIVATE_SOCKET) {
    this.#socketPath = socketPath;
  }

  /** Connects, to find out whether it can be done. */
  async check(): Promise<void> {
    await this.#connected();
  }

  /** Whether the host is on its way down or to a reboot. */
  async isStopping(): Promise<boolean> {
    const reply = await this.#call('Get', 'ss', [MANAGER, 'SystemState'], 'org.freedesktop.DBus.Properties');
    const [state] = reply.body as readonly (Variant | undefined)[];
    return state?.value === 'stopping';
  }

  /** Starts a unit that exists as long as it is used, and waits until its job is done. Throws SystemdError. */
  async startTransientUnit(name: string, properties: readonly UnitProperty[]): Promise<void> {
    const list = properties.map(({ name: key, signature, value }) => [key, { signature, value }]);
    await this.#job('StartTransientUnit', name, 'ssa(sv)a(sa(sv))', [name, 'replace', list, []]);
  }

  /** Ends a unit with all its processes, and waits for it. One that is not there is fine. */
  async stopUnit(name: string): Promise<void> {
    try {
      await this.#job('StopUnit', name, 'ss', [name, 'replace']);
    } catch (error) {
      if (!(error instanceof SystemdError && error.systemdName.endsWith('.NoSuchUnit'))) throw error;
    }
  }

  /** Forgets that a unit failed. One that is not there, or has not failed, is fine. */
  async resetFailed(name: string): Promise<void> {
    try {
      await this.#call('ResetFailedUnit', 's', [name]);
    } catch (error) {
      if (!(error instanceof SystemdError)) throw error;
    }
  }

  [Symbol.dispose](): void {
    void this.#connection?.then(({ socket }) => socket.destroy()).catch(() => undefined);
    this.#connection = undefined;
  }

  /** A call that makes a job; its end comes as a signal, which may be there before the call's answer has been looked at. */
  async #job(member: string, unit: string, signature: string, body: readonly DbusValue[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    promise.catch(() => undefined);
    const waiting = { resolve, reject };
    const connection = await this.#connected();
    const ofUnit = connection.jobs.get(unit) ?? [];
    connection.jobs.set(unit, [...ofUnit, waiting]);
    const timer = setTimeout(() => reject(late(member)), CALL_LIMIT_MS);
    try {
      await this.#send(connection, member, signature, body);
      const result = await promise;
      if (result !== 'done' && result !== 'skipped') {
        throw new EngineError('system', `systemd: ${member} ${unit}: the job is ${result}: see journalctl -u ${unit}`);
      }
    } finally {
      clearTimeout(timer);
      const left = (connection.jobs.get(unit) ?? []).filter((other) => other !== waiting);
      if (left.length > 0) connection.jobs.set(unit, left);
      else connection.jobs.delete(unit);
    }
  }

  async #call(
    member: string,
    signature: string,
    body: readonly DbusValue[],
    interfaceName = MANAGER,
  ): Promise<DbusMessage> {
    return this.#send(await this.#connected(), member, signature, body, interfaceName);
  }

  async #send(
    { socket, replies }: Connection,
    member: string,
    signature: string,
    body: readonly DbusValue[],
    interfaceName = MANAGER,
  ): Promise<DbusMessage> {
    this.#serial = (this.#serial % 0x7fffffff) + 1;
    const serial = this.#serial;
    const { promise, resolve, reject } = Promise.withResolvers<DbusMessage>();
    promise.catch(() => undefined);
    const timer = setTimeout(() => reject(late(member)), CALL_LIMIT_MS);
    replies.set(serial, { resolve, reject });
    try {
      socket.write(encodeCall({ serial, path: MANAGER_PATH, interface: interfaceName, member, signature, body }));
      const reply = await promise;
      if (reply.type === 'error') {
        const [words] = reply.body;
        throw new SystemdError(member, reply.errorName ?? '', typeof words === 'string' ? words : 'refused');
      }
      return reply;
    } finally {
      clearTimeout(timer);
      replies.delete(serial);
    }
  }

  #connected(): Promise<Connection> {
    this.#connection ??= this.#connect().catch((error: unknown) => {
      this.#connection = undefined;
      const reason = error instanceof Error ? error.message : String(error);
      throw new EngineError('system', `connect to systemd at ${this.#socketPath}: ${reason}`, { cause: error });
    });
    return this.#connection;
  }

  async #connect(): Promise<Connection> {
    const socket = connect(this.#socketPath);
    await once(socket, 'connect');
    const connection: Connection = { socket, replies: new Map(), jobs: new Map() };
    try {
      await greet(socket);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    let pending: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      try {
        pending = dispatchAll(connection, pending);
      } catch (error) {
        const isFormat = error instanceof FormatError;
        socket.destroy(isFormat ? new EngineError('system', error.message, { cause: error }) : (error as Error));
      }
    });
    let reason = new Error('systemd has closed the connection');
    socket.on('error', (error) => {
      reason = error;
    });
    socket.on('close', () => {
      this.#connection = undefined;
      for (const { reject } of connection.replies.values()) reject(reason);
      for (const list of connection.jobs.values()) for (const { reject } of list) reject(reason);
    });
    // A daemon that ends does not wait for it.
    socket.unref();
    return connection;
  }
}

/** SASL EXTERNAL: the kernel tells the other side who we are (dbus specification, "Authentication Protocol"). */
async function greet(socket: Socket): Promise<void> {
  const user = Buffer.from(String(process.getuid?.() ?? 0)).toString('hex');
  socket.write(`\0AUTH EXTERNAL ${user}\r\n`);
  let answer = '';
  while (!answer.includes('\r\n')) {
    const [chunk] = (await once(socket, 'data', { signal: AbortSignal.timeout(CALL_LIMIT_MS) })) as [Buffer];
    answer += chunk.toString('latin1');
    if (answer.length > MAX_GREETING_BYTES) throw new Error('it does not speak D-Bus');
  }
  if (!answer.startsWith('OK ')) throw new Error(`it refuses: ${answer.trim()}`);
  socket.write('BEGIN\r\n');
}

/** Returns the rest that is not a whole message yet. */
function dispatchAll(connection: Connection, bytes: Buffer): Buffer {
  let rest = bytes;
  for (;;) {
    const length = messageLength(rest);
    if (length === undefined || rest.length < length) return rest;
    dispatch(connection, decodeMessage(rest.subarray(0, length)));
    rest = rest.subarray(length);
  }
}

function dispatch({ replies, jobs }: Connection, message: DbusMessage): void {
  if (message.replySerial !== undefined) replies.get(message.replySerial)?.resolve(message);
  if (message.type !== 'signal' || message.member !== 'JobRemoved') return;
  const [, , unit, result] = message.body;
  if (typeof unit !== 'string' || typeof result !== 'string') return;
  for (const waiting of jobs.get(unit) ?? []) waiting.resolve(result);
}

function late(member: string): EngineError {
  return new EngineError('system', `systemd: ${member}: no answer after ${CALL_LIMIT_MS / 1000} s`);
}
