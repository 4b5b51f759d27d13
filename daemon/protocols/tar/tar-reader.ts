// Reads a tar of any origin (ustar, PAX, GNU) from chunks of any size and tells a sink what is in it. Synchronous: the sink's errors stop
// it. Memory is bounded by the limits, whatever the archive says. It knows nothing of file systems.
import { FormatError } from '../format-error.ts';
import { type PaxRecords, paxNumber, readPax, XATTR_PREFIX } from './pax.ts';
import { parsePaxExtents, readGnuExtents, type SparseMap } from './sparse.ts';
import { BLOCK_BYTES, type EntryType, type TarEntry } from './tar-entry.ts';
import { decodeHeader, paddingOf, type RawHeader } from './tar-header.ts';

export interface TarSink {
  entry(entry: TarEntry): void;
  /** Bytes of the current file, at this offset of it. */
  data(bytes: Buffer, offset: number): void;
  /** All bytes of the current entry were given. Called for every entry. */
  end(): void;
}

export interface TarLimits {
  maxEntries: number;
  /** Of all files together, as the headers say it. */
  maxContentBytes: number;
  maxPathBytes: number;
}

export const defaultTarLimits: TarLimits = {
  maxEntries: 4_000_000,
  maxContentBytes: 2 ** 42,
  maxPathBytes: 4095,
};

/** Of all extended headers, global ones too, that stand before one entry. */
const MAX_EXTENSION_BYTES = 1024 * 1024;

const entryTypes: ReadonlyMap<string, EntryType> = new Map([
  ['0', 'file'],
  ['7', 'file'],
  ['S', 'file'],
  ['1', 'link'],
  ['2', 'symlink'],
  ['3', 'char'],
  ['4', 'block'],
  ['5', 'directory'],
  ['6', 'fifo'],
]);

type State = 'header' | 'extension' | 'gnu-sparse' | 'sparse-map' | 'content' | 'padding' | 'ended';

export class TarReader {
  readonly #sink: TarSink;
  readonly #limits: TarLimits;
  #state: State = 'header';
  /** Gathers a block, or an extended header. */
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #wantedBytes = BLOCK_BYTES;
  #extensionFlag = '';
  #extensionBytes = 0;
  /** Something was said about an entry that has not come. */
  #isAnnounced = false;
  #longPath: string | undefined;
  #longLink: string | undefined;
  #pax: PaxRecords = new Map();
  #pending: RawHeader | undefined;
  #sparse: SparseMap | undefined;
  #contentLeft = 0;
  #offset = 0;
  /** Of a sparse file: the one that is being filled. Taking them from the front of a long list would copy it for each. */
  #extent = 0;
  #paddingLeft = 0;
  #zeroBlocks = 0;
  #entries = 0;
  #contentBytes = 0;

  constructor(sink: TarSink, limits: TarLimits = defaultTarLimits) {
    this.#sink = sink;
    this.#limits = limits;
  }

