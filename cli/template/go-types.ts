// Types of Go for plain JSON values: how fmt prints them, which fields a struct has when the JSON leaves them out, and their names in Go.
// Types are written as in Go, apart from maps, which name only what they hold (keys are texts), and struct{}, which is `set`.
import { formatDurationNs } from '../../daemon/protocols/units/go-duration.ts';
import { withoutTrailing } from '../../daemon/protocols/without-trailing.ts';
import { isFields, printAs } from './values.ts';

interface Field {
  name: string;
  key: string;
  type: string;
  isEmbedded: boolean;
}

export class GoTypes {
  readonly #structs = new Map<string, Field[]>();
  readonly #known = new WeakMap<object, string>();

  /** `source`: one type per line, `Name: field field …`; a line that begins with a blank goes on with the last. */
  constructor(source: string) {
    for (const line of source.replaceAll('\n ', ' ').split('\n')) {
      const [name = '', text = ''] = line.split(/:(.*)/);
      if (name !== '') this.#structs.set(name, text.trim().split(/\s+/).filter(Boolean).map(parseField));
    }
  }

  /** Names `value` and all that it holds. Fields that the JSON leaves out are there with Go's zero value, but in no listing. */
  attach(value: unknown, type: string): void {
    const plain = type.replace(/^\*/, '');
    if (typeof value !== 'object' || value === null) return;
    this.#known.set(value, plain);
    printAs(value, () => this.#print(value, plain, 0));
    if (Array.isArray(value)) {
      for (const item of value) this.attach(item, plain.replace(/^\[\]/, ''));
      return;
    }
    const fields = this.#fields(plain);
    if (fields !== undefined) this.#attachFields(value as Record<string, unknown>, fields);
    else if (plain.startsWith('map[')) for (const item of Object.values(value)) this.attach(item, element(plain));
  }

  #attachFields(value: Record<string, unknown>, fields: readonly Field[]): void {
    for (const { name, key, type, isEmbedded } of fields) {
      if (isEmbedded) {
        this.#attachFields(value, this.#structs.get(type) ?? []);
        continue;
      }
      const isThere = Object.hasOwn(value, key);
      const item = isThere ? value[key] : this.#zero(type);
      this.attach(item, type);
      if (!isThere) Object.defineProperty(value, key, { value: item, enumerable: false });
      if (name !== key && !Object.hasOwn(value, name))
        Object.defineProperty(value, name, { value: item, enumerable: false });
    }
  }

  /** How a field's value prints, where the JSON value alone does not tell: a null, a duration, a time. */
  fieldText(owner: unknown, name: string, value: unknown): string | undefined {
    const type = this.#typeOfField(owner, name);
    if (type === undefined || value === undefined) return undefined;
    if (value === null || type === 'duration' || type === 'time') return this.#print(value, type, 0);
    return undefined;
  }

  /** A struct's fields have the names of Go, not those of JSON. */
  isNamed(owner: object, key: string): boolean {
    const type = this.#known.get(owner) ?? '';
    return !this.#structs.has(type) || this.#flat(type).some(({ name }) => name === key);
  }

  /** Whether keys are the user's, so that one that is not there is no mistake. */
  isMap(value: unknown): boolean {
    return typeof value === 'object' && value !== null && (this.#known.get(value) ?? '').startsWith('map[');
  }

  #typeOfField(owner: unknown, name: string): string | undefined {
    const type = typeof owner === 'object' && owner !== null ? this.#known.get(owner) : undefined;
    if (type === undefined) return undefined;
    if (type.startsWith('map[')) return element(type);
    return this.#flat(type).find((field) => field.name === name)?.type;
  }

  #fields(type: string): readonly Field[] | undefined {
    return this.#structs.get(type);
  }

  #flat(type: string): Field[] {
    return (this.#structs.get(type) ?? []).flatMap((field) => (field.isEmbedded ? this.#flat(field.type) : [field]));
  }

  #zero(type: string): unknown {
    if (type === 'string' || type === 'time') return '';
    if (type === 'int' || type === 'duration') return 0;
    if (type === 'bool') return false;
    return this.#structs.has(type) ? {} : null;
  }

  /** fmt's %v. A template follows a pointer that is printed by itself; one inside something else has its value shown after "&". */
  #print(value: unknown, type: string, depth: number): string {
    if (type.startsWith('*')) {
      if (value === null || value === undefined) return '<nil>';
      return `${depth === 0 ? '' : '&'}${this.#print(value, type.slice(1), depth)}`;
    }
    if (type.startsWith('[]')) {
      const items = Array.isArray(value) ? value : [];
      return `[${items.map((item) => this.#print(item, type.slice(2), depth + 1)).join(' ')}]`;
    }
    if (type.startsWith('map[')) {
      const entries = isFields(value) ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) : [];
      return `map[${entries.map(([key, item]) => `${key}:${this.#print(item, element(type), depth + 1)}`).join(' ')}]`;
    }
    const fields = this.#fields(type);
    if (fields !== undefined) {
      const object = isFields(value) ? value : {};
      const shown = fields.map(({ key, type: inner, isEmbedded }) =>
        this.#print(isEmbedded ? object : object[key], inner, depth + 1),
      );
      return `{${shown.join(' ')}}`;
    }
    return printScalar(value, type);
  }
}

function parseField(text: string): Field {
  if (text.startsWith('+')) return { name: '', key: '', type: text.slice(1), isEmbedded: true };
  const [names = '', type = 'string'] = text.split(/:(.*)/);
  const [name = '', key = name] = names.split('=');
  return { name, key, type, isEmbedded: false };
}

/** What a map holds. */
function element(type: string): string {
  return type.slice('map['.length, -1);
}

function printScalar(value: unknown, type: string): string {
  const fields = isFields(value) ? value : {};
  switch (type) {
    case 'set':
      return '{}';
    case 'bool':
      return String(value ?? false);
    case 'int':
      return String(value ?? 0);
    case 'duration':
      return formatDurationNs(Number(value ?? 0));
    case 'time':
      return goTimeText(String(value ?? ''));
    // Types with a String method.
    case 'ulimit':
      return `${fields.Name}=${fields.Soft}:${fields.Hard}`;
    case 'weight':
      return `${fields.Path}:${fields.Weight}`;
    case 'rate':
      return `${fields.Path}:${fields.Rate}`;
    default:
      return String(value ?? (type === 'any' ? '<nil>' : ''));
  }
}

/** time.Time's String, from RFC 3339: `2006-01-02 15:04:05.999999999 +0000 UTC`. */
function goTimeText(text: string): string {
  if (text === '') return '0001-01-01 00:00:00 +0000 UTC';
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return text;
  const [, date, time, fraction = '', zone = ''] = match;
  const offset = zone === 'Z' ? '+0000' : zone.replace(':', '');
  return `${date} ${time}${withoutTrailing(withoutTrailing(fraction, '0'), '.')} ${offset} ${zone === 'Z' ? 'UTC' : offset}`;
}
