// `# syntax=`, `# escape=` and `# check=`: comments at the very top that mean something. Any other comment, an empty line or an instruction ends them.

import { trimStart } from './characters.ts';
import { DockerfileError } from './dockerfile-error.ts';
import type { Directives, EscapeChar } from './instructions.ts';

const known = ['syntax', 'escape', 'check'] as const;
type Name = (typeof known)[number];

interface Directive {
  name: Name;
  value: string;
  line: number;
}

/** Reads line by line; `isDone` from the first line on that is none. */
export class DirectiveReader {
  readonly directives: Directives = { escape: '\\' };
  readonly #comment: string;
  readonly #seen = new Set<Name>();
  isDone = false;

  constructor(comment: '#' | '//' = '#') {
    this.#comment = comment;
  }

  /** Throws a DockerfileError for one that is there twice, and for an escape character that cannot be. */
  read(text: string, line: number): void {
    if (this.isDone) return;
    const directive = readDirective(text, line, this.#comment);
    if (directive === undefined) {
      this.isDone = true;
      return;
    }
    if (this.#seen.has(directive.name)) {
      throw new DockerfileError(`only one ${directive.name} parser directive can be used`, { start: line, end: line });
    }
    this.#seen.add(directive.name);
    this.#apply(directive);
  }

  #apply({ name, value, line }: Directive): void {
    if (name === 'syntax') this.directives.syntax = { reference: beforeBlank(value), line };
    else if (name === 'check') this.directives.check = { text: value, line };
    else if (isEscape(value)) this.directives.escape = value;
    else {
      const message = `invalid escape token '${value}' does not match \` or \\`;
      throw new DockerfileError(message, { start: line, end: line });
    }
  }
}

function isEscape(text: string): text is EscapeChar {
  return text === '\\' || text === '`';
}

function readDirective(text: string, line: number, comment: string): Directive | undefined {
  if (!text.startsWith(comment)) return undefined;
  const match = /^([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*)$/.exec(trimStart(text.slice(comment.length)).trimEnd());
  const name = known.find((one) => one === match?.[1]?.toLowerCase());
  return name === undefined ? undefined : { name, value: match?.[2] ?? '', line };
}

function beforeBlank(text: string): string {
  const end = text.indexOf(' ');
  return end < 0 ? text : text.slice(0, end);
}

/**
 * The frontend that a file of any format asks for: `# syntax=`, `// syntax=` or `{"syntax": "…"}`, behind a `#!` line or not. A Dockerfile itself
 * knows the first only; BuildKit looks at the others to find out which frontend is to read the file.
 */
export function detectSyntax(text: string): { reference: string; line: number } | undefined {
  const bare = text.replace(/^\ufeff/, '');
  const isScript = bare.startsWith('#!');
  const rest = isScript ? bare.slice(bare.indexOf('\n') + 1 || bare.length + 1) : bare;
  const first = isScript ? 2 : 1;
  return syntaxIn(rest, first, '#') ?? syntaxIn(rest, first, '//') ?? syntaxOfJson(rest, first);
}

function syntaxIn(text: string, first: number, comment: '#' | '//'): { reference: string; line: number } | undefined {
  const reader = new DirectiveReader(comment);
  let line = first;
  for (let start = 0; start < text.length && !reader.isDone; line++) {
    const end = text.indexOf('\n', start);
    const next = end < 0 ? text.length : end;
    try {
      reader.read(text.slice(start, next), line);
    } catch (error) {
      if (error instanceof DockerfileError) break;
      throw error;
    }
    start = next + 1;
  }
  return reader.directives.syntax;
}

function syntaxOfJson(text: string, line: number): { reference: string; line: number } | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('syntax' in value)) return undefined;
    return typeof value.syntax === 'string' ? { reference: value.syntax, line } : undefined;
  } catch {
    return undefined;
  }
}
