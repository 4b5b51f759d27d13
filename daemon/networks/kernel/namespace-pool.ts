// Ready network namespaces. Making one takes the kernel from a third of a millisecond to many, when others are being destroyed; a helper
// process does it ahead of time, so that neither the main thread nor a container's start waits. A namespace is one open file.
import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { SystemError } from '../../../native-bindings/errno.ts';
import { socketPair } from '../../../native-bindings/spawn.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { HeldNamespace } from './namespace.ts';
import type { NetworkNamespace } from './network-kernel.ts';
import type { StartMode } from './start-mode.ts';

interface Waiter {
  resolve: (namespace: NetworkNamespace) => void;
  reject: (error: unknown) => void;
}

/** A start that has just taken one needs the processors for itself. */
const REFILL_DELAY_MS = 15;
const MAKE = 'n';
const CLOSE = 'c';
const ANSWER_BYTES = 4;

export class NamespacePool {
  readonly #startMode: StartMode;
  readonly #size: number;
  readonly #ready: number[] = [];
  readonly #waiters: Waiter[] = [];
  #helper: { socket: Socket; pid: number } | undefined;
  #isAsking = false;
  #answer = Buffer.alloc(0);
  #refill: NodeJS.Timeout | undefined;
  #isDisposed = false;

  constructor(startMode: StartMode, size: number) {
    this.#startMode = startMode;
    this.#size = size;
  }

  /** Begins to fill it. */
  warmUp(): void {
    this.#ask();
  }

  take(): Promise<NetworkNamespace> {
    const fd = this.#ready.pop();
    if (fd !== undefined) {
      this.#refillSoon();
      return Promise.resolve(new HeldNamespace(fd));
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#helper?.socket.ref();
      this.#ask();
    });
  }

  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#refill);
    this.#helper?.socket.destroy();
    for (const fd of this.#ready.splice(0)) closeSync(fd);
    this.#fail(new EngineError('unavailable', 'make a network namespace: the daemon is stopping'));
  }

  #refillSoon(): void {
    if (this.#refill !== undefined || this.#isDisposed) return;
    this.#refill = setTimeout(() => {
      this.#refill = undefined;
      this.#ask();
    }, REFILL_DELAY_MS).unref();
  }

  /** One at a time: the next is asked for when this one has come. */
  #ask(): void {
    if (this.#isAsking || this.#isDisposed) return;
    if (this.#waiters.length === 0 && this.#ready.length >= this.#size) return;
    try {
      this.#helper ??= this.#start();
      this.#isAsking = true;
      this.#helper.socket.write(MAKE);
      // Only somebody who waits keeps the process from ending.
      if (this.#waiters.length > 0) this.#helper.socket.ref();
      else this.#helper.socket.unref();
    } catch (error) {
      this.#fail(error);
    }
  }

  #start(): { socket: Socket; pid: number } {
    const [ours, theirs] = socketPair();
    const socket = new Socket({ fd: ours, readable: true, writable: true });
    try {
      const pid = this.#startMode('tsdocker-netns', [theirs], socket);
      socket.on('data', (bytes) => this.#receive(bytes));
      socket.on('error', () => undefined);
      socket.once('close', () => this.#lose());
      socket.unref();
      return { socket, pid };
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      closeSync(theirs);
    }
  }

  #receive(bytes: Buffer): void {
    this.#answer = Buffer.concat([this.#answer, bytes]);
    if (this.#answer.length < ANSWER_BYTES || this.#helper === undefined) return;
    const number = this.#answer.readInt32LE(0);
    this.#answer = this.#answer.subarray(ANSWER_BYTES);
    this.#isAsking = false;
    try {
      if (number < 0) throw new SystemError('unshare', -number, {}, 'CLONE_NEWNET');
      this.#put(openSync(`/proc/${this.#helper.pid}/fd/${number}`, 'r'));
    } catch (error) {
      this.#fail(error);
      return;
    }
    // The helper's own copy would keep the namespace alive.
    if (this.#waiters.length > 0 || this.#ready.length < this.#size) this.#ask();
    else this.#helper.socket.write(CLOSE);
  }

  #put(fd: number): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#ready.push(fd);
    else waiter.resolve(new HeldNamespace(fd));
  }

  /** Who waits now is told; whoever comes next starts another helper. */
  #lose(): void {
    this.#helper = undefined;
    this.#isAsking = false;
    this.#answer = Buffer.alloc(0);
    this.#fail(new EngineError('system', 'make a network namespace: the process that makes them has ended'));
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }
}
