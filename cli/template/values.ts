// The values templates work on and how Go prints them.

/** A value with named fields, as a Go struct with methods: naming another field is an error, not a missing key. */
export class Struct {
  readonly typeName: string;
  readonly fields: Record<string, () => unknown>;
  readonly methods: Record<string, (...args: unknown[]) => unknown>;

  constructor(
    typeName: string,
    fields: Record<string, () => unknown>,
    methods: Record<string, (...args: unknown[]) => unknown> = {},
  ) {
    this.typeName = typeName;
    this.fields = fields;
    this.methods = methods;
  }

  /** All fields, as Go's JSON encoder sorts the keys of a map. */
  toJSON(): Record<string, unknown> {
    const names = Object.keys(this.fields).sort();
    return Object.fromEntries(names.map((name) => [name, this.fields[name]?.()]));
  }
}

export type Fields = Record<string, unknown>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Struct);
}

const ownText = Symbol('how a value prints');

/** From now on `value` prints as `text` says: it has a type of Go's that JSON does not tell. */
export function printAs(value: object, text: () => string): void {
  Object.defineProperty(value, ownText, { value: text, enumerable: false });
}

/** Go's notion of an empty value in `if`, `with`, `and`, `or`, `not`. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isFields(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** `fmt.Print` of a value; one that is not there at all is `<no value>`, a null is `<nil>`. */
export function printValue(value: unknown): string {
  return value === undefined ? '<no value>' : nested(value);
}

function nested(value: unknown): string {
  if (value === undefined || value === null) return '<nil>';
  if (typeof value === 'object' && ownText in value) return (value[ownText] as () => string)();
  if (Array.isArray(value)) return `[${value.map(nested).join(' ')}]`;
  if (value instanceof Struct) return nested(value.toJSON());
  if (isFields(value)) {
    const keys = Object.keys(value).sort();
    return `map[${keys.map((key) => `${key}:${nested(value[key])}`).join(' ')}]`;
  }
  return String(value);
}

/** What a Go message calls the type of a value. */
export function typeName(value: unknown): string {
  if (value instanceof Struct) return value.typeName;
  if (Array.isArray(value)) return '[]interface {}';
  if (isFields(value)) return 'map[string]interface {}';
  return { string: 'string', number: 'float64', bigint: 'int64', boolean: 'bool' }[typeof value as string] ?? 'nil';
}
