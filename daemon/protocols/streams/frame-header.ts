// The header of docker's multiplexed streams: 8 bytes (stream, 0, 0, 0, length of the payload in big endian), so that stdout and stderr can
// share a connection.

export const FRAME_HEADER_BYTES = 8;

/** Docker's numbers: 1 stdout, 2 stderr, 3 a message of the engine itself. */
export type StreamNumber = 1 | 2 | 3;

export function writeFrameHeader(into: Buffer, at: number, stream: StreamNumber, lengthBytes: number): void {
  into.writeUInt32BE(stream << 24, at);
  into.writeUInt32BE(lengthBytes, at + 4);
}

/** A frame whose header was written already gets longer. */
export function growFrame(into: Buffer, at: number, byBytes: number): void {
  into.writeUInt32BE(into.readUInt32BE(at + 4) + byBytes, at + 4);
}

/** `stream` may be any number: 0 is what some writers call stdin. */
export function readFrameHeader(header: Buffer): { stream: number; lengthBytes: number } {
  return { stream: header.readUInt8(0), lengthBytes: header.readUInt32BE(4) };
}
