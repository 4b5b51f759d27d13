// Which platforms' programs run on this host: its own, and those that it has an interpreter for (binfmt_misc, Documentation/admin-guide/binfmt-misc.rst).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../../native-bindings/errno.ts';
import { hostPlatform, normalised, type Platform, platformText } from '../../images/documents/platform.ts';
import type { BuildPlatform } from '../graph/operation.ts';

/** 'none': nothing of it can be run; its files can be made all the same. */
export type PlatformSupport = 'native' | 'emulated' | 'none';

const BINFMT = '/proc/sys/fs/binfmt_misc';
const MAX_RULES = 1000;

/** e_machine of elf.h, and how its files begin: bits of a word, byte order. */
const machines: Readonly<Record<string, { machine: number; bits: 32 | 64; isBig?: boolean } | undefined>> = {
  '386': { machine: 3, bits: 32 },
  amd64: { machine: 62, bits: 64 },
  arm: { machine: 40, bits: 32 },
  arm64: { machine: 183, bits: 64 },
  loong64: { machine: 258, bits: 64 },
  mips64: { machine: 8, bits: 64, isBig: true },
  mips64le: { machine: 8, bits: 64 },
  ppc64le: { machine: 21, bits: 64 },
  riscv64: { machine: 243, bits: 64 },
  s390x: { machine: 22, bits: 64, isBig: true },
};
/** What else the host's own processor runs. */
const alsoNative: Readonly<Record<string, readonly string[] | undefined>> = { amd64: ['386'], arm64: ['arm'] };

export function platformSupport(platform: BuildPlatform, rules = readRules()): PlatformSupport {
  const { os, architecture } = normalised(platform);
  const host = hostPlatform();
  if (os !== host.os) return 'none';
  if (architecture === host.architecture || alsoNative[host.architecture]?.includes(architecture)) return 'native';
  const header = elfHeader(architecture);
  return header !== undefined && rules.some((rule) => matches(rule, header)) ? 'emulated' : 'none';
}

/** All that run here, the host's own first: "linux/amd64", … */
export function supportedPlatforms(rules = readRules()): Platform[] {
  const host = hostPlatform();
  const others = Object.keys(machines)
    .filter((architecture) => architecture !== host.architecture)
    .map((architecture): Platform => ({ os: host.os, architecture }))
    .filter((platform) => platformSupport(platform, rules) !== 'none')
    .sort((a, b) => (platformText(a) < platformText(b) ? -1 : 1));
  return [host, ...others];
}

/** What the kernel says of each rule; none where binfmt_misc is not there. */
export function readRules(directory = BINFMT): string[] {
  try {
    const rules: string[] = [];
    if (readFileSync(join(directory, 'status'), 'utf8').trim() !== 'enabled') return [];
    for (const name of readdirSync(directory).slice(0, MAX_RULES)) {
      if (name !== 'register' && name !== 'status') rules.push(readFileSync(join(directory, name), 'utf8'));
    }
    return rules;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ENODEV', 'ELOOP')) return [];
    throw error;
  }
}

/** The first bytes of a program. */
function elfHeader(architecture: string): Buffer | undefined {
  const known = machines[architecture];
  if (known === undefined) return undefined;
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, known.bits === 64 ? 2 : 1, known.isBig ? 2 : 1, 1]);
  const write = (value: number, at: number): void => {
    if (known.isBig) header.writeUInt16BE(value, at);
    else header.writeUInt16LE(value, at);
  };
  // ET_EXEC
  write(2, 16);
  write(known.machine, 18);
  return header;
}

/** Only rules whose interpreter was opened when they were made (flag F) work where the interpreter's path leads nowhere: in a container. */
function matches(rule: string, header: Buffer): boolean {
  const field = (name: string): string => new RegExp(`^${name}:? (.*)$`, 'm').exec(rule)?.[1] ?? '';
  const [magic, mask] = [Buffer.from(field('magic'), 'hex'), Buffer.from(field('mask'), 'hex')];
  if (!rule.startsWith('enabled') || !field('flags').includes('F') || magic.length === 0) return false;
  const offset = Number(field('offset'));
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + magic.length > header.length) return false;
  return magic.every((byte, i) => ((byte ^ (header[offset + i] as number)) & (mask[i] ?? 0xff)) === 0);
}
