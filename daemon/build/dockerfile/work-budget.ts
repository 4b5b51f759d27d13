// How much work the text of a stranger may cause. A few lines of `ENV a=$b$b…` ask for more memory than any machine has, and patterns on long
// values for hours: every character that is read, produced or compared counts, and at the end of the budget there is an error.
import { FormatError } from '../../protocols/format-error.ts';

/** Characters a single word may cost when nobody shares a budget. */
const wordLimit = 64 * 1024 * 1024;

export class WorkBudget {
  #left: number;

  constructor(characters: number = wordLimit) {
    this.#left = characters;
  }

  /** Throws a FormatError at the end. */
  spend(characters: number): void {
    this.#left -= characters;
    if (this.#left < 0) throw new FormatError('expansion of variables takes too much work');
  }
}
