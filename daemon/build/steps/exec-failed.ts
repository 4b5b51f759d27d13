// A process of a build that ended with something else than 0: what it was, and where it stands still to be looked at.
import { EngineError } from '../../errors/engine-error.ts';
import type { LayersResult } from './step.ts';

export class ExecFailed extends EngineError {
  /** Its arguments with blanks between, as it is shown. */
  readonly command: string;
  readonly exitCode: number;
  /** The root as the process left it, held; undefined: nobody asked to keep it. The catcher disposes of it. */
  readonly root: LayersResult | undefined;
  /** The image that was made of it. */
  keptImageId: string | undefined;

  readonly #why: string;

  /** `why`: instead of the exit code, in the message. */
  constructor(command: string, exitCode: number, root?: LayersResult, why = `exit code: ${exitCode}`) {
    super('system', `process ${JSON.stringify(command)} did not complete successfully: ${why}`);
    this.command = command;
    this.exitCode = exitCode;
    this.root = root;
    this.#why = why;
  }

  /** The same for somebody else, who has a hold of its own on the root, or none. */
  again({ keepsRoot }: { readonly keepsRoot: boolean }): ExecFailed {
    return new ExecFailed(this.command, this.exitCode, keepsRoot ? this.root?.again() : undefined, this.#why);
  }
}
