// The bridges of networks: made when they are first needed, remembered as made, removed with their network.
import { EngineError } from '../errors/engine-error.ts';
import type { NetworkKernel } from './kernel/network-kernel.ts';
import { bridgeRequest } from './kernel-requests.ts';
import type { NetworkEntry } from './network-entry.ts';

export class Bridges {
  readonly #kernel: NetworkKernel;
  readonly #made = new Map<string, Promise<void>>();
  /** The last change of each interface name: a bridge is not made while one of its name is being removed. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(kernel: NetworkKernel) {
    this.#kernel = kernel;
  }

  ensure(entry: NetworkEntry): Promise<void> {
    const { id } = entry.record;
    let made = this.#made.get(id);
    if (made === undefined) {
      const request = bridgeRequest(entry.record);
      made = this.#inTurn(request.name, () => this.#kernel.ensureBridge(request));
      this.#made.set(id, made);
      made.catch(() => this.#made.delete(id));
    }
    return made;
  }

  remove({ record }: NetworkEntry): Promise<void> {
    this.#made.delete(record.id);
    const name = record.bridge?.name;
    if (name === undefined) return Promise.resolve();
    return this.#inTurn(name, () => this.#kernel.removeBridge(name));
  }

  isMade({ record }: NetworkEntry): boolean {
    return this.#made.has(record.id);
  }

  async #inTurn(name: string, work: () => Promise<void>): Promise<void> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(work);
    this.#last.set(name, mine);
    try {
      await mine;
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name);
    }
  }
}

/** Two networks on one interface would be one network. */
export function checkBridgeName(name: string, entry: { id: string }, all: readonly NetworkEntry[]): void {
  const other = all.find(({ record }) => record.bridge?.name === name);
  if (other === undefined) return;
  throw new EngineError(
    'forbidden',
    `cannot create network ${entry.id} (${name}): conflicts with network ${other.record.id} (${name}): networks have same bridge name`,
  );
}
