// A client's directory as a list, one line of JSON for each entry: what `POST /build/contexts/{id}` takes, so that only what changed has to be sent.
// Names are byte strings: each character of a path is one byte (U+0000 to U+00FF), because file names are bytes, not text.
import { FormatError } from '../format-error.ts';

interface EntryCommon {
  /** Relative to the directory: "a/b"; no ".", no "..", no slash at either end. */
  readonly path: string;
  /** The lower twelve bits of st_mode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970, decimal: more than a number holds. */
  readonly mtimeNs: string;
}

export type ContextEntry =
  | (EntryCommon & {
      readonly kind: 'file';
      readonly sizeBytes: number;
      /** What else tells the client that a file is another one (its inode, its change time); only compared. */
      readonly stamp: string;
    })
  | (EntryCommon & { readonly kind: 'directory' | 'fifo' })
  | (EntryCommon & { readonly kind: 'symlink'; readonly target: string });

/** Of one line, without its end: paths have 4095 bytes, each of which JSON may write with six. */
export const MAX_LINE_BYTES = 64 * 1024;
const MAX_PATH = 4095;
const MAX_NAME = 255;
const MAX_STAMP = 100;
const MAX_ID = 2 ** 32 - 2;

const letters = { file: 'f', directory: 'd', symlink: 'l', fifo: 'p' } as const;

/** `["f","a/b",420,0,0,"1700000000000000000",12,"stamp"]`, `["l",…,"target"]`, `["d",…]`; no line end. */
export function encodeContextEntry(entry: ContextEntry): string {
  const { kind, path, mode, uid, gid, mtimeNs } = entry;
  const common = [letters[kind], path, mode, uid, gid, mtimeNs];
  if (entry.kind === 'file') return JSON.stringify([...common, entry.sizeBytes, entry.stamp]);
  return JSON.stringify(entry.kind === 'symlink' ? [...common, entry.target] : common);
}

/** Throws FormatError for what is no entry. */
export function decodeContextEntry(line: string): ContextEntry {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new FormatError('read list of a context: a line is no JSON', { cause: error });
  }
  if (!Array.isArray(value)) throw bad('a line is no array');
  const [letter, path, mode, uid, gid, mtimeNs, more, stamp]: unknown[] = value;
  if (!isContextPath(path)) throw bad('a path is none');
  if (!isCount(mode, 0o7777) || !isCount(uid, MAX_ID) || !isCount(gid, MAX_ID)) throw bad(`${path}: mode or owner`);
  if (typeof mtimeNs !== 'string' || !/^-?\d{1,19}$/.test(mtimeNs)) throw bad(`${path}: time`);
  const common = { path, mode, uid, gid, mtimeNs };
  if (letter === 'd' || letter === 'p') return { ...common, kind: letter === 'd' ? 'directory' : 'fifo' };
  if (letter === 'l') {
    if (!isBytes(more) || more === '' || more.length > MAX_PATH) throw bad(`${path}: target`);
    return { ...common, kind: 'symlink', target: more };
  }
  if (letter !== 'f') throw bad(`${path}: kind`);
  if (!isCount(more, Number.MAX_SAFE_INTEGER)) throw bad(`${path}: size`);
  if (typeof stamp !== 'string' || stamp.length > MAX_STAMP) throw bad(`${path}: stamp`);
  return { ...common, kind: 'file', sizeBytes: more, stamp };
}

/** The order of the list: a directory's entries, sorted by bytes, each with all below it before the next. Negative: `a` comes first. */
export function compareContextPaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left === right) continue;
    if (left === SLASH) return -1;
    return right === SLASH ? 1 : left - right;
  }
  return a.length - b.length;
}

const SLASH = 0x2f;

/** The directory that holds it; "" for the top. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

function isContextPath(path: unknown): path is string {
  if (!isBytes(path) || path === '' || path.length > MAX_PATH) return false;
  return path.split('/').every((name) => name !== '' && name !== '.' && name !== '..' && name.length <= MAX_NAME);
}

function isBytes(value: unknown): value is string {
  return typeof value === 'string' && /^[\u0001-\u00ff]*$/.test(value);
}

function isCount(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function bad(what: string): FormatError {
  return new FormatError(`read list of a context: ${what.slice(0, 200)} cannot be`);
}
