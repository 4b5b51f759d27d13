// What the checks found.
import type { LineRange } from '../instructions.ts';
import { type CheckOptions, isWanted } from './check-options.ts';
import type { RuleName } from './rules.ts';

export interface LintWarning {
  rule: RuleName;
  detail: string;
  lines: LineRange;
}

/** Takes what the file's own options want to hear of. */
export class LintWarnings {
  readonly all: LintWarning[] = [];
  readonly #options: CheckOptions;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  isOn(rule: RuleName): boolean {
    return isWanted(rule, this.#options);
  }

  add(rule: RuleName, lines: LineRange, detail: string): void {
    if (this.isOn(rule)) this.all.push({ rule, detail, lines });
  }
}
