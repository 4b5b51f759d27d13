// `--name=value` before the arguments of an instruction. Messages are BuildKit's.
import { withSuggestion } from '../suggest.ts';

type FlagType = 'bool' | 'string' | 'strings';
export type FlagSpec = Readonly<Record<string, FlagType>>;

type FlagValue<T extends FlagType> = T extends 'bool' ? boolean : T extends 'string' ? string : string[];
export type FlagValues<S extends FlagSpec> = { [K in keyof S]?: FlagValue<S[K]> };

/** A flag that is unknown, there twice, or without what it needs. */
export class FlagError extends Error {}

/** Throws a FlagError. */
export function readFlags<S extends FlagSpec>(flags: readonly string[], spec: S): FlagValues<S> {
  const values = new Map<string, boolean | string | string[]>();
  for (const flag of flags) {
    const text = flag.slice(2);
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    const value = equals < 0 ? undefined : text.slice(equals + 1);
    const type = Object.hasOwn(spec, name) ? spec[name] : undefined;
    if (type === undefined)
      throw new FlagError(withSuggestion(`unknown flag: --${name}`, name, Object.keys(spec), true));
    const before = values.get(name);
    if (before !== undefined && type !== 'strings') throw new FlagError(`duplicate flag specified: --${name}`);
    if (type === 'bool') values.set(name, readBool(name, value));
    else if (value === undefined) throw new FlagError(`missing a value on flag: --${name}`);
    else if (type === 'string') values.set(name, value);
    else if (Array.isArray(before)) before.push(value);
    else values.set(name, [value]);
  }
  // Every value was made by the type that its flag has in the specification.
  return Object.fromEntries(values) as FlagValues<S>;
}

function readBool(name: string, value: string | undefined): boolean {
  if (value === undefined) return true;
  if (value === '') throw new FlagError(`missing a value on flag: --${name}`);
  const lower = value.toLowerCase();
  if (lower !== 'true' && lower !== 'false') {
    throw new FlagError(`expecting boolean value for flag --${name}, not: ${value}`);
  }
  return lower === 'true';
}
