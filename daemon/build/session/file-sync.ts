// A directory of a client by FileSync.DiffCopy: its entries come as a list, which is compared with what was kept of it, and only the files that changed
// are asked for. They become an archive for the jail: no name that came from the client is opened here.
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import {
  type ContextEntry,
  compareContextPaths,
  encodeContextEntry,
} from '../../protocols/context-list/context-entry.ts';
import type { ContextOffer } from '../../protocols/context-list/context-offer.ts';
import {
  decodeFilePacket,
  encodeFilePacket,
  type FilePacket,
  type FileStat,
  kindOfGoMode,
  permissionsOfGoMode,
} from '../../protocols/grpc/file-sync-messages.ts';
import { sessionMethods } from '../../protocols/grpc/session-messages.ts';
import { toBytes } from '../../protocols/tar/tar-entry.ts';
import { encodeEntry, endOfArchive, paddingOf } from '../../protocols/tar/tar-header.ts';
import type { KeptContexts } from '../contexts/kept-contexts.ts';
import type { DirectoryResult } from '../steps/step.ts';
import type { GrpcCall, GrpcConnection } from './grpc-connection.ts';

export type DirectoryReceiver = Pick<KeptContexts, 'offer' | 'take'>;

export interface WantedDirectory {
  readonly name: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly followPaths: readonly string[];
}

/** A file of the list, by the number that its bytes are asked for with. */
interface SentFile {
  readonly id: number;
  /** A byte string. */
  readonly path: string;
  readonly sizeBytes: number;
}

interface FileState {
  readonly file: SentFile;
  /** Bytes that have to come. */
  left: number;
  readonly pieces: Buffer[];
}

const MAX_ENTRIES = 1_000_000;
/** Of all files together, which are in memory until the last one has come. */
const MAX_PATHS_BYTES = 64 * 1024 * 1024;
/** Small files are asked for together. */
const GROUP_FILES = 64;
const GROUP_BYTES = 1024 * 1024;
/** Of the list, before it waits for who reads it. */
const LIST_BYTES = 64 * 1024;

/** Throws GrpcFailed (NOT_FOUND: the client has none of that name), 'invalid' for what cannot be a directory, and the signal's reason. */
export async function syncDirectory(
  connection: GrpcConnection,
  receiver: DirectoryReceiver,
  sharedKey: string,
  wanted: WantedDirectory,
  signal: AbortSignal,
): Promise<DirectoryResult> {
  const call = connection.open(sessionMethods.diffCopy, { metadata: metadataOf(wanted), signal });
  try {
    const packets = packetsOf(call);
    const { offer, files } = await receiveList(packets, receiver, keyOf(sharedKey, wanted), signal);
    const needed = offer.needed.flatMap(([first, count]) => files.slice(first, first + count));
    const directory = await receiveFiles(call, packets, needed, (archive) =>
      receiver.take(offer.update, archive, { signal }),
    );
    try {
      await farewell(call, packets);
    } catch (error) {
      directory[Symbol.dispose]();
      throw error;
    }
    return directory;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    call.destroy();
  }
}

function keyOf(sharedKey: string, wanted: WantedDirectory): string {
  return createHash('sha256')
    .update(JSON.stringify([sharedKey, wanted]))
    .digest('hex');
}

/** Values that are no ASCII are encoded as in a URL, which a second header says. */
export function metadataOf({
  name,
  include,
  exclude,
  followPaths,
}: WantedDirectory): Record<string, readonly string[]> {
  const metadata: Record<string, readonly string[]> = {};
  const add = (key: string, values: readonly string[]): void => {
    if (values.length === 0) return;
    const isPlain = values.every((value) => /^[\x20-\x7e]*$/.test(value));
    metadata[key] = isPlain ? values : values.map((value) => encodeURIComponent(value).replace(/%20/g, '+'));
    if (!isPlain) metadata[`${key}-encoded`] = ['1'];
  };
  add('dir-name', [name]);
  add('include-patterns', include);
  add('exclude-patterns', exclude);
  add('followpaths', followPaths);
  return metadata;
}

