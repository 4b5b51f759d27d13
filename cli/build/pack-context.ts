// Files of a build's context as a tar.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { EntryType } from '../../daemon/protocols/tar/tar-entry.ts';
import { fromBytes, type TarEntry } from '../../daemon/protocols/tar/tar-entry.ts';
import { encodeEntry, endOfArchive, paddingOf } from '../../daemon/protocols/tar/tar-header.ts';
import { type ContextFile, unreadable } from './context-files.ts';

const readBytes = 1 << 20;

export async function* packContext(files: Iterable<ContextFile>): AsyncGenerator<Buffer> {
  for (const { entry, from } of files) {
    if (entry.kind !== 'file') yield encodeEntry(tarEntry(entry));
    else {
      yield encodeEntry({ ...tarEntry(entry), sizeBytes: entry.sizeBytes });
      if (typeof from === 'string') yield* content(from, entry.sizeBytes);
      else yield from;
      if (paddingOf(entry.sizeBytes) > 0) yield Buffer.alloc(paddingOf(entry.sizeBytes));
    }
  }
  yield endOfArchive();
}

/** So many bytes, whatever becomes of the file meanwhile: the archive stays whole. */
async function* content(path: string, sizeBytes: number): AsyncGenerator<Buffer> {
  const handle = await open(fromBytes(path), constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  try {
    let missing = sizeBytes;
    while (missing > 0) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(Math.min(readBytes, missing)));
      if (bytesRead === 0) break;
      missing -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    for (; missing > 0; missing -= Math.min(missing, readBytes)) yield Buffer.alloc(Math.min(missing, readBytes));
  } finally {
    await handle.close();
  }
}

const types: Record<ContextFile['entry']['kind'], EntryType> = {
  file: 'file',
  directory: 'directory',
  symlink: 'symlink',
  fifo: 'fifo',
};

function tarEntry(entry: ContextFile['entry']): TarEntry {
  const { kind, path, mode, uid, gid, mtimeNs } = entry;
  return {
    path: kind === 'directory' ? `${path}/` : path,
    type: types[kind],
    mode,
    uid,
    gid,
    sizeBytes: 0,
    mtimeSeconds: Number(BigInt(mtimeNs) / 1_000_000n) / 1000,
    linkPath: kind === 'symlink' ? entry.target : '',
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  };
}
