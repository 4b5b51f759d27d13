// One command-line flag: its names, its help line and how a text becomes its value. Grammar as in docker and dockerd (pflag).
import { parseDurationNs } from '../units/go-duration.ts';
import { parseBool, parseInteger } from '../units/go-numbers.ts';
import { parseSizeBytes } from '../units/size.ts';

export interface Flag<T> {
  name: string;
  short: string | undefined;
  usage: string;
  /** What stands behind the name in the help; empty for switches. */
  typeName: string;
  initial: T;
  /** As the help shows it, without parentheses; empty when docker shows none. */
  defaultText: string;
  /** The value of a flag given without one (`--rm`); undefined when a value must follow. */
  implied: string | undefined;
  hidden: boolean;
  /** The value after `text` was given, `current` being the one so far. Throws an Error that says what is wrong. */
  set(current: T, text: string): T;
}

export type FlagSpecs = Record<string, Flag<unknown>>;
export type FlagValues<F extends FlagSpecs> = { -readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

interface Options<T> {
  typeName?: string;
  defaultText?: string;
  hidden?: boolean;
  initial?: T;
  validate?: (text: string) => T extends readonly (infer E)[] ? E : T;
}

/** `name` is `long` or `long,s`. Flags are covariant in use: the parser only hands a flag's own values back to it. */
function flag<T>(name: string, usage: string, rest: Omit<Flag<T>, 'name' | 'short' | 'usage'>): Flag<T> {
  const [long = '', short] = name.split(',');
  return { name: long, short, usage, ...rest };
}

export function boolFlag(name: string, usage: string, options: { initial?: boolean; hidden?: boolean } = {}) {
  const initial = options.initial ?? false;
  return flag<boolean>(name, usage, {
    typeName: '',
    initial,
    defaultText: initial ? 'true' : '',
    implied: 'true',
    hidden: options.hidden ?? false,
    set: (_, text) => parseBool(text),
  });
}

export function stringFlag(name: string, usage: string, options: Options<string> = {}) {
  const initial = options.initial ?? '';
  return flag<string>(name, usage, {
    typeName: options.typeName ?? 'string',
    initial,
    defaultText: options.defaultText ?? (initial === '' ? '' : JSON.stringify(initial)),
    implied: undefined,
    hidden: options.hidden ?? false,
    set: (_, text) => text,
  });
}

/** May be given several times; `validate` checks or normalises each value. */
export function listFlag(
  name: string,
  usage: string,
  options: {
    typeName?: string;
    defaultText?: string;
    hidden?: boolean;
    validate?: (text: string) => string;
    commaSeparated?: boolean;
  } = {},
) {
  return flag<string[]>(name, usage, {
    typeName: options.typeName ?? 'list',
    initial: [],
    defaultText: options.defaultText ?? '',
    implied: undefined,
    hidden: options.hidden ?? false,
    set: (current, text) => {
      const items = options.commaSeparated ? text.split(',') : [text];
      return [...current, ...items.map((item) => options.validate?.(item) ?? item)];
    },
  });
}

/** May be given several times; each text becomes one `T`. */
export function parsedListFlag<T>(
  name: string,
  usage: string,
  parse: (text: string) => T,
  options: { typeName: string; defaultText?: string; hidden?: boolean },
) {
  return flag<T[]>(name, usage, {
    typeName: options.typeName,
    initial: [],
    defaultText: options.defaultText ?? '',
    implied: undefined,
    hidden: options.hidden ?? false,
    set: (current, text) => [...current, parse(text)],
  });
}

/** May be given several times as `key=value`; of a key that comes again the last counts. */
export function mapFlag(name: string, usage: string) {
  return flag<Readonly<Record<string, string>>>(name, usage, {
    typeName: 'map',
    initial: {},
    defaultText: '',
    implied: undefined,
    hidden: false,
    set: (current, text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new Error('expected key=value');
      return { ...current, [text.slice(0, at)]: text.slice(at + 1) };
    },
  });
}

const integerKinds = {
  int: { bits: 64, signed: true },
  uint: { bits: 64, signed: false },
  uint16: { bits: 16, signed: false },
} as const;

export function integerFlag(
  name: string,
  usage: string,
  options: { kind?: keyof typeof integerKinds; initial?: number } = {},
) {
  const kind = options.kind ?? 'int';
  const initial = options.initial ?? 0;
  return flag<number>(name, usage, {
    typeName: kind,
    initial,
    defaultText: initial === 0 ? '' : String(initial),
    implied: undefined,
    hidden: false,
    set: (_, text) => parseInteger(text, integerKinds[kind]),
  });
}

/** A size such as `64m`, in bytes. `unlimited`: -1 is allowed too. */
export function bytesFlag(name: string, usage: string, options: { unlimited?: boolean } = {}) {
  return flag<number>(name, usage, {
    typeName: 'bytes',
    initial: 0,
    defaultText: '',
    implied: undefined,
    hidden: false,
    set: (_, text) => (options.unlimited && text === '-1' ? -1 : parseSizeBytes(text)),
  });
}

/** Go's duration grammar (`1m30s`), in nanoseconds. */
export function durationFlag(name: string, usage: string) {
  return flag<number>(name, usage, {
    typeName: 'duration',
    initial: 0,
    defaultText: '',
    implied: undefined,
    hidden: false,
    set: (_, text) => parseDurationNs(text),
  });
}

/** A single value of any type. */
export function parsedFlag<T>(
  name: string,
  usage: string,
  parse: (text: string) => T,
  options: { typeName: string; initial: T; defaultText?: string },
) {
  return flag<T>(name, usage, {
    typeName: options.typeName,
    initial: options.initial,
    defaultText: options.defaultText ?? '',
    implied: undefined,
    hidden: false,
    set: (_, text) => parse(text),
  });
}
