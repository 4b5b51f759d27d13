// os/architecture/variant as images say it, in Go's names.
import { arch } from 'node:os';
import { EngineError } from '../../errors/engine-error.ts';

export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

export function hostPlatform(): Platform {
  const machine = arch();
  if (machine === 'x64') return { os: 'linux', architecture: 'amd64' };
  if (machine === 'arm64') return { os: 'linux', architecture: 'arm64' };
  return { os: 'linux', architecture: machine };
}

/** What containerd knows by their name alone (platforms.Parse). */
const knownSystems = words(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows zos',
);
const knownArchitectures = words(
  '386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le ' +
    'riscv riscv64 s390 s390x sparc sparc64 wasm',
);

/** `os`, `arch` or `os/arch[/variant]`, in containerd's words when it is none of these. Throws EngineError 'invalid', also for what is not linux. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3) throw invalid(`${JSON.stringify(text)}: cannot parse platform specifier`);
  const bad = parts.find((part) => !/^[a-z0-9_.-]{1,64}$/.test(part));
  if (bad !== undefined)
    throw invalid(`${JSON.stringify(bad)} is an invalid component of ${JSON.stringify(text.slice(0, 200))}`);
  const platform = ofParts(parts as [string, string?, string?]);
  if (platform === undefined) throw invalid(`${JSON.stringify(text)}: unknown operating system or architecture`);
  if (platform.os !== 'linux')
    throw new EngineError('invalid', `invalid platform ${JSON.stringify(text)}: only linux images run here`);
  return platform;
}

function ofParts([first, second, variant]: [string, string?, string?]): Platform | undefined {
  if (second !== undefined)
    return normalised({ os: first, architecture: second, ...(variant === undefined ? {} : { variant }) });
  const host = hostPlatform();
  const { architecture } = normalised({ os: host.os, architecture: first });
  if (knownSystems.has(first)) return { os: first, architecture: host.architecture };
  return knownArchitectures.has(architecture) ? normalised({ os: host.os, architecture: first }) : undefined;
}

/** Go's names, whatever it is called. */
export function normalised({ os, architecture, variant }: Platform): Platform {
  const name = architecture.toLowerCase();
  const other = otherNames[name];
  const used = variant ?? other?.variant;
  return {
    os: os.toLowerCase(),
    architecture: other?.architecture ?? name,
    ...(used === undefined || used === '' ? {} : { variant: used.toLowerCase() }),
  };
}

const otherNames: Readonly<Record<string, { architecture: string; variant?: string } | undefined>> = {
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  aarch64: { architecture: 'arm64' },
  i386: { architecture: '386' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
};

/**
 * Whether an image with this config is what was asked for. A variant that was not asked for does not matter, nor does one that the image does
 * not name: it is for all of them.
 */
export function platformMatches(asked: Platform, config: Platform): boolean {
  const [wanted, has] = [normalised(asked), normalised(config)];
  return (
    wanted.os === has.os &&
    wanted.architecture === has.architecture &&
    (wanted.variant === undefined || has.variant === undefined || wanted.variant === has.variant)
  );
}

export function platformText({ os, architecture, variant }: Platform): string {
  return `${os}/${architecture}${variant === undefined || variant === '' ? '' : `/${variant}`}`;
}

/** Throws 'not-found' in Docker's words when the image that `ref` names is for another platform. */
export function requirePlatform(ref: string, config: Platform, asked: Platform | undefined): void {
  if (asked === undefined || platformMatches(asked, config)) return;
  throw new EngineError(
    'not-found',
    `image with reference ${ref} was found but its platform (${platformText(config)}) does not match ` +
      `the specified platform (${platformText(asked)})`,
  );
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}

function invalid(what: string): EngineError {
  return new EngineError('invalid', `${what}: invalid argument`);
}
