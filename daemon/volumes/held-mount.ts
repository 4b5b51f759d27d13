// A detached mount that somebody holds: closed when it is disposed of, unless it was taken.
import { closeFd } from '../../native-bindings/files.ts';

export class HeldMount implements Disposable {
  #fd: number;
  #onDispose: (() => void) | undefined;

  /** `onDispose` is called once, at the disposal. */
  constructor(fd: number, onDispose?: () => void) {
    this.#fd = fd;
    this.#onDispose = onDispose;
  }

  get fd(): number {
    return this.#fd;
  }

  /** The fd is the caller's from now on. */
  take(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeFd(this.take());
    const done = this.#onDispose;
    this.#onDispose = undefined;
    done?.();
  }
}
