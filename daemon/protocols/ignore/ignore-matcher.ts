// Which paths of a context an ignore file leaves out: the last pattern that matches a path or a directory above it decides. Paths are relative
// to the context, with slashes between and none around. Source: moby's patternmatcher, as BuildKit walks a context with it.
import { FormatError } from '../format-error.ts';
import { type IgnorePattern, parseIgnorePattern } from './ignore-pattern.ts';

export class IgnoreMatcher {
  readonly #patterns: readonly IgnorePattern[];
  /** Directories from the top down to the last one that was asked for: paths mostly come in order. */
  readonly #above: { path: string; seen: Seen }[] = [];

  readonly #spend: Spend;

  /**
   * As `readIgnoreFile` gives them. Throws a FormatError for one that is none. `spend` is told before a path is held against a pattern what that
   * may cost, and may throw: both can be a stranger's, and long.
   */
  constructor(patterns: readonly string[], spend: Spend = () => {}) {
    this.#spend = spend;
    this.#patterns = patterns.filter((pattern) => pattern.trim() !== '').map(parsePattern);
  }

  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  isIgnored(path: string): boolean {
    if (this.isEmpty || path === '' || path === '.') return false;
    return this.#look(path).isIgnored;
  }

  /** Whether nothing below a directory can be wanted, so that nobody has to read it. */
  isIgnoredWhole(directory: string): boolean {
    if (this.isEmpty || directory === '' || directory === '.') return false;
    const { isIgnored, decidedBy } = this.#look(directory);
    if (!isIgnored) return false;
    return !this.#patterns.some(
      (pattern, index) => index > decidedBy && pattern.isException && mayMatchBelow(pattern, directory),
    );
  }

  #look(path: string): Seen {
    while (this.#above.length > 0 && !path.startsWith(`${this.#above.at(-1)?.path}/`)) this.#above.pop();
    const known = this.#above.at(-1);
    let seen = known?.seen;
    let slash = path.indexOf('/', known === undefined ? 0 : known.path.length + 1);
    for (; slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const directory = path.slice(0, slash);
      seen = this.#judge(directory, seen);
      this.#above.push({ path: directory, seen });
    }
    return this.#judge(path, seen);
  }

  /** A pattern that has matched the directory above matches, whatever it says to the path; one that cannot change anything is not asked. */
  #judge(path: string, above: Seen | undefined): Seen {
    const matched = new Set<number>();
    let isIgnored = false;
    let decidedBy = -1;
    for (const [index, pattern] of this.#patterns.entries()) {
      if (above?.matched.has(index) !== true) {
        if (pattern.isException !== isIgnored) continue;
        this.#spend(pattern.costOf(path));
        if (!pattern.matches(path)) continue;
      }
      matched.add(index);
      isIgnored = !pattern.isException;
      decidedBy = index;
    }
    return { matched, isIgnored, decidedBy };
  }
}

/** Steps of comparing, at the most. */
type Spend = (steps: number) => void;

interface Seen {
  /** Patterns, by their place. */
  matched: ReadonlySet<number>;
  isIgnored: boolean;
  decidedBy: number;
}

function parsePattern(text: string): IgnorePattern {
  try {
    return parseIgnorePattern(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(`ignore pattern ${JSON.stringify(text)}: ${error.message}`, { cause: error });
  }
}

function mayMatchBelow({ prefix, isExact }: IgnorePattern, directory: string): boolean {
  const below = `${directory}/`;
  return prefix.startsWith(below) || (!isExact && below.startsWith(prefix));
}
