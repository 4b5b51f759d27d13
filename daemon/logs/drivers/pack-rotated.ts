// Packs the files of a log that rotation has finished, while the container runs. The monitor never waits for it: where it writes faster than
// is packed, it deletes the oldest as ever. What was not packed when a run or a daemon ended is at the next.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { LogWriter } from '../reader/log-writer.ts';
import type { LogRun } from './log-driver.ts';

/** Keeps `maxFiles` files, packed and plain together, which is what the monitor keeps of plain ones. */
export function packRotated({ directory, writer, onError }: LogRun, maxFiles: number): void {
  let newest = -1;
  let isAtWork = false;
  const work = async () => {
    if (isAtWork) return;
    isAtWork = true;
    try {
      let seen: number;
      do {
        seen = newest;
        await packBelow(directory, seen, maxFiles, writer);
      } while (newest !== seen);
    } catch (error) {
      // Gone: the container was removed. Anything else leaves the file as it is, to be read and to be tried again.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onError(error);
    } finally {
      isAtWork = false;
    }
  };
  const stopLog = writer.onLog(({ seq }) => {
    if (seq === newest) return;
    newest = seq;
    void work();
  });
  const stopEnd = writer.onEnd(() => {
    stopLog();
    stopEnd();
  });
}

async function packBelow(directory: string, newest: number, maxFiles: number, writer: LogWriter): Promise<void> {
  const names = await readdir(directory);
  // As the monitor, which deletes nothing that is held.
  const isOld = (seq: number) => seq <= newest - maxFiles && seq < writer.heldSeq;
  const sequences = (pattern: RegExp) => names.flatMap((name) => Number(pattern.exec(name)?.[1] ?? [])).sort(byNumber);
  const remove = (name: string) => rm(join(directory, name), { force: true });
  for (const name of names) if (/^log\.\d{1,10}\.gz\.[0-9a-f]+$/.test(name)) await remove(name);
  for (const seq of sequences(/^log\.(\d{1,10})\.gz$/)) if (isOld(seq)) await remove(`log.${seq}.gz`);
  for (const seq of sequences(/^log\.(\d{1,10})$/)) {
    if (isOld(seq)) await remove(`log.${seq}`);
    else if (seq < newest) await pack(directory, seq);
  }
}

/** Whole and on the disk before its name is there, and there before the plain one goes: a reader finds one of them at any moment. */
async function pack(directory: string, seq: number): Promise<void> {
  const path = join(directory, `log.${seq}`);
  let source: FileHandle;
  try {
    source = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    // The monitor has deleted it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  // Of another run's packer, which may be at work still, it is another.
  const draft = `${path}.gz.${randomBytes(4).toString('hex')}`;
  try {
    const target = await open(draft, 'w', 0o600);
    try {
      await pipeline(source.createReadStream({ autoClose: false }), createGzip(), (packed) => writeAll(target, packed));
      await target.sync();
    } finally {
      await target.close();
    }
    await rename(draft, `${path}.gz`);
    await rm(path, { force: true });
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    await source.close();
  }
}

async function writeAll(target: FileHandle, pieces: AsyncIterable<Buffer>): Promise<void> {
  for await (const piece of pieces) await target.writeFile(piece);
}

function byNumber(a: number, b: number): number {
  return a - b;
}