async function* packetsOf(call: GrpcCall): AsyncGenerator<FilePacket> {
  for await (const message of call) {
    const packet = decodeFilePacket(message as Buffer);
    if (packet?.kind === 'error')
      throw new EngineError('invalid', `read directory of the client: ${packet.message.slice(0, 1000)}`);
    if (packet !== undefined) yield packet;
  }
}

async function receiveList(
  packets: AsyncGenerator<FilePacket>,
  receiver: DirectoryReceiver,
  key: string,
  signal: AbortSignal,
): Promise<{ offer: ContextOffer; files: SentFile[] }> {
  const list = new PassThrough({ highWaterMark: LIST_BYTES });
  list.on('error', () => undefined);
  const offering = receiver.offer(key, list, signal);
  let refused: unknown;
  // It may be refused in the middle: then nobody reads on.
  const settled = offering.then(
    () => undefined,
    (error: Error) => {
      refused = error;
      list.destroy(error);
    },
  );
  try {
    const files = await writeList(packets, list);
    list.end();
    return { offer: await offering, files };
  } catch (error) {
    // Why it was refused says more than that the list broke off.
    const reason = refused ?? error;
    list.destroy();
    await settled;
    throw reason;
  }
}

async function writeList(packets: AsyncGenerator<FilePacket>, list: PassThrough): Promise<SentFile[]> {
  const files: SentFile[] = [];
  let pathsBytes = 0;
  for (let id = 0; ; id++) {
    const next = await packets.next();
    if (next.done) throw cutOff();
    // Nothing was asked for yet.
    if (next.value.kind !== 'stat')
      throw new EngineError('invalid', `read directory of the client: ${next.value.kind} in its list`);
    const { stat } = next.value;
    if (stat === undefined) return files;
    if (id >= MAX_ENTRIES) throw new EngineError('invalid', 'read directory of the client: it has too many entries');
    const entry = entryOf(stat, files);
    if (entry === undefined) continue;
    if (entry.kind === 'file') {
      pathsBytes += entry.path.length;
      if (pathsBytes > MAX_PATHS_BYTES)
        throw new EngineError(
          'invalid',
          `read directory of the client: the paths of its files have more than ${MAX_PATHS_BYTES} bytes`,
        );
      files.push({ id, path: entry.path, sizeBytes: entry.sizeBytes });
    }
    if (!list.write(`${encodeContextEntry(entry)}\n`)) await drained(list);
  }
}

/** `files`: those before it. undefined: it is nothing that a build can have. */
function entryOf(stat: FileStat, files: readonly SentFile[]): ContextEntry | undefined {
  const { uid, gid, linkName } = stat;
  const path = toBytes(stat.path);
  const mode = permissionsOfGoMode(stat.mode);
  const common = { path, mode, uid, gid, mtimeNs: String(stat.mtimeNs) };
  const kind = kindOfGoMode(stat.mode);
  if (kind === 'socket') return undefined;
  if (kind === 'device')
    throw new EngineError('not-implemented', `read directory of the client: ${stat.path.slice(0, 200)} is a device`);
  if (kind === 'symlink') return { ...common, kind, target: toBytes(linkName) };
  if (kind !== 'file') return { ...common, kind };
  // Another name of a file comes without its size.
  const sizeBytes = linkName === '' ? Number(stat.sizeBytes) : sizeOf(files, toBytes(linkName));
  if (sizeBytes === undefined)
    throw new EngineError(
      'invalid',
      `read directory of the client: ${stat.path.slice(0, 200)} links to what is not there`,
    );
  return { ...common, kind, sizeBytes, stamp: linkName === '' ? '' : 'link' };
}

/** They come in order: whoever reads the list refuses another one. */
function sizeOf(files: readonly SentFile[], path: string): number | undefined {
  let low = 0;
  for (let high = files.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (compareContextPaths(files[middle]?.path ?? '', path) < 0) low = middle + 1;
    else high = middle;
  }
  return files[low]?.path === path ? files[low]?.sizeBytes : undefined;
}

