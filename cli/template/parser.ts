// Parses a Go template: control structure here, what is inside an action in parse-pipe.ts.
import { type Action, type Piece, splitTemplate } from './lexer.ts';
import { type Node, type Template, TemplateError } from './nodes.ts';
import { parsePipe } from './parse-pipe.ts';
import { unquote } from './unquote.ts';

const maxDepth = 100;

export function parseTemplate(source: string, functions: ReadonlySet<string>): Template {
  return new Parser(splitTemplate(source), functions).parse();
}

type Ending = 'end' | 'else' | 'eof';

class Parser {
  readonly #pieces: Piece[];
  readonly #functions: ReadonlySet<string>;
  readonly #defined = new Map<string, Node[]>();
  #index = 0;
  #depth = 0;
  #rangeDepth = 0;

  constructor(pieces: Piece[], functions: ReadonlySet<string>) {
    this.#pieces = pieces;
    this.#functions = functions;
  }

  parse(): Template {
    const { nodes, ending, action } = this.#list();
    if (ending !== 'eof' && action) throw at(action, `unexpected {{${ending}}}`);
    return { main: nodes, defined: this.#defined };
  }

  /** Nodes up to `end`, `else` or the end of the template. */
  #list(): { nodes: Node[]; ending: Ending; action?: Action } {
    const nodes: Node[] = [];
    if (++this.#depth > maxDepth) throw new TemplateError('template: :1: nested too deeply');
    for (; this.#index < this.#pieces.length; ) {
      const piece = this.#pieces[this.#index++];
      if (piece === undefined) break;
      if (typeof piece === 'string') {
        nodes.push({ kind: 'text', text: piece });
        continue;
      }
      const keyword = piece.tokens[0]?.kind === 'word' ? piece.tokens[0].text : '';
      if (keyword === 'end' || keyword === 'else') {
        this.#depth--;
        return { nodes, ending: keyword, action: piece };
      }
      const node = this.#action(keyword, piece);
      if (node) nodes.push(node);
    }
    this.#depth--;
    return { nodes, ending: 'eof' };
  }

  #action(keyword: string, action: Action): Node | undefined {
    switch (keyword) {
      case 'if':
      case 'with':
      case 'range':
        return this.#control(keyword, action, rest(action));
      case 'define':
      case 'block':
        return this.#define(keyword, action);
      case 'template': {
        const { name, tokens } = this.#named(action);
        return { kind: 'template', name, pipe: tokens.length > 0 ? this.#pipe(action, tokens) : undefined };
      }
      case 'break':
      case 'continue':
        if (this.#rangeDepth === 0) throw at(action, `{{${keyword}}} outside {{range}}`);
        return { kind: keyword };
      default:
        return { kind: 'action', pipe: this.#pipe(action, action.tokens) };
    }
  }

  #control(kind: 'if' | 'with' | 'range', action: Action, tokens: Action['tokens']): Node {
    if (tokens.length === 0) throw at(action, `missing value for ${kind}`);
    const pipe = this.#pipe(action, tokens);
    if (kind === 'range') this.#rangeDepth++;
    const body = this.#list();
    let otherwise: Node[] = [];
    if (body.ending === 'else' && body.action) {
      const after = rest(body.action);
      const keyword = after[0]?.text;
      if (after.length > 0 && keyword === kind && kind !== 'range') {
        // `else if` is an if inside the else whose end closes both.
        otherwise = [this.#control(kind, body.action, dropSpace(after.slice(1)))];
      } else if (after.length > 0) {
        throw at(body.action, `unexpected <${keyword}> in else`);
      } else {
        const tail = this.#list();
        if (tail.ending !== 'end') throw at(tail.action ?? action, `expected end; found ${describe(tail.ending)}`);
        otherwise = tail.nodes;
      }
    } else if (body.ending === 'eof') {
      throw at(action, 'unexpected EOF');
    }
    if (kind === 'range') this.#rangeDepth--;
    return { kind, pipe, body: body.nodes, otherwise };
  }

  #define(keyword: string, action: Action): Node | undefined {
    const { name, tokens } = this.#named(action);
    const body = this.#list();
    if (body.ending !== 'end') throw at(action, 'unexpected EOF');
    this.#defined.set(name, body.nodes);
    if (keyword === 'define') return undefined;
    return { kind: 'template', name, pipe: this.#pipe(action, tokens) };
  }

  #named(action: Action): { name: string; tokens: Action['tokens'] } {
    const tokens = rest(action);
    if (tokens[0]?.kind !== 'string') throw at(action, `unexpected ${tokens[0]?.text ?? 'end'} in template clause`);
    return { name: unquote(tokens[0].text), tokens: dropSpace(tokens.slice(1)) };
  }

  #pipe(action: Action, tokens: Action['tokens']) {
    return parsePipe(action, tokens, this.#functions);
  }
}

function rest(action: Action): Action['tokens'] {
  return dropSpace(action.tokens.slice(1));
}

function dropSpace(tokens: Action['tokens']): Action['tokens'] {
  return tokens[0]?.kind === 'space' ? tokens.slice(1) : tokens;
}

function describe(ending: Ending): string {
  return ending === 'eof' ? 'EOF' : `{{${ending}}}`;
}

function at(action: Action, message: string): TemplateError {
  return new TemplateError(`template: :${action.line}: ${message}`);
}
