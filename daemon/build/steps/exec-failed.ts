// A process of a build that ended with something else than 0: what it was, and where it stands still to be looked at.
import { EngineError } from '../../errors/engine-error.ts';
import type { LayersResult } from './step.ts';

export class ExecFailed extends EngineError {
  /** Its arguments with blanks between, as it is shown. */
  readonly command: string;
  readonly exitCode: number;
  /** The root as the process left it, held; undefined: nobody asked to keep it. The catcher disposes of it. */
  readonly root: LayersResult | undefined;

  constructor(command: string, exitCode: number, root?: LayersResult) {
    super('system', `process ${JSON.stringify(command)} did not complete successfully: exit code: ${exitCode}`);
    this.command = command;
    this.exitCode = exitCode;
    this.root = root;
  }
}
