// Entries of an OCI image layout that goes out as an archive. Nothing in it depends on when it is made.
import type { Readable } from 'node:stream';
import type { Descriptor } from '../../content/digest.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { encodeEntry, paddingOf } from '../../protocols/tar/tar-header.ts';

/** Throws when there are more or fewer bytes than the descriptor says. */
export async function* blob({ digest, size }: Descriptor, bytes: Readable): AsyncGenerator<Buffer> {
  yield header(blobPath(digest), size);
  let sent = 0;
  for await (const chunk of bytes) {
    sent += (chunk as Buffer).length;
    if (sent > size) break;
    yield chunk as Buffer;
  }
  if (sent !== size)
    throw new EngineError('system', `read ${digest}: it does not have the ${size} bytes that were recorded`);
  yield Buffer.alloc(paddingOf(size));
}

export function blobPath(digest: string): string {
  return `blobs/sha256/${digest.replace('sha256:', '')}`;
}

export function json(name: string, value: object): Buffer {
  return file(name, Buffer.from(JSON.stringify(value)));
}

export function file(name: string, bytes: Buffer): Buffer {
  return Buffer.concat([header(name, bytes.length), bytes, Buffer.alloc(paddingOf(bytes.length))]);
}

function header(path: string, sizeBytes: number): Buffer {
  return encodeEntry({ ...entry, type: 'file', path, sizeBytes, mode: 0o644 });
}

export function directory(path: string): Buffer {
  return encodeEntry({ ...entry, type: 'directory', path, mode: 0o755 });
}

/** Nothing in it depends on when it is made: the same images, the same archive. */
const entry = {
  linkPath: '',
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtimeSeconds: 0,
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map(),
};
