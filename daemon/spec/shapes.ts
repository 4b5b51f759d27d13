// Checks of plain data by its shape: what was stored is looked at before it is believed. A shape is a function; those of objects name every
// field, and the compiler holds them against the type.

export type Shape<T> = (value: unknown) => value is T;

/** For each field of T a shape; of an optional one `optional(…)`. */
export type Fields<T> = { readonly [K in keyof T]-?: Shape<T[K]> };

export const isText = (value: unknown): value is string => typeof value === 'string';
export const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
/** Requests may name integers beyond those that are exact (`--stop-timeout 9223372036854775807`). */
export const isInteger = (value: unknown): value is number => Number.isInteger(value);
export const isTexts: Shape<readonly string[]> = listOf(isText);

export function isOneOf<const T extends string | number | null>(...words: readonly T[]): Shape<T> {
  return (value): value is T => words.includes(value as T);
}

export function listOf<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(shape);
}

export function mapOf<T>(shape: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value): value is Readonly<Record<string, T>> => isObject(value) && Object.values(value).every(shape);
}

export function either<A, B>(a: Shape<A>, b: Shape<B>): Shape<A | B> {
  return (value): value is A | B => a(value) || b(value);
}

/** Absent is well, too. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value): value is T | undefined => value === undefined || shape(value);
}

/** Fields that the shape does not name are no error: nobody reads them. */
export function objectOf<T>(fields: Fields<T>): Shape<T> {
  const entries = Object.entries(fields) as [string, Shape<unknown>][];
  return (value): value is T => isObject(value) && entries.every(([name, shape]) => shape(value[name]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
