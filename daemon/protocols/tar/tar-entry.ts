// What a tar says about one file, without its bytes. Names are byte strings: each char code is one byte (latin1), because file names
// are bytes, not text, and must come out as they went in.

export type EntryType = 'file' | 'directory' | 'symlink' | 'link' | 'char' | 'block' | 'fifo';

export interface TarEntry {
  readonly type: EntryType;
  /** As the archive says it: not cleaned, not checked. */
  readonly path: string;
  /** Target of a symlink; path of the first name of a hard link; else empty. */
  readonly linkPath: string;
  /** The lower twelve bits of st_mode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content; 0 for everything but files. */
  readonly sizeBytes: number;
  /** Seconds since 1970, with fractions. */
  readonly mtimeSeconds: number;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: ReadonlyMap<string, Buffer>;
  /** Where the content lies, when the archive holds a sparse file: [offset, length] in ascending order. */
  readonly extents?: readonly (readonly [number, number])[];
}

export const BLOCK_BYTES = 512;
/** The extended attribute that says what rights a program gets (capabilities(7)). */
export const CAPABILITY_XATTR = 'security.capability';

/** A name as users type it. */
export function toBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** A name as node:fs takes it. */
export function fromBytes(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}

/** For messages and JSON: the bytes as UTF-8 text. */
export function displayName(name: string): string {
  return fromBytes(name).toString('utf8');
}
