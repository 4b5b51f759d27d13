// `RUN --mount=…`: comma-separated fields, values of which are expanded when the instruction is about to run. Messages are BuildKit's.
import { FormatError } from '../../protocols/format-error.ts';
import { cleanPath } from '../../protocols/ignore/clean-path.ts';
import { parseSizeBytes } from '../../protocols/units/size.ts';
import { withoutTrailing } from '../../protocols/without-trailing.ts';
import { ArgumentError } from './parser/argument-error.ts';
import { csvFields } from './parser/csv-fields.ts';
import type { RunMount } from './run-mount-types.ts';
import { withSuggestion } from './suggest.ts';

const types = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const sharings = ['shared', 'private', 'locked'] as const;
type MountType = (typeof types)[number];
type Sharing = (typeof sharings)[number];

const suggestedKeys = [
  'type',
  'from',
  'source',
  'target',
  'readonly',
  'id',
  'sharing',
  'required',
  'size',
  'mode',
  'uid',
  'gid',
  'env',
  'src',
  'dst',
  'destination',
  'ro',
  'rw',
  'readwrite',
];

/** What can be said before variables are known: whether there are fields, and that `from` has none. Throws an ArgumentError. */
export function checkMount(text: string): void {
  for (const field of fieldsOf(text)) {
    const { key, value } = splitField(field);
    if (key !== 'from' || value === undefined || !/\$./.test(value)) continue;
    throw new ArgumentError(`'${key}' doesn't support variable expansion, define alias stage instead`);
  }
}

/** The stage, image or named context that a mount comes from: never a variable, so that it is known before all is expanded. */
export function mountFrom(text: string): string | undefined {
  const froms = fieldsOf(text).map(splitField);
  return froms.findLast(({ key, value }) => key === 'from' && value !== undefined)?.value || undefined;
}

/** Throws a FormatError; what `expandValue` throws goes through. */
export function readMount(text: string, expandValue: (value: string) => string): RunMount {
  const fields: Fields = { type: 'bind' };
  for (const field of fieldsOf(text)) {
    const { key, value } = splitField(field);
    if (value === undefined) applyFlag(fields, key, field);
    else applyValue(fields, key, expandValue(value), field);
  }
  return mountOf(fields);
}

interface Fields {
  type: MountType;
  from?: string;
  source?: string;
  target?: string;
  isReadOnly?: boolean;
  id?: string;
  sharing?: Sharing;
  isRequired?: boolean;
  sizeBytes?: number;
  mode?: number;
  uid?: number;
  gid?: number;
  env?: string;
}

function fieldsOf(text: string): string[] {
  const fields = csvFields(text);
  if (typeof fields === 'string') throw new ArgumentError(`failed to parse csv mounts: ${fields}`);
  return fields;
}

function splitField(field: string): { key: string; value: string | undefined } {
  const equals = field.indexOf('=');
  if (equals < 0) return { key: field.toLowerCase(), value: undefined };
  return { key: field.slice(0, equals).toLowerCase(), value: field.slice(equals + 1) };
}

function applyFlag(fields: Fields, key: string, field: string): void {
  if (key === 'readonly' || key === 'ro') fields.isReadOnly = true;
  else if (key === 'readwrite' || key === 'rw') fields.isReadOnly = false;
  else if (key === 'required') fields.isRequired = requiredOf(fields, key, 'true');
  else throw new FormatError(`invalid field '${field}' must be a key=value pair`);
}

function applyValue(fields: Fields, key: string, value: string, field: string): void {
  switch (key) {
    case 'type':
      fields.type = oneOf(types, value, `unsupported mount type ${JSON.stringify(value)}`);
      break;
    case 'from':
      fields.from = value;
      break;
    case 'source':
    case 'src':
      fields.source = value;
      break;
    case 'target':
    case 'dst':
    case 'destination':
      fields.target = value;
      break;
    case 'readonly':
    case 'ro':
      fields.isReadOnly = boolOf(key, value);
      break;
    case 'readwrite':
    case 'rw':
      fields.isReadOnly = !boolOf(key, value);
      break;
    case 'required':
      fields.isRequired = requiredOf(fields, key, value);
      break;
    case 'size':
      fields.sizeBytes = sizeOf(fields, key, value);
      break;
    case 'id':
      fields.id = value;
      break;
    case 'sharing':
      fields.sharing = oneOf(sharings, value, `unsupported sharing value ${JSON.stringify(value)}`);
      break;
    case 'mode':
      fields.mode = numberOf(key, value, 8);
      break;
    case 'uid':
    case 'gid':
      fields[key] = numberOf(key, value, 10);
      break;
    case 'env':
      fields.env = value;
      break;
    default:
      throw new FormatError(withSuggestion(`unexpected key '${key}' in '${field}'`, key, suggestedKeys, true));
  }
}

