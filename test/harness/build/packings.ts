// Packings that Node does not make itself.
import { execFileSync } from 'node:child_process';

const pack = (command: string, data: Uint8Array) => execFileSync(command, ['-c'], { input: data, maxBuffer: 1 << 28 });

export const bzip2 = (data: Uint8Array): Buffer => pack('bzip2', data);
export const xz = (data: Uint8Array): Buffer => pack('xz', data);
