// A digest of what a copy takes: names, kinds, modes, owners, link targets, device numbers, extended attributes and data, no times. Two selections
// with the same digest make the same copy. Names come sorted, and of a file its own digest is part of it: memory is the same for any number.
import { createHash, type Hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { O, S_IF } from '../../../../native-bindings/constants.ts';
import { check, EntryStat, isAbsent, openIn } from '../../../../native-bindings/entries.ts';
import { ERRNO } from '../../../../native-bindings/errno.ts';
import { closeFd, readlinkFd } from '../../../../native-bindings/files.ts';
import { fgetxattr, flistxattr } from '../../../../native-bindings/xattrs.ts';
import { throwIfCancelled } from '../../cancellation.ts';
import { isKeptXattr } from '../entry-attributes.ts';
import type { Scratches } from '../scratch.ts';
import { NameSorter } from '../sorted-names.ts';
import { type Match, matchSources, OPEN_SOURCE, type SourceChoice, walkTaken } from './choose-sources.ts';
import { DigestTable, type KnownDigests } from './known-digests.ts';

const BUFFER_BYTES = 512 * 1024;

export interface ChecksumRequest {
  readonly choice: SourceChoice;
  /** Nobody ever writes to the files: what is known of them holds. */
  readonly known?: KnownDigests;
}

/** "sha256:…". Throws 'not-found' as the copy would. */
export function checksumTree(rootFd: number, { choice, known }: ChecksumRequest, scratches: Scratches): string {
  const table = known === undefined ? undefined : new DigestTable(known);
  const checksum = new Checksum(new NameSorter(scratches.names), table);
  for (const match of matchSources(rootFd, choice, checksum.sorter)) checksum.add(match);
  return checksum.digest();
}

class Checksum {
  readonly sorter: NameSorter;
  readonly #hash: Hash = createHash('sha256');
  readonly #stat = new EntryStat();
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);

  readonly #known: DigestTable | undefined;

  constructor(sorter: NameSorter, known: DigestTable | undefined) {
    this.sorter = sorter;
    this.#known = known;
  }

  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }

  add({ parent, name, base, filter }: Match): void {
    check('statx', this.#stat.read(parent.fd, name ?? ''), base);
    if ((this.#stat.mode & S_IF.MT) !== S_IF.DIR) {
      this.#leaf(parent.fd, name ?? '', `match ${base}`);
      return;
    }
    const fd = check('openat', openIn(parent.fd, name ?? '.', O.RDONLY | O.DIRECTORY), base);
    try {
      this.#hash.update(this.#directory(fd, 'match'));
      this.#below(fd, filter);
    } finally {
      closeFd(fd);
    }
  }

  #below(fd: number, filter: Match['filter']): void {
    /** Of directories that are there only if something in them is. */
    const pending: string[] = [];
    let depth = 0;
    const take = (): void => {
      for (const record of pending.splice(0)) this.#hash.update(record, 'latin1');
    };
    for (const walked of walkTaken(fd, filter, this.sorter, this.#stat)) {
      if (walked.kind === 'end') {
        depth--;
        if (pending.length > depth) pending.pop();
        continue;
      }
      if (walked.kind === 'leaf') {
        take();
        this.#leaf(walked.parentFd, walked.name, walked.relative);
        continue;
      }
      const { directory } = walked;
      depth++;
      pending.push(this.#directory(directory.fd, directory.relative));
      if (directory.isTaken) take();
    }
  }

  #directory(fd: number, name: string): string {
    check('statx', this.#stat.read(fd, ''), name);
    return `${this.#facts('directory', name)}${xattrsOf(fd)}\n`;
  }

  #facts(kind: string, name: string): string {
    const { mode, uid, gid } = this.#stat;
    return `${kind} ${(mode & 0o7777).toString(8)} ${uid} ${gid} ${counted(name)}`;
  }

  /** What it is was read last. */
  #leaf(parentFd: number, name: string, shown: string): void {
    const type = this.#stat.mode & S_IF.MT;
    if (type === S_IF.SOCK) return;
    if (type === S_IF.REG) this.#file(parentFd, name, shown);
    else if (type === S_IF.LNK) {
      const fd = openIn(parentFd, name, O.PATH);
      if (isAbsent(fd)) return;
      check('openat', fd, name);
      try {
        this.#add(`${this.#facts('symlink', shown)}${counted(readlinkFd(fd).toString('latin1'))}\n`);
      } finally {
        closeFd(fd);
      }
    } else {
      const [major, minor] = this.#stat.device;
      this.#add(`${this.#facts(`node ${type.toString(8)}`, shown)} ${major}:${minor}\n`);
    }
  }

  #file(parentFd: number, name: string, shown: string): void {
    const known = this.#known?.get(this.#stat);
    if (known !== undefined) {
      this.#add(`${this.#facts('file', shown)} ${known.toString('hex')}\n`);
      return;
    }
    const fd = openIn(parentFd, name, OPEN_SOURCE);
    if (isAbsent(fd) || fd === -ERRNO.ELOOP) return;
    check('openat', fd, name);
    try {
      check('statx', this.#stat.read(fd, ''), name);
      if ((this.#stat.mode & S_IF.MT) !== S_IF.REG) return;
      const digest = this.#digestOf(fd);
      this.#known?.set(this.#stat, digest);
      this.#add(`${this.#facts('file', shown)} ${digest.toString('hex')}\n`);
    } finally {
      closeFd(fd);
    }
  }

  /** Of attributes and content; how many bytes it has was read last. */
  #digestOf(fd: number): Buffer {
    const hash = createHash('sha256').update(`${xattrsOf(fd)}\n`, 'latin1');
    for (let left = this.#stat.sizeBytes; left > 0; ) {
      throwIfCancelled();
      const count = readSync(fd, this.#buffer, 0, Math.min(left, this.#buffer.length), null);
      if (count === 0) break;
      hash.update(this.#buffer.subarray(0, count));
      left -= count;
    }
    return hash.digest();
  }

  #add(record: string): void {
    this.#hash.update(record, 'latin1');
  }
}

/** Whatever bytes are in it, where it ends is clear. */
function counted(text: string): string {
  return ` ${text.length}:${text}`;
}

function xattrsOf(fd: number): string {
  const names = flistxattr(fd).filter(isKeptXattr);
  if (names.length === 0) return '';
  return names
    .sort()
    .map((name) => counted(name) + counted(fgetxattr(fd, name)?.toString('latin1') ?? ''))
    .join('');
}
