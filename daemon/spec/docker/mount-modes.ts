// The words after the second colon of -v and the options of --tmpfs: which are known, and what they mean to the kernel.
import { EngineError } from '../../errors/engine-error.ts';
import type { Propagation } from '../mount.ts';

const PROPAGATIONS: ReadonlySet<string> = new Set(['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared']);
const KINDS: ReadonlyMap<string, 'rw' | 'label' | 'copy' | 'consistency'> = new Map([
  ['rw', 'rw'],
  ['ro', 'rw'],
  ['z', 'label'],
  ['Z', 'label'],
  ['nocopy', 'copy'],
  ['consistent', 'consistency'],
  ['cached', 'consistency'],
  ['delegated', 'consistency'],
]);

export interface BindMode {
  readonly: boolean;
  propagation: Propagation | undefined;
  nocopy: boolean;
}

/** undefined when a word is unknown, or two words of one kind are there. */
export function parseBindMode(mode: string): BindMode | undefined {
  const seen = new Set<string>();
  const result: BindMode = { readonly: false, propagation: undefined, nocopy: false };
  if (mode === '') return result;
  for (const word of mode.split(',')) {
    const kind = isPropagation(word) ? 'propagation' : KINDS.get(word);
    if (kind === undefined || seen.has(kind)) return undefined;
    seen.add(kind);
    if (word === 'ro') result.readonly = true;
    if (word === 'nocopy') result.nocopy = true;
    if (isPropagation(word)) result.propagation = word;
  }
  return result;
}

export function isPropagation(word: string): word is Propagation {
  return PROPAGATIONS.has(word);
}

const TMPFS_FLAGS: ReadonlySet<string> = new Set([
  'ro',
  'rw',
  'suid',
  'nosuid',
  'dev',
  'nodev',
  'exec',
  'noexec',
  'async',
  'sync',
  'dirsync',
  'mand',
  'nomand',
  'atime',
  'noatime',
  'diratime',
  'nodiratime',
  'bind',
  'rbind',
  'unbindable',
  'runbindable',
  'private',
  'rprivate',
  'shared',
  'rshared',
  'slave',
  'rslave',
  'relatime',
  'norelatime',
  'strictatime',
  'nostrictatime',
  'defaults',
]);
const TMPFS_VALUES: ReadonlySet<string> = new Set(['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol']);
const MAX_TMPFS_OPTIONS = 64;

/** A tmpfs is nosuid, nodev and noexec unless its options say otherwise; the last word on a subject counts. Throws 400. */
export function tmpfsOptions(words: readonly string[]): string[] {
  if (words.length > MAX_TMPFS_OPTIONS)
    throw new EngineError('invalid', `tmpfs: more than ${MAX_TMPFS_OPTIONS} options`);
  const merged = new Map<string, string>([
    ['exec', 'noexec'],
    ['suid', 'nosuid'],
    ['dev', 'nodev'],
  ]);
  for (const word of words) {
    if (word === '' || word === 'defaults') continue;
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const known = equals < 0 ? TMPFS_FLAGS.has(word) : TMPFS_VALUES.has(name) && equals < word.length - 1;
    if (!known) throw new EngineError('invalid', `invalid tmpfs option ["${word}"]`);
    const subject =
      equals >= 0 ? name : name === 'rw' ? 'ro' : name.replace(/^no(?=suid|dev|exec|mand|atime|diratime)/, '');
    merged.delete(subject);
    merged.set(subject, word);
  }
  return [...merged.values()];
}
