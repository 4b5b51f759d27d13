// Who keeps layers, and who reads their files meanwhile: counts by number.

export class LayerHolds {
  readonly #holds = new Map<number, number>();
  readonly #readers = new Map<number | undefined, number>();

  /** Keeps it until the result is disposed. */
  hold(number: number): Disposable {
    return count(this.#holds, number);
  }

  /** Beside a hold: its files, and those of all below it, are read. */
  read(number: number | undefined): Disposable {
    return count(this.#readers, number);
  }

  has(number: number): boolean {
    return this.#holds.has(number);
  }

  held(): IterableIterator<number> {
    return this.#holds.keys();
  }

  /** The highest layers of what is read. */
  beingRead(): IterableIterator<number | undefined> {
    return this.#readers.keys();
  }
}

function count<T>(counts: Map<T, number>, number: T): Disposable {
  counts.set(number, (counts.get(number) ?? 0) + 1);
  let isCounted = true;
  return {
    [Symbol.dispose]: () => {
      if (!isCounted) return;
      isCounted = false;
      const left = (counts.get(number) ?? 1) - 1;
      if (left === 0) counts.delete(number);
      else counts.set(number, left);
    },
  };
}
