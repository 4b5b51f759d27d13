// The framing of output without a terminal: 8 bytes (stream, 0, 0, 0, length big endian), then the payload.

export interface Output {
  stdout: string;
  stderr: string;
}

export interface Frame {
  stream: number;
  data: Buffer;
}

export function splitFrames(bytes: Buffer): { frames: Frame[]; rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (at + 8 <= bytes.length) {
    const length = bytes.readUInt32BE(at + 4);
    if (at + 8 + length > bytes.length) break;
    frames.push({ stream: bytes[at] ?? 0, data: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** Throws when bytes are left over: a torn frame is a fault. */
export function readFrames(bytes: Buffer): Output {
  const { frames, rest } = splitFrames(bytes);
  if (rest.length > 0) throw new Error(`${rest.length} bytes after the last whole frame`);
  const of = (stream: number) => Buffer.concat(frames.filter((f) => f.stream === stream).map((f) => f.data)).toString();
  const strange = frames.find((f) => f.stream !== 1 && f.stream !== 2);
  if (strange !== undefined) throw new Error(`a frame of stream ${strange.stream}`);
  return { stdout: of(1), stderr: of(2) };
}
