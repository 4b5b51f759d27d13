// The variables that hold in a stage, as they are at one instruction. Stages that come from each other share them until one of them changes some.
import type { WorkBudget } from '../../dockerfile/work-budget.ts';

/** What an item of a list or map that is made anew costs of the budget, in characters. */
export const ITEM_COST = 32;

export class Environment {
  #values: Map<string, string>;
  #isShared: boolean;
  /** NAME=value of all, until the next change. */
  #list: readonly string[] | undefined;
  readonly #budget: WorkBudget;

  constructor(budget: WorkBudget, values = new Map<string, string>()) {
    this.#values = values;
    this.#isShared = false;
    this.#budget = budget;
  }

  get values(): ReadonlyMap<string, string> {
    return this.#values;
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  set(name: string, value: string): void {
    if (this.#values.get(name) === value) return;
    if (this.#isShared) {
      this.#budget.spend(this.#values.size * ITEM_COST);
      this.#values = new Map(this.#values);
      this.#isShared = false;
    }
    this.#values.set(name, value);
    this.#list = undefined;
  }

  /** Another one with the same variables. */
  copy(): Environment {
    this.#isShared = true;
    const other = new Environment(this.#budget, this.#values);
    other.#isShared = true;
    other.#list = this.#list;
    return other;
  }

  list(): readonly string[] {
    if (this.#list === undefined) {
      this.#budget.spend(this.#values.size * ITEM_COST);
      this.#list = [...this.#values].map(([name, value]) => `${name}=${value}`);
    }
    return this.#list;
  }
}

/** `env` with a variable more, or changed where it stands. */
export function withVariable(env: readonly string[], name: string, value: string): string[] {
  const index = env.findIndex((entry) => entry === name || entry.startsWith(`${name}=`));
  const entry = `${name}=${value}`;
  return index < 0 ? [...env, entry] : env.with(index, entry);
}

/** "NAME=value" -> both; one without "=" has the empty value. */
export function splitVariable(entry: string): { name: string; value: string } {
  const equals = entry.indexOf('=');
  return equals < 0 ? { name: entry, value: '' } : { name: entry.slice(0, equals), value: entry.slice(equals + 1) };
}
