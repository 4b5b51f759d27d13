// Which sources of ADD are archives, and their bytes. As with BuildKit the bytes are asked, of whatever packing: an archive is what begins with a
// tar's header once it is unpacked.
import { closeSync, constants, createReadStream, fstatSync, openSync, read } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import { promisify } from 'node:util';
import { O, RESOLVE } from '../../../../native-bindings/constants.ts';
import { isErrno } from '../../../../native-bindings/errno.ts';
import { closeFd, openat2 } from '../../../../native-bindings/files.ts';
import { type ByteSource, compressionOf, decompressed } from '../../../jail/decoding/decompress.ts';
import { FormatError } from '../../../protocols/format-error.ts';
import { BLOCK_BYTES } from '../../../protocols/tar/tar-entry.ts';
import { decodeHeader } from '../../../protocols/tar/tar-header.ts';

const readFd = promisify(read);

export interface Archive extends Disposable {
  readonly bytes: ByteSource;
}

/** undefined: it is none, or has gone, or the signal came. Only a plain file is opened, below `rootFd` whatever links there are. */
export async function openArchive(rootFd: number, path: string, signal: AbortSignal): Promise<Archive | undefined> {
  if (!(await isArchive(rootFd, path, signal))) return undefined;
  const opened = await openBytes(rootFd, path);
  if (opened === undefined) return undefined;
  return { bytes: opened, [Symbol.dispose]: () => opened.release() };
}

async function isArchive(rootFd: number, path: string, signal: AbortSignal): Promise<boolean> {
  // Most are none, and not packed either: their first bytes say so, and no stream is made.
  const start = await firstBlock(rootFd, path);
  if (compressionOf(start) === 'none') return isHeader(start);
  const source = await openBytes(rootFd, path);
  if (source === undefined) return false;
  try {
    return isHeader(await startOf(source, signal));
  } finally {
    source.release();
  }
}

function isHeader(start: Buffer): boolean {
  if (start.length < BLOCK_BYTES || start.every((byte) => byte === 0)) return false;
  try {
    decodeHeader(start);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** Empty: it is no file, or has gone. */
async function firstBlock(rootFd: number, path: string): Promise<Buffer> {
  const fd = openFile(rootFd, path);
  if (fd === undefined) return Buffer.alloc(0);
  try {
    const { bytesRead, buffer } = await readFd(fd, Buffer.alloc(BLOCK_BYTES), 0, BLOCK_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    closeSync(fd);
  }
}

/** What a decoder refuses is no archive: it is copied as it is. */
async function startOf(source: ByteSource, signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of addAbortSignal(signal, source.stream)) {
      parts.push(part as Buffer);
      bytes += (part as Buffer).length;
      if (bytes >= BLOCK_BYTES) break;
    }
  } catch {
    return Buffer.alloc(0);
  }
  return Buffer.concat(parts).subarray(0, BLOCK_BYTES);
}

async function openBytes(rootFd: number, path: string): Promise<ByteSource | undefined> {
  const fd = openFile(rootFd, path);
  if (fd === undefined) return undefined;
  const file = createReadStream('', { fd, highWaterMark: 512 * 1024 });
  const bytes = await decompressed(file);
  return {
    get stream() {
      return bytes.stream;
    },
    memoryBytes: bytes.memoryBytes,
    ...(bytes.programBytes === undefined ? {} : { programBytes: bytes.programBytes }),
    ...(bytes.signal === undefined ? {} : { signal: bytes.signal }),
    release: () => {
      bytes.release();
      file.destroy();
    },
  };
}

function openFile(rootFd: number, path: string): number | undefined {
  let handle: number | undefined;
  try {
    handle = openat2(rootFd, path, { flags: O.PATH, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS });
    if (!fstatSync(handle).isFile()) return undefined;
    return openSync(`/proc/self/fd/${handle}`, constants.O_RDONLY);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  } finally {
    if (handle !== undefined) closeFd(handle);
  }
}
