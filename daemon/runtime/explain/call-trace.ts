// The system calls of a process that is not there yet, in order, written as strace(1) would write them. Descriptors get the numbers that
// the kernel will give: always the lowest that is free. What an operation of the launcher calls is in mount-calls.ts and process-calls.ts. Pure.
import { posix } from 'node:path';
import { AT } from '../../../native-bindings/constants.ts';

export interface Call {
  text: string;
  /** More than one for a loop over numbers, which `text` names. */
  times: number;
  /** What the call is for, a few words; empty for those that belong to the one before. */
  note: string;
  /** Index of the program's operation, at its first call. */
  operation?: number;
}

/** Descriptors of the child's own: above all numbers that a program may name, in an order that only the launcher knows. */
export const OWN = { status: 'status', stdin: 'stdin', stdout: 'stdout', stderr: 'stderr' } as const;

export class CallTrace {
  readonly calls: Call[] = [];
  /** The monitor has been told that what follows is execve: once. */
  hasAnnounced = false;
  /** The user's file mode mask: in force from execve on. */
  mask = 0o022;
  readonly hasInput: boolean;
  readonly lastCapability: number;
  readonly #isArm64: boolean;
  /** Names by number; empty for those that live for one operation only. */
  readonly #open = new Map<number, string>([
    [0, ''],
    [1, ''],
    [2, ''],
  ]);
  #next: Pick<Call, 'note' | 'operation'> = { note: '' };

  /** `given`: what the launcher was started with, by number. */
  constructor(options: {
    given: ReadonlyMap<number, string>;
    hasInput: boolean;
    lastCapability: number;
    arch: string;
  }) {
    for (const [number, name] of options.given) this.#open.set(number, name);
    this.hasInput = options.hasInput;
    this.lastCapability = options.lastCapability;
    this.#isArm64 = options.arch === 'arm64';
  }

  /** What the next call, and those that belong to it, are for; with an operation, that it is its first. */
  begin(note: string, operation?: number): void {
    this.#next = { ...this.#next, note, ...(operation === undefined ? {} : { operation }) };
  }

  call(text: string, times = 1): void {
    this.calls.push({ text, times, ...this.#next });
    this.#next = { note: '' };
  }

  /** A call that makes a descriptor. */
  opens(text: string): number {
    let number = 0;
    while (this.#open.has(number)) number++;
    this.#open.set(number, '');
    this.call(`${text} = ${number}`);
    return number;
  }

  close(fd: number): void {
    this.call(`close(${this.fd(fd)})`);
    this.#open.delete(fd);
  }

  /** Given away without a call of this process's. */
  forget(fd: number): void {
    this.#open.delete(fd);
  }

  /** Gives a descriptor the number that the program asks for. */
  place(fd: number, number: number, name: string): void {
    if (fd !== number) {
      this.call(`dup3(${fd}, ${number}, O_CLOEXEC)`);
      this.close(fd);
    }
    this.#open.set(number, name);
  }

  dup2(from: number | string, to: number): void {
    const source = typeof from === 'number' ? this.fd(from) : from;
    this.call(this.#isArm64 ? `dup3(${source}, ${to}, 0)` : `dup2(${source}, ${to})`);
  }

  /** Whether a socket's other end is gone. */
  poll(name: string): void {
    this.call(
      this.#isArm64 ? `ppoll([{fd=${name}, events=0}], 1, {tv_sec=0}, NULL)` : `poll([{fd=${name}, events=0}], 1, 0)`,
    );
  }

  /** `20</proc>`: the number and what it is. */
  fd(number: number): string {
    if (number === AT.FDCWD) return 'AT_FDCWD';
    const name = this.#open.get(number);
    return name ? `${number}<${name}>` : `${number}`;
  }
}

/** What a descriptor is called: where it will be in the container, or the last part of where it comes from. */
export function descriptorName(note: string | undefined, source: string): string {
  if (note?.startsWith('/')) return note;
  return posix.basename(source) || source;
}
