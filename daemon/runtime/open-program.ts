// A program with the descriptors that it needs, ready for Launcher.launch. Closing it closes what was opened for it; after the
// launch the monitor has its own copies.
import { closeSync } from 'node:fs';
import type { OciSpec } from './oci-spec.ts';
import type { Program } from './program.ts';

export class OpenProgram implements Disposable {
  readonly spec: OciSpec;
  readonly program: Program;
  /** Become 3, 4, … in the launcher, in this order. Some belong to the caller and stay open. */
  readonly fds: readonly number[];
  readonly #owned: number[];

  constructor(spec: OciSpec, program: Program, fds: readonly number[], owned: number[]) {
    this.spec = spec;
    this.program = program;
    this.fds = fds;
    this.#owned = owned;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#owned.splice(0)) closeSync(fd);
  }
}
