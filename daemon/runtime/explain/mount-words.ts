// mount(8) words of a spec's mount as the kernel takes them: attributes of the mount, propagation, options of the file system.
import { MOUNT_ATTR, MS } from '../../../native-bindings/constants.ts';

export interface MountWords {
  /** MOUNT_ATTR_* to set. */
  attributes: number;
  recursive: boolean;
  /** `rro`: read-only including everything mounted below. */
  readonlyRecursive: boolean;
  /** MS_PRIVATE, MS_SLAVE, MS_SHARED; 0 when no word says it. */
  propagation: number;
  propagationRecursive: boolean;
  /** What is the file system's own: `size=64m`, `ptmxmode=0666`. */
  data: string[];
}

const SET: ReadonlyMap<string, number> = new Map([
  ['ro', MOUNT_ATTR.RDONLY],
  ['nosuid', MOUNT_ATTR.NOSUID],
  ['nodev', MOUNT_ATTR.NODEV],
  ['noexec', MOUNT_ATTR.NOEXEC],
  ['noatime', MOUNT_ATTR.NOATIME],
  ['strictatime', MOUNT_ATTR.STRICTATIME],
  ['nodiratime', MOUNT_ATTR.NODIRATIME],
  ['nosymfollow', MOUNT_ATTR.NOSYMFOLLOW],
]);
const CLEAR: ReadonlyMap<string, number> = new Map([
  ['rw', MOUNT_ATTR.RDONLY],
  ['suid', MOUNT_ATTR.NOSUID],
  ['dev', MOUNT_ATTR.NODEV],
  ['exec', MOUNT_ATTR.NOEXEC],
  ['relatime', MOUNT_ATTR.ATIME],
  ['atime', MOUNT_ATTR.NOATIME],
  ['nostrictatime', MOUNT_ATTR.STRICTATIME],
  ['diratime', MOUNT_ATTR.NODIRATIME],
]);
const PROPAGATION: ReadonlyMap<string, number> = new Map([
  ['private', MS.PRIVATE],
  ['slave', MS.SLAVE],
  ['shared', MS.SHARED],
  ['unbindable', MS.UNBINDABLE],
]);
/** What mount(8) itself takes, and what a new mount has anyway. */
const IGNORED: ReadonlySet<string> = new Set(['bind', 'newinstance', 'defaults', 'async', 'nomand', 'norelatime']);

/** Pure; a later word wins over an earlier one. */
export function mountWords(options: readonly string[]): MountWords {
  const words: MountWords = {
    attributes: 0,
    recursive: false,
    readonlyRecursive: false,
    propagation: 0,
    propagationRecursive: false,
    data: [],
  };
  for (const word of options) {
    const propagation = PROPAGATION.get(word.replace(/^r/, '')) ?? PROPAGATION.get(word);
    if (word === 'rbind') words.recursive = true;
    else if (word === 'rro') {
      words.attributes |= MOUNT_ATTR.RDONLY;
      words.readonlyRecursive = true;
    } else if (SET.has(word)) words.attributes |= SET.get(word) ?? 0;
    else if (CLEAR.has(word)) words.attributes &= ~(CLEAR.get(word) ?? 0);
    else if (propagation !== undefined) {
      words.propagation = propagation;
      words.propagationRecursive = word.startsWith('r');
    } else if (!IGNORED.has(word)) words.data.push(word);
  }
  return words;
}
