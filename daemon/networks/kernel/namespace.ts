// Network namespaces as the engine holds them: an open file each, and nothing in any directory.
import { closeSync, openSync } from 'node:fs';
import { isErrno } from '../../../native-bindings/errno.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { NetworkNamespace } from './network-kernel.ts';

export class HeldNamespace implements NetworkNamespace {
  #fd: number;

  /** Takes the descriptor over. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  get fd(): number {
    if (this.#fd < 0) throw new TypeError('the network namespace is closed already');
    return this.#fd;
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

export function openNamespaceOf(pid: number): NetworkNamespace {
  try {
    return new HeldNamespace(openSync(`/proc/${pid}/ns/net`, 'r'));
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ESRCH')) throw error;
    throw new EngineError('conflict', `join the network of process ${pid}: it has ended`, { cause: error });
  }
}
