// The key sequence that leaves a container's terminal without ending it: written as "ctrl-p,ctrl-q" or "a,b", found in what is typed.
import { FormatError } from '../format-error.ts';

/** ctrl-p,ctrl-q */
export const defaultDetachKeys: Buffer = Buffer.from([0x10, 0x11]);

/** Throws FormatError that names the key that is none. */
export function parseDetachKeys(text: string): Buffer {
  return Buffer.from(
    text.split(',').map((name) => {
      const code = name.charCodeAt(0);
      if (name.length === 1 && code < 0x80) return code;
      const control = /^ctrl-([a-z@[\\\]^_])$/.exec(name)?.[1];
      if (control === undefined) throw new FormatError(`Unknown character: '${name}'`);
      return control.toUpperCase().charCodeAt(0) - 0x40;
    }),
  );
}

export class DetachScanner {
  readonly #keys: Buffer;
  #matched = 0;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  /** What goes on to the container. Keys that begin the sequence are held back until it is clear that they do not. */
  scan(input: Buffer): { pass: Buffer; isDetached: boolean } {
    if (this.#matched === 0 && !input.includes(this.#keys[0] as number)) return { pass: input, isDetached: false };
    const pass: number[] = [];
    for (const byte of input) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) return { pass: Buffer.from(pass), isDetached: true };
        continue;
      }
      for (let i = 0; i < this.#matched; i++) pass.push(this.#keys[i] as number);
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) pass.push(byte);
    }
    return { pass: Buffer.from(pass), isDetached: false };
  }
}