  /** How many entries were told to the sink. */
  get entries(): number {
    return this.#entries;
  }

  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === 'ended') return;
      if (this.#state === 'content') {
        const size = Math.min(this.#contentLeft, chunk.length - at);
        this.#content(chunk.subarray(at, at + size));
        at += size;
      } else if (this.#state === 'padding') {
        const size = Math.min(this.#paddingLeft, chunk.length - at);
        this.#paddingLeft -= size;
        at += size;
        if (this.#paddingLeft === 0) this.#expectHeader();
      } else {
        const size = Math.min(this.#wantedBytes - this.#gatheredBytes, chunk.length - at);
        this.#gatheredBytes += size;
        const isWhole = this.#gatheredBytes === this.#wantedBytes;
        const part = chunk.subarray(at, at + size);
        // What waits for the next chunk is copied: the chunk's memory belongs to the caller.
        this.#gathered.push(isWhole ? part : Buffer.from(part));
        at += size;
        if (isWhole) this.#gatheredAll();
      }
    }
  }

  /** The stream ended. Throws when that was in the middle of an entry. */
  end(): void {
    const isBetween = this.#state === 'header' && this.#gatheredBytes === 0 && !this.#isAnnounced;
    if (this.#state !== 'ended' && !isBetween) throw new FormatError('read tar: unexpected EOF');
  }

  #gather(state: State, bytes: number): void {
    this.#state = state;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#wantedBytes = bytes;
  }

  #expectHeader(): void {
    this.#gather('header', BLOCK_BYTES);
  }

  #gatheredAll(): void {
    const bytes = this.#gathered.length === 1 ? (this.#gathered[0] as Buffer) : Buffer.concat(this.#gathered);
    if (this.#state === 'header') this.#header(bytes);
    else if (this.#state === 'extension') this.#extension(bytes);
    else if (this.#state === 'gnu-sparse') this.#gnuSparse(bytes);
    else this.#sparseMap(bytes);
  }

  #header(block: Buffer): void {
    if (block.every((byte) => byte === 0)) {
      this.#zeroBlocks++;
      if (this.#isAnnounced) throw new FormatError('read tar: an extended header stands before no entry');
      if (this.#zeroBlocks === 2) this.#state = 'ended';
      else this.#expectHeader();
      return;
    }
    if (this.#zeroBlocks > 0) throw new FormatError('read tar: invalid tar header after a zero block');
    const header = decodeHeader(block);
    if (['x', 'L', 'K', 'g', 'X'].includes(header.typeFlag)) {
      this.#extensionBytes += header.sizeBytes + BLOCK_BYTES;
      if (this.#extensionBytes > MAX_EXTENSION_BYTES) throw new FormatError('read tar: extended headers are too long');
      this.#extensionFlag = header.typeFlag;
      if (header.sizeBytes === 0) this.#extension(Buffer.alloc(0));
      else this.#gather('extension', header.sizeBytes + paddingOf(header.sizeBytes));
      this.#pending = header;
      return;
    }
    this.#pending = header;
    if (header.typeFlag === 'S') {
      this.#sparse = readGnuExtents(block, 'header');
      if (this.#sparse.isExtended) {
        this.#gather('gnu-sparse', BLOCK_BYTES);
        return;
      }
    } else if (this.#pax.has('GNU.sparse.major') || this.#pax.has('GNU.sparse.map')) {
      this.#sparse = parsePaxExtents(this.#pax);
      if (this.#sparse.isExtended) {
        this.#gather('sparse-map', BLOCK_BYTES);
        return;
      }
    }
    this.#begin();
  }

  #extension(padded: Buffer): void {
    const bytes = padded.subarray(
      0,
      this.#pending === undefined ? 0 : Math.min(padded.length, this.#pending.sizeBytes),
    );
    // What a global header says counts for nothing here, apart from its length.
    if (this.#extensionFlag !== 'g') this.#isAnnounced = true;
    if (this.#extensionFlag === 'x' || this.#extensionFlag === 'X') readPax(bytes, this.#pax);
    else if (this.#extensionFlag === 'L') this.#longPath = untilNul(bytes);
    else if (this.#extensionFlag === 'K') this.#longLink = untilNul(bytes);
    this.#expectHeader();
  }

  #gnuSparse(block: Buffer): void {
    const more = readGnuExtents(block, 'extension');
    (this.#sparse as SparseMap).extents.push(...more.extents);
    this.#checkExtents();
    if (more.isExtended) this.#gather('gnu-sparse', BLOCK_BYTES);
    else this.#begin();
  }

  /** PAX sparse 1.0: the map is decimal lines in the first blocks of the content. */
  #sparseMap(block: Buffer): void {
    const map = this.#sparse as SparseMap;
    const isDone = map.readLines(block);
    this.#checkExtents();
    if (isDone) this.#begin();
    else this.#gather('sparse-map', BLOCK_BYTES);
  }

  #checkExtents(): void {
    if ((this.#sparse as SparseMap).extents.length > 100_000) {
      throw new FormatError('read tar: a sparse file has too many extents');
    }
  }

  #begin(): void {
    const raw = this.#pending as RawHeader;
    const pax = this.#pax;
    const type = entryTypes.get(raw.typeFlag);
    if (type === undefined) throw new FormatError(`read tar: unhandled tar header type ${raw.typeFlag.charCodeAt(0)}`);
    const path = pax.get('GNU.sparse.name') ?? pax.get('path') ?? this.#longPath ?? raw.path;
    const hasContent = type === 'file' && !(raw.typeFlag === '0' && path.endsWith('/'));
    const stored = hasContent ? (paxNumber(pax, 'size') ?? raw.sizeBytes) : 0;
    const sizeBytes = this.#sparse?.realSizeBytes ?? stored;
    const entry: TarEntry = {
      type: type === 'file' && !hasContent ? 'directory' : type,
      path,
      linkPath: pax.get('linkpath') ?? this.#longLink ?? raw.linkPath,
      mode: raw.mode & 0o7777,
      uid: paxNumber(pax, 'uid') ?? raw.uid,
      gid: paxNumber(pax, 'gid') ?? raw.gid,
      sizeBytes,
      mtimeSeconds: paxNumber(pax, 'mtime') ?? raw.mtimeSeconds,
      devMajor: raw.devMajor,
      devMinor: raw.devMinor,
      xattrs: xattrsOf(pax),
      ...(this.#sparse === undefined ? {} : { extents: this.#sparse.extents }),
    };
    const contentBytes = stored - (this.#sparse?.mapBytes ?? 0);
    this.#check(entry, contentBytes);
    this.#contentLeft = contentBytes;
    this.#paddingLeft = paddingOf(stored);
    this.#offset = 0;
    this.#extent = 0;
    this.#entries++;
    this.#pax = new Map();
    this.#longPath = undefined;
    this.#longLink = undefined;
    this.#extensionBytes = 0;
    this.#isAnnounced = false;
    this.#sink.entry(entry);
    if (contentBytes === 0) this.#finish();
    else this.#state = 'content';
  }

  #check(entry: TarEntry, contentBytes: number): void {
    if (!Number.isSafeInteger(entry.sizeBytes) || entry.sizeBytes < 0 || contentBytes < 0) {
      throw new FormatError('read tar: the size of an entry is no number');
    }
    const extents = entry.extents;
    if (extents !== undefined) {
      let last = 0;
      let sum = 0;
      for (const [offset, length] of extents) {
        if (offset < last || length < 0 || !Number.isSafeInteger(offset + length)) throw badSparse();
        last = offset + length;
        sum += length;
      }
      if (last > entry.sizeBytes || sum !== contentBytes) throw badSparse();
    }
    if (this.#entries >= this.#limits.maxEntries) throw new FormatError('read tar: too many entries');
    this.#contentBytes += entry.sizeBytes;
    if (this.#contentBytes > this.#limits.maxContentBytes) throw new FormatError('read tar: the content is too large');
    if (entry.path.length > this.#limits.maxPathBytes || entry.linkPath.length > this.#limits.maxPathBytes) {
      throw new FormatError('read tar: a file name is too long');
    }
  }

  #content(bytes: Buffer): void {
    this.#contentLeft -= bytes.length;
    const extents = this.#sparse?.extents;
    if (extents === undefined) {
      this.#sink.data(bytes, this.#offset);
      this.#offset += bytes.length;
    } else this.#sparseContent(bytes, extents);
    if (this.#contentLeft === 0) this.#finish();
  }

  /** `#offset` counts stored bytes: find the extents that they belong to, first the one that is being filled. */
  #sparseContent(bytes: Buffer, extents: SparseMap['extents']): void {
    let at = 0;
    while (at < bytes.length) {
      const extent = extents[this.#extent] as readonly [number, number];
      const size = Math.min(extent[1] - this.#offset, bytes.length - at);
      if (size > 0) this.#sink.data(bytes.subarray(at, at + size), extent[0] + this.#offset);
      at += size;
      this.#offset += size;
      if (this.#offset === extent[1]) {
        this.#extent++;
        this.#offset = 0;
      }
    }
  }

  #finish(): void {
    this.#sparse = undefined;
    this.#sink.end();
    if (this.#paddingLeft > 0) this.#state = 'padding';
    else this.#expectHeader();
  }
}

function xattrsOf(pax: PaxRecords): Map<string, Buffer> {
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of pax) {
    if (key.startsWith(XATTR_PREFIX)) xattrs.set(key.slice(XATTR_PREFIX.length), Buffer.from(value, 'latin1'));
  }
  return xattrs;
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
}

function badSparse(): FormatError {
  return new FormatError('read tar: the map of a sparse file is wrong');
}
