// What an ELF file for 64-bit little-endian machines asks of the system that loads it: read from the file, so that no tool is needed.
import { readFileSync } from 'node:fs';

export interface ElfNeeds {
  machine: 'x64' | 'arm64' | 'other';
  /** The program interpreter; undefined for a library and for a static program. */
  interpreter: string | undefined;
  /** DT_NEEDED, in the file's order. */
  libraries: string[];
  /** Versions of symbols by library: `libc.so.6` → [`GLIBC_2.2.5`, …]. */
  versions: Map<string, string[]>;
}

const PT_INTERP = 3;
const DT_NEEDED = 1;
const SHT_DYNAMIC = 6;
const SHT_GNU_VERNEED = 0x6ffffffe;

/** Throws when it is no ELF file of this kind. */
export function readElf(path: string): ElfNeeds {
  const file = readFileSync(path);
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) throw new Error(`${path}: no 64-bit ELF`);
  const machine = ({ 62: 'x64', 183: 'arm64' } as const)[file.readUInt16LE(18)] ?? 'other';
  const number = (at: number) => Number(file.readBigUInt64LE(at));
  const text = (at: number) => file.toString('latin1', at, file.indexOf(0, at));

  let interpreter: string | undefined;
  for (let i = 0; i < file.readUInt16LE(56); i++) {
    const header = number(32) + i * file.readUInt16LE(54);
    if (file.readUInt32LE(header) === PT_INTERP) interpreter = text(number(header + 8));
  }

  const sections = Array.from({ length: file.readUInt16LE(60) }, (_, i) => {
    const header = number(40) + i * file.readUInt16LE(58);
    return {
      type: file.readUInt32LE(header + 4),
      offset: number(header + 24),
      size: number(header + 32),
      link: file.readUInt32LE(header + 40),
      count: file.readUInt32LE(header + 44),
    };
  });
  const libraries: string[] = [];
  const versions = new Map<string, string[]>();
  for (const { type, offset, size, link, count } of sections) {
    const strings = sections[link]?.offset ?? 0;
    if (type === SHT_DYNAMIC) {
      for (let at = offset; at < offset + size; at += 16)
        if (number(at) === DT_NEEDED) libraries.push(text(strings + number(at + 8)));
    } else if (type === SHT_GNU_VERNEED) {
      let at = offset;
      for (let i = 0; i < count; i++) {
        const names: string[] = [];
        let entry = at + file.readUInt32LE(at + 8);
        for (let j = 0; j < file.readUInt16LE(at + 2); j++) {
          names.push(text(strings + file.readUInt32LE(entry + 8)));
          entry += file.readUInt32LE(entry + 12);
        }
        versions.set(text(strings + file.readUInt32LE(at + 4)), names);
        at += file.readUInt32LE(at + 12);
      }
    }
  }
  return { machine, interpreter, libraries, versions };
}

/** The newest `GLIBC_x.y` that it asks for, as [x, y]. */
export function newestGlibc({ versions }: ElfNeeds): [number, number] {
  const numbers = [...versions.values()]
    .flat()
    .map((name) => /^GLIBC_(\d+)\.(\d+)/.exec(name))
    .filter((match) => match !== null)
    .map((match): [number, number] => [Number(match[1]), Number(match[2])]);
  return numbers.sort((a, b) => b[0] - a[0] || b[1] - a[1])[0] ?? [0, 0];
}
