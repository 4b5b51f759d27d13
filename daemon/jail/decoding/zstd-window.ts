// How much memory a zstd frame asks of its decoder (RFC 8878, 3.1.1.1): up to 128 MB, for a few bytes on the wire.
import { constants } from 'node:zlib';

const FRAME_MAGIC = 0xfd2fb528;
/** What every decoder should take, and more than packers use without being asked to. */
const USUAL_WINDOW_LOG = 23;
/** What is decoded in this process; for larger ones there is a program. */
const LARGE_WINDOW_LOG = 24;
/** The decoder's own limit. */
export const MAX_WINDOW_LOG = 27;
/** Of a frame's header. */
export const ZSTD_HEADER_BYTES = 18;

/** Of the first frame, as an exponent of two between 23 and 27. Later frames get no more. */
export function zstdWindowLog(start: Buffer): number {
  const log = Math.ceil(Math.log2(windowBytes(start)));
  return Math.min(Math.max(log, USUAL_WINDOW_LOG), MAX_WINDOW_LOG);
}

export function isLargeWindow(windowLog: number): boolean {
  return windowLog > LARGE_WINDOW_LOG;
}

export function zstdOptions(windowLog: number) {
  return { params: { [constants.ZSTD_d_windowLogMax]: windowLog } };
}

function windowBytes(start: Buffer): number {
  if (start.length < 6 || start.readUInt32LE() !== FRAME_MAGIC) return 1;
  const descriptor = start[4] as number;
  const byte = start[5] as number;
  if ((descriptor & 0x20) === 0) {
    const base = 2 ** (10 + (byte >> 3));
    return base + (base / 8) * (byte & 7);
  }
  // A single segment: the window is the content.
  const at = 5 + ([0, 1, 2, 4][descriptor & 3] as number);
  const sizeBytes = [1, 2, 4, 8][descriptor >> 6] as number;
  if (start.length < at + sizeBytes) return 1;
  if (sizeBytes === 8) return Number(start.readBigUInt64LE(at));
  return start.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
}
