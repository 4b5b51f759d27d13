// What a constant `--platform` names: a system and an architecture, as containerd's platforms package reads them.
const systems = [
  'aix',
  'android',
  'darwin',
  'dragonfly',
  'freebsd',
  'illumos',
  'ios',
  'js',
  'linux',
  'netbsd',
  'openbsd',
  'plan9',
  'solaris',
  'windows',
];
const architectures = [
  '386',
  'amd64',
  'arm',
  'arm64',
  'loong64',
  'mips',
  'mips64',
  'mips64le',
  'mipsle',
  'ppc64',
  'ppc64le',
  'riscv64',
  's390x',
  'wasm',
];
const otherNames: ReadonlyMap<string, string> = new Map([
  ['macos', 'darwin'],
  ['x86_64', 'amd64'],
  ['x86-64', 'amd64'],
  ['i386', '386'],
  ['aarch64', 'arm64'],
  ['armhf', 'arm'],
  ['armel', 'arm'],
]);

/** Undefined when it is none; what is not written has `host`'s value. */
export function platformWords(
  text: string,
  host: { os: string; architecture: string },
): { os: string; architecture: string } | undefined {
  const parts = text.split('/');
  if (parts.length > 3 || !parts.every((part) => /^[A-Za-z0-9_.-]+$/.test(part))) return undefined;
  const [first = '', second] = parts.map((part) => otherNames.get(part.toLowerCase()) ?? part.toLowerCase());
  if (second !== undefined) return { os: first, architecture: second };
  if (systems.includes(first)) return { os: first, architecture: host.architecture };
  return architectures.includes(first) ? { os: host.os, architecture: first } : undefined;
}
