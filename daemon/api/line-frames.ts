// For clients to which a frame of the logs is a line, as it is with Docker (docker-py iterates over frames): cuts chunks at line ends and
// joins what was written in pieces, up to Docker's 16 KiB.
import type { OutputChunk } from '../containers/container-service.ts';
import type { Output } from './stream-framing.ts';

const partBytes = 16 * 1024;
const lineEnd = 0x0a;

export async function* lineFrames(output: Output): AsyncGenerator<readonly OutputChunk[]> {
  const rest = new Map<1 | 2, Buffer>();
  for await (const item of output) {
    const lines: OutputChunk[] = [];
    for (const chunk of Array.isArray(item) ? (item as readonly OutputChunk[]) : [item as OutputChunk]) {
      const before = rest.get(chunk.stream);
      const data = before === undefined ? chunk.data : Buffer.concat([before, chunk.data]);
      const left = cut(chunk.stream, data, lines);
      if (left === undefined) rest.delete(chunk.stream);
      // Copied: a chunk's memory is the source's again when the next is asked for.
      else rest.set(chunk.stream, Buffer.from(left));
    }
    yield lines;
  }
  yield [...rest].map(([stream, data]) => ({ stream, data }));
}

/** Adds the whole lines to `lines` and returns what is left over. */
function cut(stream: 1 | 2, data: Buffer, lines: OutputChunk[]): Buffer | undefined {
  let start = 0;
  while (start < data.length) {
    const found = data.indexOf(lineEnd, start);
    const isLine = found >= 0 && found - start < partBytes;
    if (!isLine && data.length - start < partBytes) return data.subarray(start);
    const end = isLine ? found + 1 : start + partBytes;
    lines.push({ stream, data: data.subarray(start, end) });
    start = end;
  }
  return undefined;
}
