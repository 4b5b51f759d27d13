// The key sequence that leaves a container running and gives the terminal back (default ctrl-p ctrl-q).
import { CliError } from '../errors.ts';

export const defaultDetachKeys: readonly number[] = [16, 17];

/** `ctrl-p,ctrl-q` or `a,b,ctrl-c` as bytes. */
export function parseDetachKeys(text: string): number[] {
  return text.split(',').map((key) => {
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
    if (control === undefined) throw new CliError(`Unknown character: '${key}'`);
    return control.toUpperCase().charCodeAt(0) - 64;
  });
}

/** Looks for the sequence in typed bytes. Bytes of an unfinished sequence are held back until it is decided. */
export class DetachFilter {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What goes to the container, and whether the sequence was completed (later bytes are dropped). */
  feed(bytes: Uint8Array): { pass: Buffer; detached: boolean } {
    const pass: number[] = [];
    for (const byte of bytes) {
      if (byte !== this.#keys[this.#matched] && this.#matched > 0) {
        pass.push(...this.#keys.slice(0, this.#matched));
        this.#matched = 0;
      }
      if (byte !== this.#keys[this.#matched]) pass.push(byte);
      else if (++this.#matched === this.#keys.length) return { pass: Buffer.from(pass), detached: true };
    }
    return { pass: Buffer.from(pass), detached: false };
  }
}