async function receiveFiles(
  call: GrpcCall,
  packets: AsyncGenerator<FilePacket>,
  files: readonly SentFile[],
  take: (archive: PassThrough) => Promise<DirectoryResult>,
): Promise<DirectoryResult> {
  const archive = new PassThrough();
  archive.on('error', () => undefined);
  const taking = take(archive);
  // It may be refused in the middle: then nothing more has to come.
  taking.catch((error: Error) => {
    archive.destroy(error);
    call.destroy(error);
  });
  try {
    for (let at = 0; at < files.length; ) {
      const group = groupFrom(files, at);
      at += group.length;
      await receiveGroup(call, packets, group, archive);
    }
    archive.end(endOfArchive());
    return await taking;
  } catch (error) {
    archive.destroy(error as Error);
    // What is half made goes first.
    const made = await taking.catch(() => undefined);
    made?.[Symbol.dispose]();
    throw error;
  }
}

function groupFrom(files: readonly SentFile[], at: number): SentFile[] {
  const group: SentFile[] = [];
  let bytes = 0;
  for (let i = at; i < files.length && group.length < GROUP_FILES; i++) {
    const file = files[i] as SentFile;
    bytes += file.sizeBytes;
    if (group.length > 0 && bytes > GROUP_BYTES) break;
    group.push(file);
  }
  return group;
}

/** One of any size, or several that fit into memory, whose pieces may come mixed. */
async function receiveGroup(
  call: GrpcCall,
  packets: AsyncGenerator<FilePacket>,
  group: readonly SentFile[],
  archive: PassThrough,
): Promise<void> {
  const states = group.map((file): FileState => ({ file, left: file.sizeBytes, pieces: [] }));
  const open = new Map(states.map((state) => [state.file.id, state]));
  for (const { id } of group) call.write(encodeFilePacket({ kind: 'request', id }));
  const [only] = group.length === 1 ? group : [];
  if (only !== undefined) await write(archive, headOf(only));
  while (open.size > 0) {
    const next = await packets.next();
    if (next.done) throw cutOff();
    if (next.value.kind !== 'data')
      throw new EngineError('invalid', `read directory of the client: ${next.value.kind} between files`);
    const { id, data } = next.value;
    const one = open.get(id);
    if (one === undefined)
      throw new EngineError('invalid', 'read directory of the client: a file that was not asked for');
    if (data.length === 0) {
      if (one.left > 0)
        throw new EngineError(
          'invalid',
          `read directory of the client: ${one.file.path.slice(0, 200)} changed while it was sent`,
        );
      open.delete(id);
      if (only === undefined) continue;
      await write(archive, Buffer.alloc(paddingOf(only.sizeBytes)));
    } else {
      // What was written to its end since is left out.
      const piece = data.subarray(0, one.left);
      one.left -= piece.length;
      if (only === undefined) one.pieces.push(Buffer.from(piece));
      else await write(archive, piece);
    }
  }
  if (only !== undefined) return;
  for (const { file, pieces } of states) {
    await write(archive, Buffer.concat([headOf(file), ...pieces, Buffer.alloc(paddingOf(file.sizeBytes))]));
  }
}

function headOf({ path, sizeBytes }: SentFile): Buffer {
  return encodeEntry({
    type: 'file',
    path,
    linkPath: '',
    mode: 0,
    uid: 0,
    gid: 0,
    sizeBytes,
    mtimeSeconds: 0,
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  });
}

async function write(archive: PassThrough, bytes: Buffer): Promise<void> {
  if (bytes.length > 0 && !archive.write(bytes)) await drained(archive);
}

function drained(stream: PassThrough): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      stream.off('drain', settle).off('close', settle);
      if (stream.destroyed) reject(stream.errored ?? cutOff());
      else resolve();
    };
    stream.on('drain', settle).on('close', settle);
    if (stream.destroyed) settle();
  });
}

/** Both say that they are done, so that the client's call ends well. */
async function farewell(call: GrpcCall, packets: AsyncGenerator<FilePacket>): Promise<void> {
  call.write(encodeFilePacket({ kind: 'end' }));
  for (let next = await packets.next(); !next.done; next = await packets.next()) if (next.value.kind === 'end') break;
  call.end();
}

function cutOff(): EngineError {
  return new EngineError('invalid', 'read directory of the client: it was cut off');
}
