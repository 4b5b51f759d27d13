// The functions a template can call: Go's own and those that docker adds.
import { goJson } from '../formats/go-text.ts';
import { sprintf } from './printf.ts';
import { isFields, isTrue, printValue, Struct, typeName } from './values.ts';

export type TemplateFunction = (...args: unknown[]) => unknown;

const maxPadding = 10_000;

export function templateFunctions(): Map<string, TemplateFunction> {
  return new Map<string, TemplateFunction>([...comparisons, ...goFunctions, ...dockerFunctions]);
}

/** For the header of a table: docker's functions hand the column's title through. */
export function headerFunctions(): Map<string, TemplateFunction> {
  const functions = templateFunctions();
  for (const name of ['json', 'split', 'join', 'title', 'lower', 'upper', 'pad', 'truncate']) {
    functions.set(name, (...args) => args.find((arg) => typeof arg === 'string') ?? '');
  }
  functions.set('split', (text) => text);
  return functions;
}

const dockerFunctions: [string, TemplateFunction][] = [
  ['json', toJson],
  ['split', (text, separator) => string(text).split(string(separator))],
  ['join', (list, separator) => array(list).map(printValue).join(string(separator))],
  ['title', (text) => string(text).replace(/(^|\s)(\p{L})/gu, (_, space, letter) => space + letter.toUpperCase())],
  ['lower', (text) => string(text).toLowerCase()],
  ['upper', (text) => string(text).toUpperCase()],
  ['pad', (text, before, after) => (string(text) === '' ? '' : `${blanks(before)}${string(text)}${blanks(after)}`)],
  ['truncate', (text, length) => [...string(text)].slice(0, Number(length)).join('')],
];

const goFunctions: [string, TemplateFunction][] = [
  ['and', (...values) => values.find((value) => !isTrue(value)) ?? values.at(-1)],
  ['or', (...values) => values.find(isTrue) ?? values.at(-1)],
  ['not', (value) => !isTrue(value)],
  ['len', length],
  ['index', (container, ...keys) => keys.reduce(indexValue, container)],
  ['slice', (value, from, to) => sliceValue(value, from, to)],
  ['print', print],
  ['println', (...values) => `${values.map(printValue).join(' ')}\n`],
  ['printf', (format, ...values) => sprintf(string(format), values)],
  ['html', (...values) => escapeHtml(print(...values))],
  ['js', (...values) => goJson(print(...values)).slice(1, -1)],
  ['urlquery', (...values) => new URLSearchParams([['', print(...values)]]).toString().slice(1)],
  ['call', (callee, ...args) => (typeof callee === 'function' ? callee(...args) : undefined)],
];

const comparisons: [string, TemplateFunction][] = [
  ['eq', (first, ...others) => others.some((other) => isEqual(first, other))],
  ['ne', (a, b) => !isEqual(a, b)],
  ['lt', (a, b) => compare(a, b) < 0],
  ['le', (a, b) => compare(a, b) <= 0],
  ['gt', (a, b) => compare(a, b) > 0],
  ['ge', (a, b) => compare(a, b) >= 0],
];

/** Docker's list entries marshal themselves, with Go's HTML escapes; everything else is written without them. */
function toJson(value: unknown): string {
  const text = goJson(plain(value));
  return value instanceof Struct ? text.replace(/[<>&]/g, (character) => htmlEscapes[character] ?? character) : text;
}

const htmlEscapes: Record<string, string> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026' };

/** Without Structs, which goJson does not know. */
function plain(value: unknown): unknown {
  if (value instanceof Struct) return plain(value.toJSON());
  if (Array.isArray(value)) return value.map(plain);
  if (isFields(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return value;
}

function isEqual(a: unknown, b: unknown): boolean {
  const left = a ?? null;
  const right = b ?? null;
  if (left === null || right === null) return left === right;
  if (isNumber(left) && isNumber(right)) return Number(left) === Number(right);
  if (typeof left !== typeof right) throw new Error('incompatible types for comparison');
  return left === right;
}

function compare(a: unknown, b: unknown): number {
  if (isNumber(a) && isNumber(b)) return Number(a) - Number(b);
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  throw new Error('incompatible types for comparison');
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function string(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) throw new Error('invalid value; expected string');
  throw new Error(`wrong type for value; expected string; got ${typeName(value)}`);
}

function array(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new Error(`expected []string; got ${typeName(value)}`);
}

function blanks(count: unknown): string {
  return ' '.repeat(Math.min(maxPadding, Math.max(0, Number(count))));
}

function length(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isFields(value)) return Object.keys(value).length;
  throw new Error(value === null || value === undefined ? 'len of nil pointer' : `len of type ${typeName(value)}`);
}

function indexValue(container: unknown, key: unknown): unknown {
  if (Array.isArray(container) || typeof container === 'string') {
    const index = Number(key);
    if (!Number.isInteger(index)) throw new Error(`cannot index slice/array with type ${typeName(key)}`);
    if (index < 0 || index >= container.length) throw new Error(`error calling index: index out of range: ${index}`);
    return typeof container === 'string' ? container.charCodeAt(index) : container[index];
  }
  if (isFields(container)) {
    const name = String(key);
    if (Object.hasOwn(container, name)) return container[name];
    // Go gives the zero value of the map's elements.
    return Object.values(container).every((value) => typeof value === 'string') ? '' : undefined;
  }
  if (container === null || container === undefined) throw new Error('error calling index: index of untyped nil');
  throw new Error(`error calling index: can't index item of type ${typeName(container)}`);
}

function sliceValue(value: unknown, from: unknown, to: unknown): unknown {
  if (typeof value !== 'string' && !Array.isArray(value))
    throw new Error(`can't slice item of type ${typeName(value)}`);
  const end = to === undefined ? value.length : Number(to);
  const start = from === undefined ? 0 : Number(from);
  if (start < 0 || end > value.length || start > end) throw new Error(`index out of range: ${end}`);
  return value.slice(start, end);
}

/** Go's Sprint: blanks only between two operands that are no strings. */
function print(...values: unknown[]): string {
  return values
    .map((value, i) => {
      const blank = i > 0 && typeof value !== 'string' && typeof values[i - 1] !== 'string';
      return (blank ? ' ' : '') + printValue(value);
    })
    .join('');
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
