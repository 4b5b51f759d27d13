// The port keeper's client: hands bound sockets to the process that holds them for as long as their ports are published, and which
// outlives the daemon (native-bindings/launcher/port-keeper.h has the protocol). One for an engine, started with the first port.
import { closeSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { isErrno, SystemError } from '../../../native-bindings/errno.ts';
import {
  AF,
  bindUnixSocket,
  connectUnixSocket,
  IPPROTO,
  listenSocket,
  openSocket,
  SOCK,
  sendDescriptors,
} from '../../../native-bindings/sockets.ts';
import { socketPair } from '../../../native-bindings/spawn.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { addressBytes, addressText, familyOf } from '../../protocols/addresses/address-bytes.ts';
import type { PortProtocol } from '../../spec/ports.ts';
import type { PublishedPort } from './published-port.ts';
import type { StartMode } from './start-mode.ts';
import { endUnreachableKeepers } from './unreachable-keepers.ts';

export const FRAME_BYTES = 104;
const OFFSET = { protocol: 2, families: 3, hostPort: 4, containerPort: 6, host: 8, container: 24, id: 40 } as const;
const PROTOCOL: Readonly<Record<PortProtocol, number>> = { tcp: IPPROTO.TCP, udp: IPPROTO.UDP, sctp: IPPROTO.SCTP };
const HOST_IS_IPV6 = 1;
const CONTAINER_IS_IPV6 = 2;
const SOCKET_NAME = 'ports.sock';
const BACKLOG = 8;
const RETRY_MS = 2;
const RETRIES = 1000;
const HELLO = 'H';
/** Of the protocol: a keeper that another version of the engine started says which it speaks. */
const VERSION = 1;
/** How long a keeper may take to answer; it waits for nothing itself, so one that does not is stopped or starved. */
const ANSWER_LIMIT_MS = 3000;
/** Once it has not answered, others do not wait as long for the same. */
const SILENT_LIMIT_MS = 200;

interface Pending {
  resolve: (listed: PublishedPort[]) => void;
  reject: (error: unknown) => void;
  listed: PublishedPort[];
}

export interface PortKeeperOptions {
  /** The engine's own, where nobody else may write: the socket is there. */
  directory: string;
  /** Tells this engine's keepers from others', whatever has become of their sockets. */
  engineId: string;
  startMode: StartMode;
  /** Is told when the process ended with ports in it. */
  onLost: () => void;
  onNotice: (message: string) => void;
}

export class PortKeeper {
  readonly #options: PortKeeperOptions;
  readonly #pending: Pending[] = [];
  #connection: { socket: Socket; fd: number } | undefined;
  #received = Buffer.alloc(0);
  #isSilent = false;
  #peerVersion = 0;
  #isDisposed = false;

  constructor(options: PortKeeperOptions) {
    this.#options = options;
  }

  /** The keeper takes a copy of the descriptor; a port that it has already gets this one instead. */
  async add(port: PublishedPort, fd: number): Promise<void> {
    await this.#ask('A', port, [fd]);
  }

  /** Cuts the connections that it serves. Also when it is gone already. */
  async remove(port: PublishedPort): Promise<void> {
    if (this.#connection === undefined && !this.#connect()) return;
    await this.#ask('R', port, []).catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error;
    });
  }

  /** What a keeper from before the daemon's start holds; none when there is no keeper. */
  async list(): Promise<PublishedPort[]> {
    if (this.#connection === undefined && !this.#connect()) {
      const ended = endUnreachableKeepers(this.#options.engineId);
      for (const pid of ended) this.#options.onNotice(`the port keeper ${pid} could not be reached and was ended`);
      return [];
    }
    if ((await this.#version()) >= 1) return this.#ask('L', undefined, []);
    return this.#listOld();
  }

  /** The keeper stays while it holds ports. */
  dispose(): void {
    this.#isDisposed = true;
    this.#connection?.socket.destroy();
  }

  /** 0 is one that did not know the question, and hung up. */
  async #version(): Promise<number> {
    try {
      await this.#ask(HELLO, undefined, []);
    } catch (error) {
      if (error instanceof KeeperEnded) return 0;
      throw error;
    }
    if (this.#peerVersion > VERSION) {
      this.#options.onNotice(`the port keeper speaks version ${this.#peerVersion}, and this engine ${VERSION}`);
    }
    return this.#peerVersion;
  }

  /**
   * Version 0 hangs up on a list that is longer than what a socket holds. What it said until then is true: those are removed, until the rest
   * fits, and whoever wants them binds them again.
   */
  async #listOld(): Promise<PublishedPort[]> {
    for (;;) {
      if (this.#connection === undefined && !this.#connect()) return [];
      try {
        return await this.#ask('L', undefined, []);
      } catch (error) {
        if (!(error instanceof KeeperEnded) || error.listed.length === 0) throw error;
        for (const port of error.listed) await this.remove(port);
      }
    }
  }

  async #ask(operation: string, port: PublishedPort | undefined, fds: readonly number[]): Promise<PublishedPort[]> {
    if (this.#connection === undefined && !this.#connect()) this.#start();
    const frame = port === undefined ? Buffer.alloc(FRAME_BYTES) : encodePort(port);
    frame.write(operation, 0);
    // The descriptors are sent before anything is awaited: the caller may close its own.
    for (let retry = 0; ; retry++) {
      const connection = this.#connection;
      if (connection === undefined) throw new KeeperEnded([]);
      try {
        sendDescriptors(connection.fd, frame, fds);
        break;
      } catch (error) {
        // The socket is full, or too many descriptors are on their way (unix(7)).
        const isFull = isErrno(error, 'EAGAIN', 'ETOOMANYREFS');
        if (!isFull || retry >= (this.#isSilent ? 0 : RETRIES)) throw isFull ? silent() : error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    this.#connection?.socket.ref();
    const answer = new Promise<PublishedPort[]>((resolve, reject) =>
      this.#pending.push({ resolve, reject, listed: [] }),
    );
    return this.#withLimit(answer);
  }

  /** Who gives up has asked all the same: the answer, when it comes, is for nobody. */
  async #withLimit<T>(answer: Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => {
        this.#isSilent = true;
        reject(silent());
      },
      this.#isSilent ? SILENT_LIMIT_MS : ANSWER_LIMIT_MS,
    );
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
      answer.catch(() => undefined);
      if (this.#isSilent) this.#connection?.socket.unref();
    }
  }

  /** To the one that is there. False when there is none. */
  #connect(): boolean {
    const directory = openSync(this.#options.directory, 'r');
    const fd = openSocket(AF.UNIX, SOCK.STREAM, 0);
    try {
      connectUnixSocket(fd, `/proc/self/fd/${directory}/${SOCKET_NAME}`);
    } catch (error) {
      closeSync(fd);
      if (isErrno(error, 'ENOENT', 'ECONNREFUSED')) return false;
      throw error;
    } finally {
      closeSync(directory);
    }
    this.#adopt(fd, new Socket({ fd, readable: true, writable: true }));
    return true;
  }

  #start(): void {
    const directory = openSync(this.#options.directory, 'r');
    const path = `/proc/self/fd/${directory}/${SOCKET_NAME}`;
    const listener = openSocket(AF.UNIX, SOCK.STREAM, 0);
    const [ours, theirs] = socketPair();
    const socket = new Socket({ fd: ours, readable: true, writable: true });
    const mask = process.umask(0o177);
    try {
      rmSync(path, { force: true });
      bindUnixSocket(listener, path);
      listenSocket(listener, BACKLOG);
      this.#options.startMode('tsdocker-ports', [theirs, listener], socket, this.#options.engineId);
      this.#adopt(ours, socket);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      process.umask(mask);
      for (const fd of [directory, listener, theirs]) closeSync(fd);
    }
  }

  #adopt(fd: number, socket: Socket): void {
    this.#connection = { socket, fd };
    this.#received = Buffer.alloc(0);
    socket.unref();
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => undefined);
    socket.once('close', () => this.#lose());
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    this.#isSilent = false;
    while (this.#received.length >= FRAME_BYTES) {
      const frame = this.#received.subarray(0, FRAME_BYTES);
      this.#received = this.#received.subarray(FRAME_BYTES);
      const [current] = this.#pending;
      if (current === undefined) continue;
      if (frame.toString('latin1', 0, 1) === 'p') {
        current.listed.push(decodePort(frame));
        continue;
      }
      this.#pending.shift();
      if (frame.toString('latin1', 0, 1) === 'h') this.#peerVersion = frame.readUInt8(OFFSET.host);
      if (this.#pending.length === 0) this.#connection?.socket.unref();
      const errno = frame.readUInt8(1);
      if (errno === 0) current.resolve(current.listed);
      else current.reject(new SystemError('hold', errno, {}, describePort(decodePort(frame))));
    }
  }

  #lose(): void {
    this.#connection = undefined;
    for (const { reject, listed } of this.#pending.splice(0)) reject(new KeeperEnded(listed));
    if (!this.#isDisposed) this.#options.onLost();
  }
}

class KeeperEnded extends EngineError {
  /** What it had listed before. */
  readonly listed: readonly PublishedPort[];

  constructor(listed: readonly PublishedPort[]) {
    super('system', 'hold a published port: the process that holds them has ended');
    this.listed = listed;
  }
}

function silent(): EngineError {
  return new EngineError(
    'system',
    'hold a published port: the process that holds them (tsdocker-ports) does not answer',
  );
}

function describePort({ hostIp, hostPort, protocol }: PublishedPort): string {
  return `port ${hostIp}:${hostPort}/${protocol}`;
}

export function encodePort(port: PublishedPort): Buffer {
  const frame = Buffer.alloc(FRAME_BYTES);
  const families =
    (familyOf(port.hostIp) === 6 ? HOST_IS_IPV6 : 0) | (familyOf(port.containerIp) === 6 ? CONTAINER_IS_IPV6 : 0);
  frame.writeUInt8(PROTOCOL[port.protocol], OFFSET.protocol);
  frame.writeUInt8(families, OFFSET.families);
  frame.writeUInt16BE(port.hostPort, OFFSET.hostPort);
  frame.writeUInt16BE(port.containerPort, OFFSET.containerPort);
  addressBytes(port.hostIp).copy(frame, OFFSET.host);
  addressBytes(port.containerIp).copy(frame, OFFSET.container);
  frame.write(port.containerId.slice(0, 64), OFFSET.id, 'latin1');
  return frame;
}

export function decodePort(frame: Buffer): PublishedPort {
  const families = frame.readUInt8(OFFSET.families);
  const address = (offset: number, isIpv6: boolean) => addressText(frame.subarray(offset, offset + (isIpv6 ? 16 : 4)));
  const number = frame.readUInt8(OFFSET.protocol);
  const protocol = (Object.keys(PROTOCOL) as PortProtocol[]).find((name) => PROTOCOL[name] === number) ?? 'tcp';
  return {
    containerId: frame.toString('latin1', OFFSET.id, FRAME_BYTES).replaceAll('\0', ''),
    protocol,
    hostIp: address(OFFSET.host, (families & HOST_IS_IPV6) !== 0),
    hostPort: frame.readUInt16BE(OFFSET.hostPort),
    containerIp: address(OFFSET.container, (families & CONTAINER_IS_IPV6) !== 0),
    containerPort: frame.readUInt16BE(OFFSET.containerPort),
  };
}
