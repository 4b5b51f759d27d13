// Cuts a Go template into text and the tokens of its actions.
import { TemplateError } from './nodes.ts';

export interface Token {
  /** `space` separates operands and is kept. */
  kind: 'field' | 'variable' | 'word' | 'string' | 'number' | 'char' | 'symbol' | 'space';
  text: string;
}

export interface Action {
  tokens: Token[];
  source: string;
  line: number;
  column: number;
}

export type Piece = string | Action;

const maxTemplateLength = 1 << 20;

export function splitTemplate(source: string): Piece[] {
  if (source.length > maxTemplateLength) throw new TemplateError('template: too long');
  const pieces: Piece[] = [];
  let position = 0;
  let trimNext = false;
  for (;;) {
    const open = source.indexOf('{{', position);
    let text = source.slice(position, open < 0 ? source.length : open);
    if (trimNext) text = text.trimStart();
    const trimsLeft = open >= 0 && /^-\s/.test(source.slice(open + 2, open + 4));
    if (trimsLeft) text = text.trimEnd();
    if (text !== '') pieces.push(text);
    if (open < 0) return pieces;
    const bodyStart = open + (trimsLeft ? 4 : 2);
    const close = findClose(source, bodyStart, lineOf(source, open));
    const raw = source.slice(bodyStart, close);
    trimNext = /\s-$/.test(raw);
    const body = (trimNext ? raw.slice(0, -1) : raw).trim();
    position = close + 2;
    if (/^\/\*[\s\S]*\*\/$/.test(body)) continue;
    const line = lineOf(source, open);
    const column = bodyStart - (source.lastIndexOf('\n', open) + 1) + (raw.length - raw.trimStart().length);
    pieces.push({ tokens: tokenize(body, line), source: body, line, column });
  }
}

function lineOf(source: string, offset: number): number {
  return source.slice(0, offset).split('\n').length;
}

/** The offset of the `}}` that ends the action, quoted ones skipped. */
function findClose(source: string, start: number, line: number): number {
  for (let i = start; i < source.length; i++) {
    const character = source[i];
    if (source.startsWith('}}', i)) return i;
    if (character === '"' || character === "'" || character === '`') {
      const end = quoteEnd(source, i);
      if (end < 0) throw new TemplateError(`template: :${line}: unterminated quoted string`);
      i = end;
    } else if (source.startsWith('/*', i)) {
      const end = source.indexOf('*/', i + 2);
      if (end < 0) throw new TemplateError(`template: :${line}: unclosed comment`);
      i = end + 1;
    }
  }
  throw new TemplateError(`template: :${line}: unclosed action`);
}

function quoteEnd(source: string, start: number): number {
  const quote = source[start];
  for (let i = start + 1; i < source.length; i++) {
    if (source[i] === '\\' && quote !== '`') i++;
    else if (source[i] === quote) return i;
    else if (source[i] === '\n' && quote !== '`') return -1;
  }
  return -1;
}

/** Letters beyond ASCII are taken as they come: Unicode classes cost a millisecond to compile. */
const tokenPatterns: [Token['kind'], RegExp][] = [
  ['space', /\s+/y],
  ['string', /"(?:[^"\\\n]|\\.)*"|`[^`]*`/y],
  ['char', /'(?:[^'\\\n]|\\[^\n]{1,9})'/y],
  ['number', /[+-]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)/y],
  ['field', /\.[A-Za-z_\x80-\uffff][\w\x80-\uffff]*/y],
  ['variable', /\$[\w\x80-\uffff]*/y],
  ['word', /[A-Za-z_\x80-\uffff][\w\x80-\uffff]*/y],
  ['symbol', /:=|[.=|(),]/y],
];

function tokenize(body: string, line: number): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  next: while (offset < body.length) {
    for (const [kind, pattern] of tokenPatterns) {
      pattern.lastIndex = offset;
      const text = pattern.exec(body)?.[0];
      if (text === undefined) continue;
      tokens.push({ kind, text });
      offset += text.length;
      continue next;
    }
    const character = body.slice(offset, offset + 1);
    throw new TemplateError(`template: :${line}: unexpected ${JSON.stringify(character)} in command`);
  }
  return tokens;
}
