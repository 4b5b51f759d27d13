// The size of the terminal behind a file descriptor.
import { isTerminal } from './output.ts';

export interface WindowSize {
  rows: number;
  columns: number;
}

/** Undefined when the descriptor is no terminal. Asks the kernel at every call. */
export function windowSize(fd: number): WindowSize | undefined {
  if (!isTerminal(fd)) return undefined;
  // tty.WriteStream only wraps the descriptor here; it is not closed, since descriptors 0 to 2 belong to the process.
  const stream = streamFor(fd);
  const [columns, rows] = stream.getWindowSize();
  return { rows, columns };
}

function streamFor(fd: number): import('node:tty').WriteStream {
  if (fd === 1) return process.stdout as import('node:tty').WriteStream;
  if (fd === 2) return process.stderr as import('node:tty').WriteStream;
  const { WriteStream } = process.getBuiltinModule('node:tty');
  const stream = new WriteStream(fd);
  stream.unref();
  return stream;
}