function oneOf<T extends string>(all: readonly T[], value: string, problem: string): T {
  const found = all.find((one) => one === value.toLowerCase());
  if (found === undefined) throw new FormatError(withSuggestion(problem, value, all, true));
  return found;
}

/** Go's `strconv.ParseBool`. */
function boolOf(key: string, value: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw new FormatError(`invalid value for ${key}: ${value}`);
}

function requiredOf({ type }: Fields, key: string, value: string): boolean {
  if (type === 'secret' || type === 'ssh') return boolOf(key, value);
  throw new FormatError(`unexpected key '${key}' for mount type '${type}'`);
}

function sizeOf({ type }: Fields, key: string, value: string): number {
  if (type !== 'tmpfs') throw new FormatError(`unexpected key '${key}' for mount type '${type}'`);
  try {
    return parseSizeBytes(value);
  } catch (error) {
    throw new FormatError(`invalid value for ${key}: ${value}`, { cause: error });
  }
}

function numberOf(key: string, value: string, base: 8 | 10): number {
  const isNumber = base === 8 ? /^[0-7]+$/.test(value) : /^\d+$/.test(value);
  const number = Number.parseInt(value, base);
  if (!isNumber || number > 0xffffffff) throw new FormatError(`invalid value ${value} for ${key}`);
  return number;
}

function mountOf(fields: Fields): RunMount {
  check(fields);
  const { type, from, source = '', target = '', id, isReadOnly, isRequired = false } = fields;
  switch (type) {
    case 'bind':
      return { type, ...given({ from }), source, target, isReadOnly: isReadOnly ?? true };
    case 'cache':
      return {
        type,
        id: id || cleanPath(target),
        ...given({ from }),
        source,
        target,
        isReadOnly: isReadOnly ?? false,
        sharing: fields.sharing ?? 'shared',
        ...ownership(fields),
      };
    case 'tmpfs': {
      const size = fields.sizeBytes ? { sizeBytes: fields.sizeBytes } : {};
      return { type, target, isReadOnly: isReadOnly ?? false, ...size };
    }
    case 'secret':
      return secretOf(fields);
    case 'ssh':
      return { type, id: id || 'default', ...given({ target }), isRequired, ...ownership(fields) };
  }
}

function check({ type, from, source, target, id, sharing, mode, uid, gid }: Fields): void {
  if (type === 'bind' || type === 'tmpfs') {
    for (const [name, value] of Object.entries({ mode, uid, gid })) {
      if (value !== undefined) throw new FormatError(`${name} not allowed for "${type}" type mounts`);
    }
  }
  if (type === 'secret') {
    if (from) throw new FormatError('secret mount should not have a from');
    if (sharing !== undefined) throw new FormatError('secret mount should not define sharing');
    if (!source && !target && !id) throw new FormatError('invalid secret mount. one of source, target required');
    if (source && id) throw new FormatError("both source and id can't be set");
  }
  if (type === 'ssh' && source) throw new FormatError('ssh does not support source');
  if (sharing !== undefined && type !== 'cache') throw new FormatError(`invalid cache sharing set for ${type} mount`);
}

/** Without a target it is at `/run/secrets/<id>`, unless it is asked for as a variable. */
function secretOf(fields: Fields): RunMount {
  const { source, target, id, env, isRequired = false } = fields;
  const name = source || id || baseName(target ?? '');
  const place = target || (env ? undefined : `/run/secrets/${baseName(name)}`);
  return { type: 'secret', id: name, ...given({ target: place, env }), isRequired, ...ownership(fields) };
}

function ownership({ mode, uid, gid }: Fields) {
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
}

/** Without what is empty. */
function given<K extends string>(values: Record<K, string | undefined>): { [P in K]?: string } {
  const kept: { [P in K]?: string } = {};
  for (const key in values) {
    const value = values[key];
    if (value) kept[key] = value;
  }
  return kept;
}

function baseName(path: string): string {
  const bare = withoutTrailing(path, '/');
  return bare.slice(bare.lastIndexOf('/') + 1) || (path === '' ? '.' : '/');
}
