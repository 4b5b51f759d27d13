// Evaluates graphs: for each build what its target needs and the cache has not, as much at the same time as can be. Knows vertices, keys and
// results; what a vertex does is the steps' matter.
import { Slots } from '../../images/pull/slots.ts';
import { SharedRuns } from './shared-runs.ts';
import { Solve, type SolveOptions, type SolverParts } from './solve.ts';

export class Solver {
  readonly #parts: SolverParts & { readonly runs: SharedRuns; readonly slots: Slots };

  /** `atOnce`: how many steps run at the same time, whoever wants them. */
  constructor(parts: SolverParts, atOnce: number) {
    this.#parts = { ...parts, runs: new SharedRuns(), slots: new Slots(atOnce) };
  }

  /** For one build. Whoever opens it disposes of it. */
  open(options: SolveOptions): Solve {
    return new Solve(this.#parts, options);
  }
}
