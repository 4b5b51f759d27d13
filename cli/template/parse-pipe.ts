// Parses what stands inside an action: variables, commands joined by `|`, operands with field chains.
import type { Action, Token } from './lexer.ts';
import { type Operand, type Pipe, TemplateError } from './nodes.ts';
import { unquote } from './unquote.ts';

export function parsePipe(action: Action, tokens: Token[], functions: ReadonlySet<string>): Pipe {
  const parser = new PipeParser(action, tokens, functions);
  const pipe = parser.pipe();
  parser.expectEnd();
  return pipe;
}

class PipeParser {
  readonly #action: Action;
  readonly #tokens: Token[];
  readonly #functions: ReadonlySet<string>;
  #index = 0;

  constructor(action: Action, tokens: Token[], functions: ReadonlySet<string>) {
    this.#action = action;
    this.#tokens = tokens;
    this.#functions = functions;
  }

  pipe(): Pipe {
    const { line, column, source } = this.#action;
    const pipe: Pipe = { variables: [], declares: false, commands: [], source, position: { line, column } };
    this.#assignment(pipe);
    for (;;) {
      pipe.commands.push(this.#command());
      this.#space();
      if (!this.#take('symbol', '|')) return pipe;
    }
  }

  expectEnd(): void {
    this.#space();
    const token = this.#peek();
    if (token) throw this.#error(`unexpected ${JSON.stringify(token.text)} in operand`);
  }

  /** `$x :=`, `$x =`, `$i, $x :=`. */
  #assignment(pipe: Pipe): void {
    const start = this.#index;
    const variables: string[] = [];
    do {
      this.#space();
      const token = this.#take('variable');
      if (!token) break;
      variables.push(token.text);
      this.#space();
    } while (this.#take('symbol', ','));
    this.#space();
    const operator = this.#take('symbol', ':=') ?? this.#take('symbol', '=');
    if (variables.length > 0 && operator) {
      pipe.variables = variables;
      pipe.declares = operator.text === ':=';
    } else {
      this.#index = start;
    }
  }

  #command(): Operand[] {
    const operands: Operand[] = [];
    for (;;) {
      this.#space();
      const operand = this.#operand();
      if (!operand) break;
      operands.push(operand);
      if (this.#peek() && this.#peek()?.kind !== 'space' && !this.#atEnd()) {
        throw this.#error(`unexpected ${JSON.stringify(this.#peek()?.text)} in operand`);
      }
    }
    if (operands.length === 0) throw this.#error(this.#atEnd() ? 'missing value for command' : 'unexpected operand');
    return operands;
  }

  #atEnd(): boolean {
    const token = this.#peek();
    return !token || (token.kind === 'symbol' && (token.text === '|' || token.text === ')'));
  }

  #operand(): Operand | undefined {
    const target = this.#primary();
    if (!target) return undefined;
    const names: string[] = [];
    for (let token = this.#take('field'); token; token = this.#take('field')) names.push(token.text.slice(1));
    return names.length === 0 ? target : { kind: 'field', target, names };
  }

  #primary(): Operand | undefined {
    const token = this.#peek();
    if (!token) return undefined;
    if (token.kind === 'field') return { kind: 'dot' };
    if (token.kind === 'symbol' && token.text === '(') {
      this.#index++;
      const pipe = this.pipe();
      this.#space();
      if (!this.#take('symbol', ')')) throw this.#error('unclosed left paren');
      return { kind: 'pipe', pipe };
    }
    if (token.kind === 'symbol' && token.text !== '.') return undefined;
    this.#index++;
    return this.#simple(token);
  }

  #simple(token: Token): Operand {
    switch (token.kind) {
      case 'variable':
        return { kind: 'variable', name: token.text };
      case 'string':
        return { kind: 'literal', value: unquote(token.text) };
      case 'char':
        return { kind: 'literal', value: unquote(token.text).codePointAt(0) ?? 0 };
      case 'number':
        return { kind: 'literal', value: Number(token.text.replaceAll('_', '')) };
      case 'word':
        return this.#word(token.text);
      default:
        return { kind: 'dot' };
    }
  }

  #word(word: string): Operand {
    if (word === 'nil') return { kind: 'nil' };
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' };
    if (!this.#functions.has(word)) throw this.#error(`function ${JSON.stringify(word)} not defined`);
    return { kind: 'function', name: word };
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#index];
  }

  #take(kind: Token['kind'], text?: string): Token | undefined {
    const token = this.#peek();
    if (token?.kind !== kind || (text !== undefined && token.text !== text)) return undefined;
    this.#index++;
    return token;
  }

  #space(): void {
    while (this.#take('space'));
  }

  #error(message: string): TemplateError {
    return new TemplateError(`template: :${this.#action.line}: ${message}`);
  }
}
