// For clients to which a frame of the logs is a line, as it is with Docker (docker-py iterates over frames): cuts chunks at line ends and
// joins what was written in pieces, up to Docker's 16 KiB.
import type { OutputChunk } from '../../containers/container-service.ts';
import type { FramedChunk, Output } from './stream-framing.ts';

const partBytes = 16 * 1024;
const lineEnd = 0x0a;

export async function* lineFrames(output: Output): AsyncGenerator<readonly FramedChunk[]> {
  const rest = new Map<1 | 2, Buffer>();
  for await (const item of output) {
    const framed: FramedChunk[] = [];
    for (const { stream, data } of Array.isArray(item) ? (item as readonly OutputChunk[]) : [item as OutputChunk]) {
      const before = rest.get(stream);
      const bytes = before === undefined ? data : Buffer.concat([before, data]);
      const frameEnds = endsOfFrames(bytes);
      const used = frameEnds.at(-1) ?? 0;
      if (used > 0) framed.push({ stream, data: bytes, frameEnds });
      if (used === bytes.length) rest.delete(stream);
      // Copied: a chunk's memory is the source's again when the next is asked for.
      else rest.set(stream, Buffer.from(bytes.subarray(used)));
    }
    yield framed;
  }
  yield [...rest].map(([stream, data]) => ({ stream, data }));
}

/** Behind each whole line, and behind each part of one that is too long. */
function endsOfFrames(bytes: Buffer): number[] {
  const ends: number[] = [];
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(lineEnd, start);
    const isLine = found >= 0 && found - start < partBytes;
    if (!isLine && bytes.length - start < partBytes) break;
    start = isLine ? found + 1 : start + partBytes;
    ends.push(start);
  }
  return ends;
}
