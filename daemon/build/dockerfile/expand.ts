// Words of a Dockerfile: quotes, the escape character, `$name`, `${name}` and its modifiers, as BuildKit's lexer has them. Not a shell's: quotes are
// taken away by one pass, and what a variable holds is split only where `words` are asked for.
import { FormatError } from '../../protocols/format-error.ts';
import type { EscapeChar } from './instructions.ts';
import { substitute, type Variable } from './substitution.ts';
import { WordCollector } from './word-collector.ts';
import { WorkBudget } from './work-budget.ts';

export type Variables = ReadonlyMap<string, string>;

export interface ExpandOptions {
  /** Of the file's directive; `\` without. */
  escape?: EscapeChar;
  /** Shared by all words of a build; else one of the word's own. */
  budget?: WorkBudget;
  /** Quotes have no meaning, escapes have: the text of a heredoc. */
  keepQuotes?: boolean;
  /** Quotes stay, and so do variables without a value: a command as a step's name shows it. */
  asShown?: boolean;
}

export interface Expansion {
  text: string;
  /** `text`, split at blanks outside quotes: what EXPOSE makes of a word. */
  words: string[];
  /** Names that were asked for and have a value. */
  used: Set<string>;
  /** Names that were asked for and have none. */
  unset: Set<string>;
}

/** Longer than its word by so much a result may be: more than the kernel takes as one argument. */
const growthLimit = 256 * 1024;
const depthLimit = 500;

/** In BuildKit's words; `unset` are the names without a value that were asked for until then. */
export class ExpansionError extends FormatError {
  readonly unset: ReadonlySet<string>;

  constructor(message: string, unset: ReadonlySet<string>, options: { cause: unknown }) {
    super(message, options);
    this.unset = unset;
  }
}

/** Throws an ExpansionError: `failed to process "${x": syntax error: missing '}'`. */
export function expand(word: string, variables: Variables, options: ExpandOptions = {}): Expansion {
  const lexer = new Lexer(word, variables, {
    escape: options.escape ?? '\\',
    budget: options.budget ?? new WorkBudget(),
    quotes: options.keepQuotes === true ? 'text' : options.asShown === true ? 'kept' : 'taken',
    rawEscapes: false,
    keepUnset: options.asShown === true,
  });
  try {
    return lexer.run();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const message = `failed to process ${JSON.stringify(word)}: ${error.message}`;
    throw new ExpansionError(message, lexer.unset, { cause: error });
  }
}

export function expandWord(word: string, variables: Variables, options?: ExpandOptions): string {
  return expand(word, variables, options).text;
}

/** The names that a word asks for, whatever they hold. Throws as `expand`. */
export function namesIn(word: string, options?: ExpandOptions): Set<string> {
  return expand(word, new Map(), options).unset;
}

/** The words of a line with their quotes, escapes and variables: where heredocs are looked for. None when it does not read as words. */
export function rawWords(line: string): string[] {
  return tryWords(line, { quotes: 'kept', rawEscapes: true });
}

/** The words of a heredoc's name, with their quotes or without. Throws a FormatError. */
export function heredocWords(text: string, quotes: 'kept' | 'taken'): string[] {
  return new Lexer(text, new Map(), { ...ownSettings, quotes }).run().words;
}

interface Settings {
  escape: EscapeChar;
  budget: WorkBudget;
  quotes: 'taken' | 'kept' | 'text';
  /** Escape characters stay where they are. */
  rawEscapes: boolean;
  /** Variables without a value stay as they are written. */
  keepUnset: boolean;
}

const ownSettings = {
  escape: '\\',
  budget: new WorkBudget(Number.POSITIVE_INFINITY),
  rawEscapes: false,
  keepUnset: true,
} as const;

