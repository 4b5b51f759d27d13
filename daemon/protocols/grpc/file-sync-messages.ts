// The packets of FileSync.DiffCopy (tonistiigi/fsutil, types/*.proto): the sender's entries, sorted, ended by an empty one; requests by an entry's number;
// its bytes, ended by an empty piece. And Go's file modes (io/fs.FileMode).
import { ProtobufMessage, writeMessage } from './protobuf.ts';

export interface FileStat {
  /** As text: relative, with slashes. */
  readonly path: string;
  /** Go's. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: bigint;
  /** Since 1970. */
  readonly mtimeNs: bigint;
  /** Target of a symbolic link; of a file: the earlier name that it is a hard link to. */
  readonly linkName: string;
}

export type FilePacket =
  | { readonly kind: 'stat'; readonly stat: FileStat | undefined }
  | { readonly kind: 'request'; readonly id: number }
  | { readonly kind: 'data'; readonly id: number; readonly data: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'error'; readonly message: string };

const STAT = 0;
const REQUEST = 1;
const DATA = 2;
const END = 3;
const ERROR = 4;

export function encodeFilePacket(packet: FilePacket): Buffer {
  switch (packet.kind) {
    case 'stat':
      return writeMessage({ 1: STAT, ...(packet.stat === undefined ? {} : { 2: encodeStat(packet.stat) }) });
    case 'request':
      return writeMessage({ 1: REQUEST, 3: packet.id });
    case 'data':
      return writeMessage({ 1: DATA, 3: packet.id, 4: packet.data });
    case 'end':
      return writeMessage({ 1: END });
    case 'error':
      return writeMessage({ 1: ERROR, 4: packet.message });
  }
}

/** Throws FormatError; undefined for a kind that is not known. */
export function decodeFilePacket(message: Buffer): FilePacket | undefined {
  const fields = new ProtobufMessage(message);
  switch (fields.count(1)) {
    case STAT:
      return { kind: 'stat', stat: fields.has(2) ? decodeStat(fields.bytes(2)) : undefined };
    case REQUEST:
      return { kind: 'request', id: fields.count(3) };
    case DATA:
      return { kind: 'data', id: fields.count(3), data: fields.bytes(4) };
    case END:
      return { kind: 'end' };
    case ERROR:
      return { kind: 'error', message: fields.text(4) };
    default:
      return undefined;
  }
}

function encodeStat(stat: FileStat): Buffer {
  const { path, mode, uid, gid, sizeBytes, mtimeNs, linkName } = stat;
  return writeMessage({ 1: path, 2: mode, 3: uid, 4: gid, 5: sizeBytes, 6: mtimeNs, 7: linkName });
}

function decodeStat(message: Buffer): FileStat {
  const fields = new ProtobufMessage(message);
  return {
    path: fields.text(1),
    mode: fields.count(2),
    uid: fields.count(3),
    gid: fields.count(4),
    sizeBytes: fields.integer(5),
    mtimeNs: fields.integer(6),
    linkName: fields.text(7),
  };
}

const kindBits = [
  ['directory', 2 ** 31],
  ['symlink', 2 ** 27],
  ['device', 2 ** 26],
  ['fifo', 2 ** 25],
  ['socket', 2 ** 24],
] as const;

/** What a mode of Go's says a file is. */
export function kindOfGoMode(mode: number): 'file' | (typeof kindBits)[number][0] {
  return kindBits.find(([, bit]) => Math.floor(mode / bit) % 2 === 1)?.[0] ?? 'file';
}

/** The lower twelve bits of st_mode. */
export function permissionsOfGoMode(mode: number): number {
  const has = (bit: number): boolean => Math.floor(mode / 2 ** bit) % 2 === 1;
  return (mode & 0o777) | (has(23) ? 0o4000 : 0) | (has(22) ? 0o2000 : 0) | (has(20) ? 0o1000 : 0);
}
