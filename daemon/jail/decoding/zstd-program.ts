// The entry of a process that unpacks zstd with a large window: up to 128 MB are its own then, not the daemon's, and gone when it ends. Packed bytes
// on standard input, plain ones on standard output; the argument is the window that it may use, as an exponent of two. It has no rights.
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { ZstdFrames } from './zstd-frames.ts';
import { zstdOptions } from './zstd-window.ts';

const NOBODY = 65_534;
const CHUNK_BYTES = 256 * 1024;

if (process.getuid?.() === 0) {
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
}
const decoder = createZstdDecompress({ chunkSize: CHUNK_BYTES, ...zstdOptions(Number(process.argv[2])) });
pipeline(process.stdin, new ZstdFrames(), decoder, process.stdout).catch((error: Error) => {
  process.stderr.write(error.message);
  process.exitCode = 1;
});
