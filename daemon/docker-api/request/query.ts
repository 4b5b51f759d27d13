// Query parameters as Docker reads them. A route declares its parameters as a schema of the kinds below; the schema is the documentation and
// what the decoder is made of, so that a parameter cannot be documented and not read. Unknown parameters are ignored, as Docker does.
import { type Static, type TObject, type TSchema, Type } from '@sinclair/typebox';
import { EngineError } from '../../errors/engine-error.ts';
import type { Filters } from '../../state/filters.ts';
import { parseFilters } from './parse-filters.ts';

const kind = 'x-query-kind';

/** Docker's truth: empty, 0, no, false and none are false, all else is true. */
export function flag(description: string, fallback = false) {
  return Type.Unsafe<boolean>({ type: 'boolean', description, default: fallback, [kind]: 'flag' });
}

export function text(description: string) {
  return Type.Optional(Type.Unsafe<string>({ type: 'string', description, [kind]: 'text' }));
}

/** Empty is the same as absent. */
export function integer(description: string) {
  return Type.Optional(Type.Unsafe<number>({ type: 'integer', description, [kind]: 'integer' }));
}

/** May be given several times. */
export function list(description: string) {
  return Type.Unsafe<string[]>({ type: 'array', items: { type: 'string' }, description, [kind]: 'list' });
}

/** `{"key":{"value":true}}` or `{"key":["value"]}`. */
export function filters(description: string) {
  return Type.Unsafe<Filters>({ type: 'string', description, [kind]: 'filters' });
}

/** Seconds since 1970, with up to nine decimals; nanoseconds come out. */
export function timestamp(description: string) {
  return Type.Optional(Type.Unsafe<bigint>({ type: 'string', description, [kind]: 'timestamp' }));
}

type Decode = (name: string, value: string | undefined, schema: TSchema, all: readonly string[]) => unknown;

const decoders: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['flag', (_name, value, schema) => (value === undefined ? schema.default : !isFalse(value))],
  ['text', (_name, value) => value],
  ['integer', (name, value) => (value === undefined || value === '' ? undefined : parseInteger(name, value))],
  ['list', (_name, _value, _schema, all) => all],
  ['filters', (_name, value) => parseFilters(value)],
  ['timestamp', (name, value) => parseTimestamp(name, value)],
]);

/** Turns what the query parser gives into what the route declared. Throws 'invalid'. */
export function compileQuery<T extends TObject>(schema: T): (raw: Record<string, unknown>) => Static<T> {
  const fields = Object.entries(schema.properties).map(([name, property]) => {
    const decode = decoders.get(String(property[kind]));
    if (decode === undefined) throw new TypeError(`query parameter ${name}: declare it with a kind of query.ts`);
    return { name, property, decode };
  });
  return (raw) => {
    const decoded: Record<string, unknown> = {};
    for (const { name, property, decode } of fields) {
      const given = raw[name];
      const all = typeof given === 'string' ? [given] : Array.isArray(given) ? (given as string[]) : [];
      const value = decode(name, all[0], property, all);
      if (value !== undefined) decoded[name] = value;
    }
    return decoded as Static<T>;
  };
}

function isFalse(value: string): boolean {
  return /^(?:|0|no|false|none)$/i.test(value.trim());
}

function parseInteger(name: string, value: string): number {
  const parsed = /^[+-]?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(parsed))
    throw new EngineError('invalid', `invalid value "${value}" for "${name}": whole number expected`);
  return parsed;
}

function parseTimestamp(name: string, value: string | undefined): bigint | undefined {
  if (value === undefined || value === '') return undefined;
  const match = /^(-?)(\d{1,12})(?:\.(\d*))?$/.exec(value);
  if (match === null) {
    throw new EngineError(
      'invalid',
      `invalid value "${value}" for "${name}": seconds since 1970 expected, as in 1700000000.5`,
    );
  }
  const ns = BigInt(match[2] ?? '0') * 1_000_000_000n + BigInt((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  return match[1] === '-' ? -ns : ns;
}
