// The answer to a list of a context: which of its files have to be sent, and by which name a build takes them. Lines of JSON; the first is an object,
// each other one a run of files.
import { FormatError } from '../format-error.ts';

export interface ContextOffer {
  /** For `POST /build?context=`; good once, for some minutes. */
  readonly update: string;
  /** How many files, and bytes of them, the archive has to bring. */
  readonly files: number;
  readonly bytes: number;
  /** Which: runs of [first, count], counted over the files of the list alone, ascending. In this order they are in the archive, named as in the list. */
  readonly needed: readonly (readonly [first: number, count: number])[];
}

export function* encodeContextOffer({ needed, ...head }: ContextOffer): Generator<string> {
  yield `${JSON.stringify(head)}\n`;
  for (const run of needed) yield `${JSON.stringify(run)}\n`;
}

/** Lines without their ends. Throws FormatError for what is no such answer. */
export function decodeContextOffer(lines: Iterable<string>): ContextOffer {
  const [head, ...runs] = [...lines].map(parse);
  const { update, files, bytes } = (typeof head === 'object' && head !== null ? head : {}) as Record<string, unknown>;
  if (typeof update !== 'string' || !isCount(files) || !isCount(bytes)) throw bad();
  let next = 0;
  const needed = runs.map((run) => {
    const [first, count]: unknown[] = Array.isArray(run) ? run : [];
    if (!isCount(first) || !isCount(count) || first < next || count === 0) throw bad();
    next = first + count;
    return [first, count] as const;
  });
  if (needed.reduce((sum, [, count]) => sum + count, 0) !== files) throw bad();
  return { update, files, bytes, needed };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new FormatError('read offer of a context: a line is no JSON', { cause: error });
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function bad(): FormatError {
  return new FormatError('read offer of a context: it says what it cannot mean');
}