function tryWords(line: string, settings: Pick<Settings, 'quotes' | 'rawEscapes'>): string[] {
  try {
    return new Lexer(line, new Map(), { ...ownSettings, ...settings }).run().words;
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}

class Lexer {
  readonly #text: string;
  readonly #variables: Variables;
  readonly #settings: Settings;
  readonly #used = new Set<string>();
  readonly #unset = new Set<string>();
  #at = 0;
  #depth = 0;
  #rawEscapes: boolean;

  constructor(text: string, variables: Variables, settings: Settings) {
    this.#text = text;
    this.#variables = variables;
    this.#settings = settings;
    this.#rawEscapes = settings.rawEscapes;
  }

  run(): Expansion {
    this.#settings.budget.spend(this.#text.length);
    const { text, words } = this.#until('', this.#rawEscapes);
    return { text, words, used: this.#used, unset: this.#unset };
  }

  get unset(): ReadonlySet<string> {
    return this.#unset;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  peek(): string {
    return this.#text.charAt(this.#at);
  }

  /** A whole character; '' at the end. */
  next(): string {
    const point = this.#text.codePointAt(this.#at);
    if (point === undefined) return '';
    const char = String.fromCodePoint(point);
    this.#at += char.length;
    return char;
  }

  /** `[A-Za-z0-9_]` of any script, digits alone, or one special character. */
  name(): string {
    const rest = /\p{Nd}+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*/uy;
    rest.lastIndex = this.#at;
    const name = rest.exec(this.#text)?.[0] ?? '';
    this.#at += name.length;
    return name;
  }

  look(name: string): Variable {
    const value = this.#variables.get(name);
    (value === undefined ? this.#unset : this.#used).add(name);
    return {
      name,
      value: value ?? '',
      isSet: value !== undefined,
      isKept: value === undefined && this.#settings.keepUnset,
    };
  }

  get budget(): WorkBudget {
    return this.#settings.budget;
  }

  /** The text of a modifier, up to `stop`. */
  word(stop: string, rawEscapes: boolean): string {
    return this.#until(stop, rawEscapes).text;
  }

  #until(stop: string, rawEscapes: boolean): { text: string; words: string[] } {
    if (++this.#depth > depthLimit) throw new FormatError('too many substitutions inside each other');
    const outer = this.#rawEscapes;
    this.#rawEscapes = rawEscapes;
    try {
      return this.#untilStop(stop);
    } finally {
      this.#rawEscapes = outer;
      this.#depth--;
    }
  }

  #untilStop(stop: string): { text: string; words: string[] } {
    const { escape: escapeChar, quotes } = this.#settings;
    const words = new WordCollector();
    let text = '';
    while (!this.isAtEnd) {
      const char = this.peek();
      if (stop !== '' && char === stop) {
        this.#at++;
        return { text, words: words.end() };
      }
      if (char === '$') {
        const value = this.#dollar();
        text += value;
        for (const one of value) words.addChar(one);
      } else if (quotes !== 'text' && (char === "'" || char === '"')) {
        const value = char === "'" ? this.#singleQuoted() : this.#doubleQuoted();
        text += value;
        words.addRaw(value);
      } else if (char === '<' && this.#text[this.#at + 1] === '<') {
        const arrows = this.#arrows();
        text += arrows;
        words.addRaw(arrows);
      } else {
        const plain = this.next();
        if (plain !== escapeChar) {
          words.addChar(plain);
          text += plain;
          continue;
        }
        if (this.#rawEscapes) {
          words.addRaw(escapeChar);
          text += escapeChar;
        }
        if (this.isAtEnd) break;
        const escaped = this.next();
        words.addRaw(escaped);
        text += escaped;
      }
      this.#checkGrowth(text);
    }
    if (stop !== '') throw new FormatError(`unexpected end of statement while looking for matching ${stop}`);
    return { text, words: words.end() };
  }

  #checkGrowth(text: string): void {
    if (text.length > this.#text.length + growthLimit) throw new FormatError('the expanded text is too long');
  }

  /** `<<` and blanks behind it: they belong to the word of a heredoc. */
  #arrows(): string {
    const arrows = /<<[ \t]*/y;
    arrows.lastIndex = this.#at;
    const found = arrows.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) {
      this.#at = this.#text.length;
      throw new FormatError('unexpected end of statement while looking for matching single-quote');
    }
    const isKept = this.#settings.quotes === 'kept';
    const text = isKept ? this.#text.slice(this.#at, end + 1) : this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return text;
  }

  #doubleQuoted(): string {
    const { escape: escapeChar, quotes } = this.#settings;
    const quote = quotes === 'kept' ? '"' : '';
    let text = quote;
    this.#at++;
    while (!this.isAtEnd) {
      const char = this.peek();
      if (char === '"') {
        this.#at++;
        return text + quote;
      }
      if (char === '$') text += this.#dollar();
      else {
        this.#at++;
        if (char !== escapeChar) text += char;
        else {
          if (this.#rawEscapes) text += escapeChar;
          if (this.isAtEnd) continue;
          const next = this.peek();
          if (next === '"' || next === '$' || next === escapeChar) {
            text += next;
            this.#at++;
          } else text += escapeChar;
        }
      }
      this.#checkGrowth(text);
    }
    throw new FormatError('unexpected end of statement while looking for matching double-quote');
  }

  #dollar(): string {
    this.#at++;
    if (this.peek() !== '{') {
      const name = this.name();
      if (name === '') return '$';
      const { value, isKept } = this.look(name);
      this.budget.spend(value.length);
      return isKept ? `$${name}` : value;
    }
    this.#at++;
    const value = substitute(this);
    this.budget.spend(value.length);
    return value;
  }
}
